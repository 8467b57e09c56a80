"""How far people who judge the same items agree beyond chance, whoever judged which.

Belongs here: Krippendorff's alpha with its interval. Does not belong here: kappas (kappa), who is right (consensus).
Formulas: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from glow_pipelines.learning.annotations.units import Floats, Units, as_units, patterns_of, resampled
from glow_pipelines.learning.intervals import Interval

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class AlphaEstimate:
    """`alpha` is None when nothing could disagree. `items` and `labels` count only items judged at least twice."""

    alpha: float | None
    interval: Interval | None
    level: Level
    items: int
    labels: int


def coincidences(labels: Floats | Units) -> tuple[Floats, Floats]:
    """The distinct values and the matrix of coincidences o_ck = Σ_u n_uc (n_uk - [c=k]) / (n_u - 1)."""
    units = _paired(labels)
    scaled = units.counts.multiply(1 / (units.sizes - 1)[:, None]).tocsr()
    seen: Floats = (units.counts.T @ scaled).toarray() - np.diag(np.asarray(scaled.sum(axis=0)))
    return units.values, seen


def krippendorff_alpha(labels: Floats | Units, level: Level = "nominal") -> float | None:
    """Alpha of an items x annotators table with NaN for missing; None when fewer than two values were paired."""
    units = _paired(labels)
    alpha = float(_alphas(units, level, np.ones((1, units.counts.shape[0])))[0])
    return None if np.isnan(alpha) else alpha


def bootstrap_alpha(
    labels: Floats | Units,
    level: Level = "nominal",
    *,
    rng: np.random.Generator,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> AlphaEstimate:
    """Alpha with a percentile interval over items.

    Items with the same counts are one pattern, and resampling items is a multinomial over patterns: 1000 resamples
    of 100 000 items cost no more than 1000 of the few patterns that occur.
    """
    units = _paired(labels)
    items = units.counts.shape[0]
    if items == 0:
        return AlphaEstimate(None, None, level, 0, 0)
    patterns = patterns_of(units)
    alpha = float(_alphas(patterns.units, level, patterns.weights[None, :])[0])
    width = max(patterns.units.counts.shape)
    draws = resampled(patterns.weights, rng, resamples, width) if not np.isnan(alpha) else ()
    alphas = np.concatenate([np.zeros(0), *(_alphas(patterns.units, level, draw) for draw in draws)])
    alphas = alphas[~np.isnan(alphas)]
    count = int(units.sizes.sum())
    if len(alphas) == 0:
        return AlphaEstimate(None if np.isnan(alpha) else alpha, None, level, items, count)
    low, high = np.quantile(alphas, [(1 - confidence) / 2, (1 + confidence) / 2])
    interval = Interval(alpha, float(low), float(high), confidence, "bootstrap over items")
    return AlphaEstimate(alpha, interval, level, items, count)


def _paired(labels: Floats | Units) -> Units:
    """Items judged at least twice, and the values given to those."""
    units = as_units(labels).paired()
    used = np.flatnonzero(np.bincount(units.counts.indices, minlength=len(units.values)))
    return units if len(used) == len(units.values) else Units(units.values[used], units.counts[:, used])


def _alphas(units: Units, level: Level, weights: Floats) -> Floats:
    """1 - Do/De for each row of weights (rows x items), NaN where nothing could disagree.

    Not by the matrix of coincidences: what an item disagrees within itself follows from its sums, so that a fine scale
    costs its labels and not its values squared.
    """
    counts, sizes = units.counts, units.sizes
    totals: Floats = (counts.T @ weights.T).T
    n = totals.sum(axis=1)
    if level == "nominal":
        within = (sizes**2 - np.asarray(counts.power(2).sum(axis=1))) / (sizes - 1)
        seen, expected = weights @ within, n**2 - (totals**2).sum(axis=1)
    elif level == "interval":
        x = units.values - _mean(units.values, totals)
        owner = np.repeat(np.arange(len(sizes)), np.diff(counts.indptr))
        away = x[counts.indices] - (counts @ x / sizes)[owner]
        within = 2 * sizes * np.bincount(owner, counts.data * away**2, minlength=len(sizes)) / (sizes - 1)
        seen, expected = weights @ within, 2 * (n * (totals @ x**2) - (totals @ x) ** 2)
    else:
        # Σ_{g=c..k} n_g - (n_c + n_k)/2 is the distance between the mid-ranks of c and k, whose mean is n/2.
        rank = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
        spread = sizes[:, None] * (counts @ (rank**2).T) - (counts @ rank.T) ** 2
        seen = (weights.T * 2 * spread / (sizes - 1)[:, None]).sum(axis=0)
        expected = 2 * n * (totals * rank**2).sum(axis=1)
    differs = (totals > 0).sum(axis=1) >= 2
    result: Floats = np.full(len(weights), np.nan)
    result[differs] = 1 - (n - 1)[differs] * seen[differs] / expected[differs]
    return result


def _mean(values: Floats, totals: Floats) -> float:
    weight = totals.sum(axis=0)
    return float(values @ weight / weight.sum()) if weight.sum() else 0.0
