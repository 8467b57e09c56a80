"""How a value and its uncertainty come out of counts: shares, facts, relative changes, percentiles, given estimates.

Which metric uses which, and its target, belong to success_metrics.py.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from glow_pipelines.learning.intervals import Interval, wilson
from glow_pipelines.learning.operations.types import Reading

_FEW = 5  # below so many votes of a kind the normal approximation of a log ratio is worth nothing


def share(part: int, whole: int, of: str) -> Reading:
    """A proportion with its Wilson interval."""
    if not whole:
        return Reading(None, None, None, f"no {of} yet")
    interval = wilson(part, whole)
    return Reading(interval.estimate, interval.low, interval.high, f"{part:,} of {whole:,} {of}")


def pace(count: int, days: float, per_days: float, at_least_days: float, of: str) -> Reading:
    """A count per `per_days` days. A count is a fact, not a sample: it has no interval, but it needs its days."""
    if days < at_least_days:
        return Reading(None, None, None, f"{count:,} {of} in {days:g} days; at least {at_least_days:g} days are needed")
    value = count * per_days / days
    return Reading(value, value, value, f"{count:,} {of} in {days:g} days")


def relative_change(up: int, votes: int, up_before: int, votes_before: int) -> Reading:
    """Growth of a rate, p/p₀ − 1, with the delta-method interval of the log ratio. Takes votes as independent."""
    evidence = f"{up:,} of {votes:,} votes up, {up_before:,} of {votes_before:,} before"
    if min(up, votes - up, up_before, votes_before - up_before) < _FEW:
        return Reading(None, None, None, f"{evidence}; at least {_FEW} of each kind are needed")
    ratio = (up / votes) / (up_before / votes_before)
    error = math.sqrt(1 / up - 1 / votes + 1 / up_before - 1 / votes_before)
    reach = NormalDist().inv_cdf(0.975) * error
    return Reading(ratio - 1, ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1, evidence)


def percentile_95(values: Sequence[float]) -> Reading:
    """The 95th percentile with its order-statistics interval (no assumption on shape); no upper limit when too few."""
    from scipy.stats import binom  # here: scipy.stats costs seconds that code loading must not pay

    n = len(values)
    if not n:
        return Reading(None, None, None, "no calls measured yet")
    ordered = sorted(values)
    lower, upper = int(binom.ppf(0.025, n, 0.95)), int(binom.ppf(0.975, n, 0.95)) + 1
    return Reading(
        ordered[math.ceil(0.95 * n) - 1],
        ordered[lower - 1] if lower >= 1 else None,
        ordered[upper - 1] if upper <= n else None,
        f"{n:,} calls",
    )


def estimate(interval: Interval | None, of: str) -> Reading:
    """An estimate that comes with its own interval."""
    if interval is None or math.isnan(interval.estimate):
        return Reading(None, None, None, f"no {of} yet")
    return Reading(interval.estimate, interval.low, interval.high, f"{of}, {interval.method} interval")
