"""What sways a judge that should not: the place of an answer, and its length.

Belongs here: measuring it. Does not belong here: asking in both orders (pairwise), whether the judge may gate
(calibration).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.intervals import Interval, wilson
from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.judges.pairwise import Shown


@dataclass(frozen=True)
class PositionBias(Jsonable):
    """Of pairs asked in both orders: the share whose preference went with the place, and of those the share that went
    to the first place (0.5 is noise, 1 and 0 are a habit).
    """

    n: int
    swayed: Interval
    first: Interval


@dataclass(frozen=True)
class LengthBias(Jsonable):
    """How much higher the judge scores an answer e times as long, beyond what experts say of the same answers."""

    n: int
    slope: Interval


def position_bias(orders: Sequence[tuple[Shown, Shown]]) -> PositionBias:
    """From the replies to (one, other) and (other, one). A reply of the same place in both orders went with the place;
    a tie in one order only did not.
    """
    swayed = [first for first, second in orders if first == second and first != "tie"]
    return PositionBias(
        len(orders), wilson(len(swayed), len(orders)), wilson(sum(each == "1" for each in swayed), len(swayed))
    )


def length_bias(
    judged: Sequence[float],
    experts: Sequence[float],
    lengths: Sequence[float],
    rng: np.random.Generator,
    resamples: int = 1000,
) -> LengthBias | None:
    """The slope of (judge - expert) on the logarithm of the length, by least squares, with a bootstrap interval.

    Experts stay in, because longer answers may really be better. For pairs give the ratio of the two lengths. None
    below 10 answers, or when all are equally long. Raises ValueError for lengths that are not above 0.
    """
    x, y = np.log(np.asarray(lengths, dtype=float)), np.asarray(judged, dtype=float) - np.asarray(experts, dtype=float)
    if not np.isfinite(x).all():
        raise ValueError("lengths must be > 0")
    if len(x) < 10 or np.ptp(x) == 0:
        return None
    found = []
    for _ in range(resamples):
        draw = rng.integers(0, len(x), len(x))
        if np.ptp(x[draw]) > 0:
            found.append(_slope(x[draw], y[draw]))
    low, high = np.quantile(found, [0.025, 0.975])
    return LengthBias(len(x), Interval(_slope(x, y), float(low), float(high), 0.95, "bootstrap over answers"))


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))
