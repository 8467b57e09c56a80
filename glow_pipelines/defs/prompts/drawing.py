"""Plots of the prompt assets: a race, and the evidence of a gate over nights.

Belongs here: what is drawn. Does not: axes and lines (defs/drawing). No user text: operators and numbers only.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.drawing import COLOURS, Frame, Point, around, image

if TYPE_CHECKING:
    from glow_pipelines.learning.prompts.types import Race

_OUT, _INCUMBENT = "#b0b0b0", "#000000"


def race_plot(race: "Race", incumbent: str) -> dg.MarkdownMetadataValue:
    """Validation accuracy of every arm over the items it was asked; arms that left end where they left."""
    if not race.rounds:
        return dg.MetadataValue.md("*no race*")
    operators = {arm.prompt_sha256: arm.operator for arm in race.arms}
    paths: dict[str, list[Point]] = {}
    for each in race.rounds:
        for prompt, score in zip(each.prompts, each.scores, strict=True):
            paths.setdefault(prompt, []).append((each.items, score))
    scores = [score for path in paths.values() for _, score in path]
    frame = Frame((0, race.rounds[-1].items), around(scores, (0, 1)), "validation items", "share right", percent=True)
    kept = [prompt for prompt in dict.fromkeys((*race.survivors, incumbent)) if prompt in paths]
    drawn = [frame.path(path, _OUT, 1.5) for prompt, path in paths.items() if prompt not in kept]
    for place, prompt in enumerate(kept):
        colour = _INCUMBENT if prompt == incumbent else COLOURS[place % len(COLOURS)]
        drawn.append(frame.path(paths[prompt], colour, 3 if prompt == incumbent else 2.5))
        drawn.append(frame.label(paths[prompt][-1], f"{operators.get(prompt, '?')} {prompt[:6]}", colour))
    return image(frame.svg(drawn), "race: share right over validation items")


def evidence_plot(nights: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """The e-value of one finalist over the nights of its gate, with the bar it must reach."""
    if not nights:
        return dg.MetadataValue.md("*no gate*")
    ten = math.log(10)
    path = [(0.0, 0.0), *((float(row["evidence"]["n"]), row["evidence"]["log_e"] / ten) for row in nights)]
    bar = -math.log10(nights[-1]["evidence"]["level"])
    frame = Frame((0, path[-1][0] or 1), around([bar, 0.0, *(y for _, y in path)]), "test items", "log10 of E")
    drawn = [
        frame.path([(0, bar), (frame.x[1], bar)], COLOURS[1], 1.5, dashed=True),
        frame.label((frame.x[1], bar), f"needed {10**bar:.3g}", COLOURS[1]),
        frame.path(path, COLOURS[0], 2.5),
        *(frame.dot(point, COLOURS[0]) for point in path[1:]),
    ]
    return image(frame.svg(drawn), "e-value over nights")
