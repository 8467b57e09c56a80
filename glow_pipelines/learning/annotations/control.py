"""How often the experts would approve, had they looked at everything.

Belongs here: the estimate from the control sample. Does not belong here: drawing the sample (glow.control_draw).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from glow_pipelines.learning.feedback.rates import Rate, rate_of

COMPLETE = 0.95
"""At 0.9, what was looked at out of turn drew the estimate down by 1.8 points; at 1, one declined item ends it."""


@dataclass(frozen=True, slots=True)
class ControlItem:
    """An execution of the control sample: its `draw` in [0, 1), and whether experts approved; None: not looked at."""

    draw: float
    approved: bool | None


@dataclass(frozen=True, slots=True)
class ControlEstimate:
    """The approval rate of all executions with its Wilson interval. It rests on the `items` with the lowest draws, of
    which `rate.n` were looked at; `waiting`: controls not looked at, these and later ones."""

    rate: Rate
    items: int
    waiting: int


def control_estimate(items: Iterable[ControlItem], complete: float = COMPLETE) -> ControlEstimate:
    """The rate over the longest run of items, from the lowest draw on, of which a share of `complete` was looked at.

    Not over all that were looked at: what users complained of is looked at sooner, and would make the agent look worse
    than it is. The draws know nothing of the contents, so the items with the lowest are a random sample however the
    others are chosen.
    """
    ordered = sorted(items, key=lambda item: item.draw)
    approved = seen = 0
    best = (0, 0, 0)
    for length, item in enumerate(ordered, 1):
        seen += item.approved is not None
        approved += item.approved is True
        if item.approved is not None and seen >= complete * length:
            best = (length, seen, approved)
    length, looked_at, good = best
    waiting = sum(item.approved is None for item in ordered)
    return ControlEstimate(rate_of(good, looked_at), length, waiting)
