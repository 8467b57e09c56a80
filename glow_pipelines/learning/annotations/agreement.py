"""How far people who judge the same items agree beyond chance.

Belongs here: Krippendorff's alpha with its interval, Cohen's kappa. Does not belong here: who is right (consensus).
Formulas: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011); J. Cohen (1960, weighted 1968).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.intervals import Interval

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class AlphaEstimate:
    """`alpha` is None when nothing could disagree. `items` and `labels` count only items judged at least twice."""

    alpha: float | None
    interval: Interval | None
    level: Level
    items: int
    labels: int


def label_table(triples: Iterable[tuple[str, str, float]]) -> Floats:
    """(item, annotator, value) → items x annotators, NaN where someone gave nothing; a later value replaces."""
    rows = list(triples)
    items = {item: i for i, item in enumerate(sorted({row[0] for row in rows}))}
    people = {person: i for i, person in enumerate(sorted({row[1] for row in rows}))}
    table = np.full((len(items), len(people)), np.nan)
    for item, person, value in rows:
        table[items[item], people[person]] = value
    return table


def coincidences(table: Floats) -> tuple[Floats, Floats]:
    """The distinct values and the matrix of coincidences o_ck = Σ_u n_uc (n_uk - [c=k]) / (n_u - 1)."""
    values, counts = _counts(table)
    return values, _coincide(counts, np.ones(len(counts)))


def krippendorff_alpha(table: Floats, level: Level = "nominal") -> float | None:
    """Alpha of an items x annotators table with NaN for missing; None when fewer than two values were paired."""
    values, counts = _counts(table)
    return _alpha(values, counts, np.ones(len(counts)), level)


def bootstrap_alpha(
    table: Floats,
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
    values, counts = _counts(table)
    if len(counts) == 0:
        return AlphaEstimate(None, None, level, 0, 0)
    patterns, weights = np.unique(counts, axis=0, return_counts=True)
    draws = rng.multinomial(len(counts), weights / weights.sum(), size=resamples)
    alphas = [a for draw in draws if (a := _alpha(values, patterns, draw.astype(np.float64), level)) is not None]
    limits = None
    if alphas:
        low, high = np.quantile(alphas, [(1 - confidence) / 2, (1 + confidence) / 2])
        limits = (float(low), float(high))
    alpha = _alpha(values, patterns, weights.astype(np.float64), level)
    interval = Interval(alpha, *limits, confidence, "bootstrap over items") if alpha is not None and limits else None
    return AlphaEstimate(alpha, interval, level, len(counts), int(counts.sum()))


def cohen_kappa(
    a: Sequence[float], b: Sequence[float], weights: Literal["linear", "quadratic"] | None = None
) -> float | None:
    """Kappa of two people over the same items in the same order; weights are over ranks of the values used.

    None when there is no item or chance alone would always agree. Raises ValueError when the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(
            f"cohen_kappa: a has {len(a)} labels and b {len(b)}; give both people's labels of the same items"
        )
    values, ranks = np.unique(np.asarray([a, b], dtype=np.float64), return_inverse=True)
    ranks = ranks.reshape(2, -1)
    distance = np.abs(np.arange(len(values))[:, None] - np.arange(len(values))[None, :]).astype(np.float64)
    penalty = distance**2 if weights == "quadratic" else distance if weights == "linear" else np.sign(distance)
    seen = np.zeros_like(penalty)
    np.add.at(seen, (ranks[0], ranks[1]), 1.0)
    expected = float((np.outer(seen.sum(1), seen.sum(0)) * penalty).sum()) / max(len(a), 1)
    return None if expected == 0 else 1.0 - float((seen * penalty).sum()) / expected


def _counts(table: Floats) -> tuple[Floats, Floats]:
    """The values used and, for items judged at least twice, how often each value was given: items x values."""
    paired = table[(~np.isnan(table)).sum(axis=1) >= 2]
    present = ~np.isnan(paired)
    values, index = np.unique(paired[present], return_inverse=True)
    flat = np.nonzero(present)[0] * len(values) + index
    counts = np.bincount(flat, minlength=len(paired) * len(values)).reshape(len(paired), len(values))
    return values, counts.astype(np.float64)


def _coincide(counts: Floats, weights: Floats) -> Floats:
    scaled = counts * (weights / (counts.sum(axis=1) - 1))[:, None]
    result: Floats = counts.T @ scaled - np.diag(scaled.sum(axis=0))
    return result


def _alpha(values: Floats, counts: Floats, weights: Floats, level: Level) -> float | None:
    """1 - Do/De, each item counted `weights` times."""
    if len(values) < 2:
        return None
    seen = _coincide(counts, weights)
    totals = seen.sum(axis=1)
    penalty = _penalty(values, totals, level)
    expected = float(totals @ penalty @ totals)
    return None if expected == 0 else 1.0 - float((seen * penalty).sum()) * float(totals.sum() - 1) / expected


def _penalty(values: Floats, totals: Floats, level: Level) -> Floats:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    position = values if level == "interval" else np.cumsum(totals) - totals / 2
    # Ordinal: Σ_{g=c..k} n_g - (n_c + n_k)/2 is the distance between the mid-ranks of c and k.
    result: Floats = (position[:, None] - position[None, :]) ** 2
    return result
