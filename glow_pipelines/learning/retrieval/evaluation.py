"""Measuring a configuration on judged queries.

Belongs here: running an index over queries with known answers; means with intervals; the paired sign-flip test. Does
not belong here: what to do about the figures (``gate``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.intervals import Interval, paired_bootstrap
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.metrics import (
    bpref,
    hit_at_1,
    judged_share,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from glow_pipelines.learning.retrieval.types import Judgement, RetrievalMetrics, Vector

RESAMPLES = 2000
WELL_JUDGED = 0.5


@dataclass(frozen=True)
class JudgedQuery:
    """A query with its grades by chunk id, its embedding, and the group of rewordings it belongs to."""

    query: str
    embedding: Vector
    grades: Mapping[str, float]
    group: str


def judged_queries(
    judgements: Sequence[Judgement], embeddings: Mapping[str, Vector], *, condensed: bool = False
) -> list[JudgedQuery]:
    """Queries in order of appearance, without those on which every ranking is as good as any other.

    That is when no chunk is relevant, and, on condensed lists, also when every judged chunk is.
    """
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    for judgement in judgements:
        grades[judgement.query][judgement.chunk_id] = judgement.grade
    useful = [
        query
        for query, by_chunk in grades.items()
        if max(by_chunk.values()) > 0 and not (condensed and min(by_chunk.values()) > 0)
    ]
    groups = group_queries(useful, embeddings)
    return [JudgedQuery(query, embeddings[query], grades[query], groups[query]) for query in useful]


def measure(index: RetrievalIndex, queries: Sequence[JudgedQuery], *, condensed: bool = False) -> Vector:
    """Per query: nDCG@10, MRR@10, recall@10, hit@1, judged share of the top 10; shape (queries, 5)."""
    rows = []
    for judged in queries:
        ranked, grades = index.ranking(judged.query, judged.embedding), judged.grades
        scores = [metric(ranked, grades, condensed=condensed) for metric in (ndcg, reciprocal_rank, recall, hit_at_1)]
        rows.append([*scores, judged_share(ranked, grades)])
    return np.array(rows, dtype=np.float64).reshape(len(rows), 5)


def summarize(
    scores: Vector, groups: Sequence[str], rng: np.random.Generator, *, condensed: bool = False
) -> RetrievalMetrics:
    """Means of ``measure``'s columns with intervals. Raises ValueError when there is no query to summarize."""
    if not len(scores):
        raise ValueError(
            "retrieval metrics: no judged query tells rankings apart; give Judgement rows with grade > 0"
            " (and, for condensed lists, rows with grade 0 beside them)"
        )
    zero = [0.0] * len(scores)
    ndcg_, mrr, found, first = (
        paired_bootstrap(list(column), zero, rng, groups, RESAMPLES) for column in scores[:, :4].T
    )
    return RetrievalMetrics(ndcg_, mrr, found, first, float(scores[:, 4].mean()), len(scores), condensed)


@dataclass(frozen=True)
class JudgedReport:
    """Quality on judged queries with 95 % intervals clustered by query group. ``condensed`` (unjudged chunks taken out)
    is there when less than half of the top 10 is judged; ``note`` says so. bpref never counts what is not judged."""

    figures: Mapping[str, Interval]
    condensed: Mapping[str, Interval] | None
    judged_at_10: float
    queries: int
    groups: int
    note: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judged_report(index: RetrievalIndex, queries: Sequence[JudgedQuery], rng: np.random.Generator) -> JudgedReport:
    """nDCG@10, MRR@10, recall@10, precision@5, hit@1 and bpref, exactly. Raises ValueError without queries."""
    if not queries:
        raise ValueError("judged report: no judged query; give Judgement rows with grade > 0")
    ranked = [index.ranking(judged.query, judged.embedding) for judged in queries]
    groups = [judged.group for judged in queries]
    share = float(np.mean([judged_share(r, judged.grades) for r, judged in zip(ranked, queries, strict=True)]))
    sparse = share < WELL_JUDGED
    return JudgedReport(
        figures=_figures(ranked, queries, groups, rng, condensed=False),
        condensed=_figures(ranked, queries, groups, rng, condensed=True) if sparse else None,
        judged_at_10=share,
        queries=len(queries),
        groups=len(set(groups)),
        note=f"only {share:.0%} of the top 10 is judged: read the condensed values" if sparse else "",
    )


def _figures(
    ranked: Sequence[Sequence[str]],
    queries: Sequence[JudgedQuery],
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    condensed: bool,
) -> dict[str, Interval]:
    metrics: dict[str, Callable[[Sequence[str], Mapping[str, float]], float]] = {
        "ndcg@10": lambda r, g: ndcg(r, g, condensed=condensed),
        "mrr@10": lambda r, g: reciprocal_rank(r, g, condensed=condensed),
        "recall@10": lambda r, g: recall(r, g, condensed=condensed),
        "precision@5": lambda r, g: precision(r, g, condensed=condensed),
        "hit@1": lambda r, g: hit_at_1(r, g, condensed=condensed),
        "bpref": bpref,
    }
    zero = [0.0] * len(queries)
    return {
        name: paired_bootstrap(
            [metric(r, judged.grades) for r, judged in zip(ranked, queries, strict=True)], zero, rng, groups, RESAMPLES
        )
        for name, metric in metrics.items()
    }


def sign_flip_p(differences: Vector, groups: Sequence[str], rng: np.random.Generator, resamples: int = 5000) -> float:
    """Two-sided p of the mean paired difference under random signs, one sign per group (Smucker et al. 2007)."""
    index = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums = np.bincount(index, weights=differences)
    sums = sums[sums != 0]
    if not sums.size:
        return 1.0
    signs = rng.integers(0, 2, size=(resamples, sums.size)) * 2 - 1
    as_extreme = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12
    return float((1 + as_extreme.sum()) / (1 + resamples))
