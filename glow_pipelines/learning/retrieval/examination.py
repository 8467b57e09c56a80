"""How likely a rank is looked at, learned from what was clicked where.

Belongs here: the examination curve θ of the position-based model, θ₁ = 1. Does not belong here: using it: it goes into
the next configuration and is logged with every hit as it is served; no hit that was served before is weighed by it.

The same chunk, shown for the same question at two ranks, is as relevant at both: how its clicks differ is how the
looks differ (intervention harvesting: Agarwal et al. 2019, doi:10.1145/3289600.3291017). Ratios of two ranks are
Mantel–Haenszel risk ratios over (question, chunk), with the variance of Greenland and Robins 1985; the curve is their
weighted least squares fit together with the default's own ratios as prior. First from lists in which chance had a hand
(interleaved, swapped neighbours); else from whatever moved between ranks as configurations and documents changed. What
stood at one rank only says nothing: its clicks may be its relevance.

Expectation maximisation of the same model (Richardson et al. 2007) was tried for the second case and left out. On three
simulated logs of 20,000 lists with a known curve (one seed), its largest error in log θ was .41 to .58 after 100 rounds
and .06 to .25 after 3000 with a weak prior on relevance; that of the ratios was at most .08. Other priors or a better
start may do better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.interleaving import EXAMINATION_FLOOR, examination
from glow_pipelines.learning.retrieval.types import Vector

LEAST_CLICKS = 200
"""On chunks shown at several ranks; with fewer the default is nearer to the truth than what they say."""
PRIOR_VARIANCE = 0.5
"""Of the log ratio of two neighbours around the default's."""

Source = Literal["randomised", "moved", "default"]
Row = tuple[str, str, int, bool, int, int]


@dataclass(frozen=True, eq=False)
class Exposures:
    """How often each (question, chunk) was shown and clicked at each rank; all of shape (rows,).

    ``pair`` numbers question and chunk; ``mixed``: the order was in part chance's.
    """

    pair: NDArray[np.int64]
    rank: NDArray[np.int64]
    mixed: NDArray[np.bool_]
    shown: Vector
    clicked: Vector

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Exposures:
        """From rows of question, chunk id, rank, mixed, shown, clicked."""
        pairs: dict[tuple[str, str], int] = {}
        columns = [(pairs.setdefault((q, c), len(pairs)), *rest) for q, c, *rest in rows]
        pair, rank, mixed, shown, clicked = zip(*columns, strict=True) if columns else ((),) * 5
        return cls(
            np.array(pair, dtype=np.int64),
            np.array(rank, dtype=np.int64),
            np.array(mixed, dtype=bool),
            np.array(shown, dtype=np.float64),
            np.array(clicked, dtype=np.float64),
        )


@dataclass(frozen=True)
class Examination:
    """θ of the ranks from 1 on, where it comes from, and the clicks and (question, chunk) pairs it rests on."""

    curve: tuple[float, ...]
    source: Source
    clicks: int
    pairs: int


def chance(curve: Sequence[float], rank: int) -> float:
    """θ of a rank: of the curve, beyond its end in the default's proportions, without a curve the default."""
    if not curve:
        return examination(rank)
    if rank <= len(curve):
        return curve[rank - 1]
    return max(curve[-1] * examination(rank) / examination(len(curve)), EXAMINATION_FLOOR)


def learn_examination(exposures: Exposures, ranks: int = 10) -> Examination:
    """The curve of the first ``ranks`` ranks, each in [.1, 1]; the default where too little was clicked."""
    default = np.array([examination(rank) for rank in range(1, ranks + 1)])
    sources: tuple[tuple[Source, NDArray[np.bool_]], ...] = (
        ("randomised", exposures.mixed),
        ("moved", np.ones_like(exposures.mixed)),
    )
    for source, where in sources:
        shown, clicked = _by_rank(exposures, where, ranks)
        if clicked.sum() >= LEAST_CLICKS:
            curve = np.clip(_harvest(shown, clicked, default), EXAMINATION_FLOOR, 1.0)
            return Examination(tuple(curve.tolist()), source, int(clicked.sum()), len(shown))
    return Examination(tuple(default.tolist()), "default", 0, 0)


def _by_rank(exposures: Exposures, where: NDArray[np.bool_], ranks: int) -> tuple[Vector, Vector]:
    """Shown and clicked, shape (pairs, ranks), of the pairs shown at two ranks or more."""
    keep = where & (exposures.rank <= ranks)
    pairs, row = np.unique(exposures.pair[keep], return_inverse=True)
    at = row * ranks + exposures.rank[keep] - 1
    shape = (len(pairs), ranks)
    shown = np.bincount(at, exposures.shown[keep], len(pairs) * ranks).reshape(shape)
    clicked = np.bincount(at, exposures.clicked[keep], len(pairs) * ranks).reshape(shape)
    moved = (shown > 0).sum(axis=1) > 1
    return shown[moved], clicked[moved]


def _harvest(shown: Vector, clicked: Vector, default: Vector) -> Vector:
    ranks = len(default)
    edges = [(k, k + 1, float(np.log(default[k + 1] / default[k])), PRIOR_VARIANCE) for k in range(ranks - 1)]
    for j in range(ranks):
        for k in range(j + 1, ranks):
            both = (shown[:, j] > 0) & (shown[:, k] > 0)
            n, m, a, c = shown[both, j], shown[both, k], clicked[both, k], clicked[both, j]
            below, above = float(np.sum(a * n / (n + m))), float(np.sum(c * m / (n + m)))
            if below > 0 and above > 0:
                spread = float(np.sum((n * m * (a + c) - a * c * (n + m)) / (n + m) ** 2))
                edges.append((j, k, float(np.log(below / above)), max(spread, 1e-9) / (below * above)))
    precision, pull = np.zeros((ranks, ranks)), np.zeros(ranks)
    for j, k, ratio, variance in edges:
        precision[[j, k], [j, k]] += 1 / variance
        precision[[j, k], [k, j]] -= 1 / variance
        pull[k] += ratio / variance
        pull[j] -= ratio / variance
    log = np.zeros(ranks)
    log[1:] = np.linalg.solve(precision[1:, 1:], pull[1:])
    curve: Vector = np.exp(log)
    return curve
