"""How far people agree beyond chance, by the kappas.

Belongs here: Cohen's kappa of two people, Fleiss' of many, their intervals. Does not belong here: alpha (agreement).
Formulas: J. Cohen (1960, weighted 1968); J. L. Fleiss (1971); for unequal numbers of labels K. L. Gwet, "Handbook of
Inter-Rater Reliability" (4th ed., 2014), section 2.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from glow_pipelines.learning.annotations.units import Floats, Units, as_units, patterns_of, resampled
from glow_pipelines.learning.intervals import Interval

Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class KappaEstimate:
    """`kappa` is None when chance alone would always agree. `items` are those judged at least twice."""

    kappa: float | None
    interval: Interval | None
    items: int


def cohen_kappa(a: Sequence[float], b: Sequence[float], weights: Weights | None = None) -> float | None:
    """Kappa of two people over the same items in the same order; weights are over ranks of the values used.

    None when there is no item or chance alone would always agree. Raises ValueError when the lengths differ.
    """
    first, second, times, penalty = _pairs(a, b, weights)
    kappa = float(_cohen(first, second, penalty, times[None, :])[0])
    return None if np.isnan(kappa) else kappa


def bootstrap_cohen(
    a: Sequence[float],
    b: Sequence[float],
    weights: Weights | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> KappaEstimate:
    """Cohen's kappa with a percentile interval over items. Items with the same two labels are one pattern."""
    first, second, times, penalty = _pairs(a, b, weights)
    kappa = float(_cohen(first, second, penalty, times[None, :])[0]) if len(a) else np.nan
    draws = resampled(times, rng, resamples, len(times)) if not np.isnan(kappa) else ()
    return _estimate(kappa, [_cohen(first, second, penalty, draw) for draw in draws], len(a), confidence)


def fleiss_kappa(labels: Floats | Units) -> float | None:
    """Kappa of an items x annotators table with NaN for missing; None when nothing could disagree.

    Items need not have equally many labels (Gwet 2014): agreement is the mean over items judged at least twice, chance
    is from the mean shares over all items. With equal numbers it is Fleiss' formula.
    """
    units = as_units(labels)
    kappa = float(_fleiss(units, np.ones((1, units.counts.shape[0])))[0])
    return None if np.isnan(kappa) else kappa


def bootstrap_fleiss(
    labels: Floats | Units, *, rng: np.random.Generator, resamples: int = 1000, confidence: float = 0.95
) -> KappaEstimate:
    """Fleiss' kappa with a percentile interval over items."""
    units = as_units(labels)
    patterns = patterns_of(units)
    kappa = float(_fleiss(patterns.units, patterns.weights[None, :])[0])
    width = max(patterns.units.counts.shape)
    draws = resampled(patterns.weights, rng, resamples, width) if not np.isnan(kappa) else ()
    found = [_fleiss(patterns.units, draw) for draw in draws]
    return _estimate(kappa, found, int((units.sizes >= 2).sum()), confidence)


def _estimate(kappa: float, found: Sequence[Floats], items: int, confidence: float) -> KappaEstimate:
    if np.isnan(kappa):
        return KappaEstimate(None, None, items)
    kappas = np.concatenate([np.zeros(0), *found])
    kappas = kappas[~np.isnan(kappas)]
    if len(kappas) == 0:
        return KappaEstimate(kappa, None, items)
    low, high = np.quantile(kappas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return KappaEstimate(kappa, Interval(kappa, float(low), float(high), confidence, "bootstrap over items"), items)


def _pairs(a: Sequence[float], b: Sequence[float], weights: Weights | None) -> tuple[Floats, Floats, Floats, Floats]:
    """The different pairs of labels, each person's as rows of indicators; how often each occurred; penalties."""
    if len(a) != len(b):
        raise ValueError(
            f"cohen_kappa: a has {len(a)} labels and b {len(b)}; give both people's labels of the same items"
        )
    values, ranks = np.unique(np.asarray([a, b], dtype=np.float64), return_inverse=True)
    cells, times = np.unique(ranks.reshape(2, -1), axis=1, return_counts=True)
    distance = np.abs(np.arange(len(values))[:, None] - np.arange(len(values))[None, :]).astype(np.float64)
    penalty = distance**2 if weights == "quadratic" else distance if weights == "linear" else np.sign(distance)
    own = np.eye(len(values))
    return own[cells[0]], own[cells[1]], times.astype(np.float64), penalty


def _cohen(first: Floats, second: Floats, penalty: Floats, times: Floats) -> Floats:
    """1 - penalties seen / penalties expected for each row of times (rows x different pairs)."""
    seen = times @ ((first @ penalty) * second).sum(axis=1)
    expected = (((times @ first) @ penalty) * (times @ second)).sum(axis=1)
    defined = expected > 0
    result: Floats = np.full(len(times), np.nan)
    result[defined] = 1 - times.sum(axis=1)[defined] * seen[defined] / expected[defined]
    return result


def _fleiss(units: Units, weights: Floats) -> Floats:
    """(agreement - chance) / (1 - chance) for each row of weights (rows x items)."""
    counts, sizes = units.counts, units.sizes
    paired = (sizes >= 2).astype(np.float64)
    pairs = np.where(paired > 0, sizes * (sizes - 1), 1.0)
    agreement = paired * (np.asarray(counts.power(2).sum(axis=1)) - sizes) / pairs
    shares: Floats = (counts.multiply(1 / sizes[:, None]).tocsr().T @ weights.T).T
    judged, twice = weights.sum(axis=1), weights @ paired
    defined = (twice > 0) & ((shares > 0).sum(axis=1) >= 2)
    seen = (weights @ agreement)[defined] / twice[defined]
    chance = ((shares[defined] / judged[defined, None]) ** 2).sum(axis=1)
    result: Floats = np.full(len(weights), np.nan)
    result[defined] = (seen - chance) / (1 - chance)
    return result
