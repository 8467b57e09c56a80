"""Whether a share grows from week to week.

Belongs here: the slope with its interval. Does not belong here: what is counted (patterns).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

WEEKS = 12
_LEAST_WEEKS, _LEAST_COUNT = 3, 5
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of the share a week (.01 is one point), with 95 % limits. Rising is `low` > 0."""

    slope: float
    low: float
    high: float


def trend_of(times: Sequence[datetime], all_times: Sequence[datetime]) -> Trend | None:
    """The trend of `times` among `all_times` over the twelve weeks before the newest of all; weeks end with that one.

    The least-squares slope of a share and its standard error when there is no trend (Cochran 1954, Armitage 1955), so
    that the limits exclude 0 exactly where the test of Cochran and Armitage does. None when less than five of them fall
    into the window, or when it holds less than three weeks with anything: the normal approximation is none then.
    """
    if not times:
        return None
    newest = max(all_times)
    hits, totals = _by_week(times, newest), _by_week(all_times, newest)
    n, k = totals.sum(), hits.sum()
    if k < _LEAST_COUNT or np.count_nonzero(totals) < _LEAST_WEEKS:
        return None
    p = k / n
    centred = np.arange(WEEKS) - (totals * np.arange(WEEKS)).sum() / n
    spread = float((totals * centred**2).sum())
    slope = float((hits * centred).sum()) / spread
    margin = _Z * math.sqrt(p * (1 - p) / spread)
    return Trend(slope, slope - margin, slope + margin)


def _by_week(times: Sequence[datetime], newest: datetime) -> np.ndarray:
    """Counts of the last twelve weeks, the oldest first."""
    ages = [(newest - at) // timedelta(weeks=1) for at in times]
    return np.bincount([WEEKS - 1 - age for age in ages if 0 <= age < WEEKS], minlength=WEEKS).astype(float)
