"""Plots of the experiment assets: the difference over looks against its boundaries, and a rollout's share over time.

Belongs here: what is drawn. Does not: axes and lines (defs/drawing). No user text: names of ours and numbers only.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.drawing import COLOURS, Frame, Point, around, image

if TYPE_CHECKING:
    from glow_pipelines.learning.experiments import ExperimentPlan, Look
    from glow_pipelines.store.noun import Row

_EVEN, _WORTH = "#000000", "#777777"


def interval_plot(looks: "Sequence[Look]", plan: "ExperimentPlan") -> dg.MarkdownMetadataValue:
    """Treatment minus control on the primary metric over days, its always-valid interval, and what a ship needs.

    Dashed: the boundary of each decision look in the metric's own units. Where the line leaves the dashed ones, the
    experiment is decided.
    """
    seen = [look for look in looks if look.primary.difference is not None and look.primary.standard_error]
    if not seen:
        return dg.MetadataValue.md("*no look could compare the arms yet*")
    points = [(look.day, look.primary.difference or 0.0) for look in seen]
    bounds = [
        (look.day, look.primary.edge * look.primary.standard_error)
        for look in seen
        if look.primary.edge is not None and look.primary.standard_error is not None
    ]
    intervals = [
        (look.day, look.primary.low, look.primary.high)
        for look in seen
        if look.primary.low is not None and look.primary.high is not None
    ]
    worth = plan.primary.sign * plan.smallest_worthwhile
    told = [0.0, worth, *(y for _, y in points), *(side * y for _, y in bounds[-3:] for side in (-1, 1))]
    last = [edge for _, low, high in intervals[-1:] for edge in (low, high)]
    low, high = around([*told, *last])
    frame = Frame((0, max(seen[-1].day, 1.0)), (low, high), "days", "treatment minus control", plan.primary.about.share)
    # What is wider leaves the picture: intervals of the first days are, and nothing else could be seen.
    inside = _clamp(low, high)
    drawn = [
        frame.band([(x, inside(y)) for x, y, _ in intervals], [(x, inside(y)) for x, _, y in intervals], COLOURS[0])
        if intervals
        else "",
        frame.path([(0, 0.0), (frame.x[1], 0.0)], _EVEN, 1),
        frame.path([(0, worth), (frame.x[1], worth)], _WORTH, 1, dashed=True),
        frame.label((frame.x[1], worth), "worth shipping", _WORTH),
    ]
    for side in (-1, 1) if bounds else ():
        path = [(x, inside(side * y)) for x, y in bounds]
        drawn.append(frame.path(path, COLOURS[1], 1.5, dashed=True))
        drawn.append(frame.label(path[-1], "better" if side == plan.primary.sign else "worse", COLOURS[1]))
    drawn.append(frame.path([(x, inside(y)) for x, y in points], COLOURS[0], 2.5))
    drawn += [frame.dot((x, inside(y)), COLOURS[0]) for x, y in points]
    return image(frame.svg(drawn), "difference over looks with its interval and boundaries")


def share_plot(moves: "Sequence[Row]") -> dg.MarkdownMetadataValue:
    """The share of units that see the treatment over the days of a rollout; orange where it was taken back."""
    if not moves:
        return dg.MetadataValue.md("*no rollout*")
    begun = moves[0]["moved_at"]
    path: list[Point] = []
    for move in moves:
        day = (move["moved_at"] - begun).total_seconds() / 86400
        back = move["state"] == "rolled_back"
        share = 0.0 if back else 1.0 if move["state"] == "completed" else move["treatment_ppm"] / 1e6
        path += [(day, path[-1][1]), (day, share)] if path else [(day, share)]
    frame = Frame((0, max(path[-1][0], 1.0)), (0, 1), "days", "share with the treatment", percent=True)
    colour = COLOURS[1] if moves[-1]["state"] == "rolled_back" else COLOURS[2]
    return image(frame.svg([frame.path(path, COLOURS[0], 2.5), frame.dot(path[-1], colour)]), "share over the rollout")


def _clamp(low: float, high: float) -> Callable[[float], float]:
    return lambda value: min(max(value, low), high)
