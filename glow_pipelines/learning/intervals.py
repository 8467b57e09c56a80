"""Intervals and tests for proportions, shared by every engine.

Belongs here: small closed-form or resampling statistics on counts and paired scores, each with its source.
Does not belong here: decisions (see the gates) and sequential statistics (see the e-processes), which need a stopping
rule.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, norm


@dataclass(frozen=True)
class Interval:
    """A point estimate with its two-sided confidence limits, all in the unit of the estimate (a proportion is 0..1)."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927). With n = 0 nothing is known: limits 0 and 1, estimate NaN.

    Raises ValueError when successes is outside 0..n or confidence outside (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must lie in 0..n={n}")
    z = _z(confidence)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, confidence, "wilson")
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # The limits touch 0 and 1 exactly at the ends; rounding would leave them a hair inside and exclude the estimate.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(p, low, high, confidence, "wilson")


def newcombe_paired(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Interval:
    """Interval of a difference of paired proportions, first minus second.

    Square-and-add of two Wilson intervals with the continuity-corrected phi (Newcombe 1998, Statistics in Medicine
    17:2635, method 10). Arguments are counts of pairs. With no pairs: -1..1, estimate NaN. Raises ValueError on
    negatives.
    """
    counts = (both, first_only, second_only, neither)
    if min(counts) < 0:
        raise ValueError(f"pair counts must be >= 0, got {counts}")
    n = sum(counts)
    if n == 0:
        return Interval(math.nan, -1.0, 1.0, confidence, "newcombe-paired")
    first, second = wilson(both + first_only, n, confidence), wilson(both + second_only, n, confidence)
    margins = math.prod((both + first_only, second_only + neither, both + second_only, first_only + neither))
    association: float = both * neither - first_only * second_only
    if association > 0:
        association = max(association - n / 2, 0)
    phi = association / math.sqrt(margins) if margins else 0.0
    down, up = first.estimate - first.low, first.high - first.estimate
    other_down, other_up = second.estimate - second.low, second.high - second.estimate
    difference = (first_only - second_only) / n
    low = difference - math.sqrt(max(0.0, down**2 - 2 * phi * down * other_up + other_up**2))
    high = difference + math.sqrt(max(0.0, up**2 - 2 * phi * up * other_down + other_down**2))
    return Interval(difference, max(-1.0, low), min(1.0, high), confidence, "newcombe-paired")


def mcnemar_midp(first_only: int, second_only: int) -> float:
    """Two-sided mid-p McNemar test on discordant pairs (Fagerland, Lydersen, Laake 2013); 1.0 without any."""
    return min(1.0, 2 * sign_midp(max(first_only, second_only), min(first_only, second_only)))


def sign_midp(wins: int, losses: int) -> float:
    """One-sided mid-p of seeing at least this many wins when each discordant pair is a fair coin; 0.5 without any."""
    if wins < 0 or losses < 0:
        raise ValueError(f"wins={wins} and losses={losses} must be >= 0")
    n = wins + losses
    return float(binom.sf(wins, n, 0.5) + 0.5 * binom.pmf(wins, n, 0.5))


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    rng: np.random.Generator,
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap of mean(first - second) over pairs (Efron 1979), or over whole groups when they are given.

    Groups matter when several pairs come from one conversation: resampling pairs would then call the interval too
    short. Raises ValueError when lengths differ or there is nothing to resample.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape or one.ndim != 1 or not len(one) or (groups is not None and len(groups) != len(one)):
        raise ValueError(f"need equally long, non-empty pairs (and groups), got {one.shape} and {other.shape}")
    difference = one - other
    keys = np.arange(len(difference)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    totals, sizes = np.bincount(keys, weights=difference), np.bincount(keys)
    draws = rng.multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=resamples)
    means = (draws @ totals) / (draws @ sizes)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(difference.mean()), float(low), float(high), confidence, "paired-bootstrap")


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must lie strictly between 0 and 1, for example 0.95")
    return float(norm.ppf(0.5 + confidence / 2))
