"""A share together with what it was counted from and how sure it is.

Belongs here: `Rate`. Does not belong here: the interval's formula (learning/intervals).
"""

from dataclasses import dataclass

from glow_pipelines.learning.intervals import wilson


@dataclass(frozen=True, slots=True)
class Rate:
    """`successes` of `n` with its interval; `value` is None and the interval [0, 1] when `n` is 0."""

    successes: int
    n: int
    value: float | None
    low: float
    high: float


def rate_of(successes: int, n: int, confidence: float = 0.95) -> Rate:
    """The share with its Wilson interval."""
    interval = wilson(successes, n, confidence)
    return Rate(successes, n, successes / n if n else None, interval.low, interval.high)
