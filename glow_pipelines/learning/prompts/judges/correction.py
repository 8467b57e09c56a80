"""Levels as a judge sees them, corrected for the judge's errors.

Belongs here: the estimator of Rogan and Gladen (1978, American Journal of Epidemiology 107:71) and its interval. Does
not belong here: measuring the errors (calibration).

A judge with sensitivity q1 and specificity q0 calls p = θ q1 + (1 - θ)(1 - q0) of the answers good when a share θ is.
So θ = (p + q0 - 1) / (q0 + q1 - 1), and a difference of two levels is stretched by 1 / (q0 + q1 - 1), as long as both
arms are judged with the same q's. The interval carries the uncertainty of all three shares (Lang and Reiczigel 2014,
Preventive Veterinary Medicine 113:13; proposed for judges in arXiv 2511.21140).
"""

import math
from dataclasses import dataclass

from scipy.stats import norm

from glow_pipelines.learning.intervals import Interval


@dataclass(frozen=True)
class Share:
    """`hits` of `n`."""

    hits: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.n:
            raise ValueError(f"hits={self.hits} must lie in 0..n={self.n}")


def corrected_level(judged_good: Share, sensitivity: Share, specificity: Share, confidence: float = 0.95) -> Interval:
    """The share of answers that are good, from how many a judge calls so. Raises ValueError when the judge is no better
    than a coin on the calibration, or a share is of nothing: there is no correction then.
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    information = _information(_rate(sensitivity), _rate(specificity), sensitivity, specificity)
    estimate = (_rate(judged_good) + _rate(specificity) - 1) / information
    n, m1, m0 = judged_good.n + z * z, sensitivity.n + 2, specificity.n + 2
    p = (judged_good.hits + z * z / 2) / n
    q1, q0 = (sensitivity.hits + 1) / m1, (specificity.hits + 1) / m0
    shift_by = max(q0 + q1 - 1, 1e-9)
    level = (p + q0 - 1) / shift_by
    spread = {"good": q1 * (1 - q1) / m1, "bad": q0 * (1 - q0) / m0}
    shift = 2 * z * z * (level * spread["good"] - (1 - level) * spread["bad"])
    variance = p * (1 - p) / n + (1 - level) ** 2 * spread["bad"] + level**2 * spread["good"]
    half = z * math.sqrt(variance) / shift_by
    low, high = level + shift - half, level + shift + half
    return Interval(_unit(estimate), _unit(low), _unit(high), confidence, "rogan-gladen")


def corrected_difference(raw: Interval, sensitivity: Share, specificity: Share) -> Interval:
    """A difference of two judged levels (its interval symmetric or not) as a difference of true ones.

    The uncertainty of the q's adds to that of the difference, in proportion to the difference itself. Only for arms
    that are judged with the same q's. Raises ValueError as `corrected_level` does.
    """
    z = float(norm.ppf(0.5 + raw.confidence / 2))
    q1, q0 = _rate(sensitivity), _rate(specificity)
    information = _information(q1, q0, sensitivity, specificity)
    estimate = raw.estimate / information
    m1, m0 = sensitivity.n + 2, specificity.n + 2
    near1, near0 = (sensitivity.hits + 1) / m1, (specificity.hits + 1) / m0
    own = z * abs(estimate) * math.sqrt(near1 * (1 - near1) / m1 + near0 * (1 - near0) / m0) / information
    down, up = (raw.estimate - raw.low) / information, (raw.high - raw.estimate) / information
    low, high = estimate - math.hypot(down, own), estimate + math.hypot(up, own)
    return Interval(_signed(estimate), _signed(low), _signed(high), raw.confidence, "rogan-gladen difference")


def difference_of(first: Interval, second: Interval) -> Interval:
    """First minus second of two corrected levels by square-and-add (Newcombe 1998), as if they were of different
    answers; for the same answers it is a little too wide.
    """
    estimate = first.estimate - second.estimate
    down = math.hypot(first.estimate - first.low, second.high - second.estimate)
    up = math.hypot(first.high - first.estimate, second.estimate - second.low)
    method = "rogan-gladen by arm"
    return Interval(estimate, _signed(estimate - down), _signed(estimate + up), first.confidence, method)


def _information(q1: float, q0: float, sensitivity: Share, specificity: Share) -> float:
    if q1 + q0 <= 1:
        raise ValueError(
            f"sensitivity {sensitivity.hits}/{sensitivity.n} and specificity {specificity.hits}/{specificity.n} "
            "sum to 1 or less: such a judge knows nothing, and nothing corrects it"
        )
    return q1 + q0 - 1


def _rate(share: Share) -> float:
    if share.n == 0:
        raise ValueError("a share of no answers: judge and calibrate on some of each kind first")
    return share.hits / share.n


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _signed(value: float) -> float:
    return min(1.0, max(-1.0, value))
