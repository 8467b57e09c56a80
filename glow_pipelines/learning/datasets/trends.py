"""Whether a share grows from week to week.

Belongs here: the slope with its interval. Does not belong here: what is counted (patterns).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
WEEKS = 12
_LEAST_WEEKS, _LEAST_COUNT = 3, 5
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of the share a week (.01 is one point), with 95 % limits. Rising is `low` > 0."""

    slope: float
    low: float
    high: float


def trend_of(hits: FloatArray, totals: FloatArray) -> Trend | None:
    """The trend of a share over twelve weeks, both counts by week, the oldest first.

    The least-squares slope of a share and its standard error when there is no trend (Cochran 1954, Armitage 1955), so
    that the limits exclude 0 exactly where the test of Cochran and Armitage does. None with less than five hits, or
    less than three weeks that hold anything: the normal approximation is none then.
    """
    n, k = totals.sum(), hits.sum()
    if k < _LEAST_COUNT or np.count_nonzero(totals) < _LEAST_WEEKS:
        return None
    p = k / n
    centred = np.arange(WEEKS) - (totals * np.arange(WEEKS)).sum() / n
    spread = float((totals * centred**2).sum())
    slope = float((hits * centred).sum()) / spread
    margin = _Z * math.sqrt(p * (1 - p) / spread)
    return Trend(slope, slope - margin, slope + margin)


def by_week(times: Iterable[datetime], newest: datetime) -> FloatArray:
    """Counts of the last twelve weeks before `newest`, the oldest first; what is older is not counted."""
    ages = ((newest - at) // timedelta(weeks=1) for at in times)
    return np.bincount([WEEKS - 1 - age for age in ages if 0 <= age < WEEKS], minlength=WEEKS).astype(np.float64)
