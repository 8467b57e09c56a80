"""The ways to rank that stand side by side: without learning, one signal alone, each component, and the product.

Belongs here: from a trial to a function that ranks questions. Does not: the product's own formulas, which are called,
not copied; what is here by itself (fusion by rank, plus-minus-one votes) is what the product is compared with.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieving.clicks import Asked
from benchmarks.retrieving.measuring import K, best_of
from benchmarks.retrieving.trials import Searchable, Trial
from glow_pipelines.learning.retrieval import RagTrainer, RetrievalIndex, RetrievalParameters, TrainerSettings, tuning
from glow_pipelines.learning.retrieval.bm25 import Bm25
from glow_pipelines.learning.retrieval.pairs import PairSettings
from glow_pipelines.learning.retrieval.types import Vector

Top = NDArray[np.intp]
Rank = Callable[[Sequence[Asked]], Top]

RRF = 60
KINDEST = "@"  # name @ weight: one method at several weights, of which the one best on the test questions is reported
DEPTH = 1000
COMPONENTS = tuple(sorted(tuning.COMPONENTS))


class Legs:
    """Dense and lexical scores of many questions at once, and the fusions of them that nobody trained."""

    def __init__(self, place: Searchable) -> None:
        self._place = place
        parameters = place.index.parameters
        self._bm25 = Bm25([chunk.text for chunk in place.index.chunks], parameters.k1, parameters.b)

    def dense(self, asked: Sequence[Asked]) -> Vector:
        scores: Vector = np.array([q.vector for q in asked]) @ self._place.vectors.T
        return np.where(self._place.vectors.any(axis=1), scores, -np.inf)

    def lexical(self, asked: Sequence[Asked]) -> Vector:
        scores = np.array([self._bm25.scores(question.text) for question in asked])
        return np.where(scores > 0, scores, -np.inf)

    def fused_by_rank(self, asked: Sequence[Asked]) -> Vector:
        """Reciprocal rank fusion, k = 60 (Cormack et al. 2009)."""
        total = sum(_reciprocal(scores) for scores in (self.dense(asked), self.lexical(asked)))
        return np.where(total > 0, total, -np.inf)

    def fused_by_score(self, asked: Sequence[Asked]) -> Vector:
        """Min-max of each leg's best 1000, added 1:1."""
        return sum(_min_max(scores) for scores in (self.dense(asked), self.lexical(asked)))  # type: ignore[return-value]


def untrained(place: Searchable) -> dict[str, Rank]:
    """What needs no feedback."""
    legs = Legs(place)
    return {
        "dense, frozen": _by_scores(legs.dense),
        "BM25": _by_scores(legs.lexical),
        "RRF k=60": _by_scores(legs.fused_by_rank),
        "min-max 1:1, untuned": _by_scores(legs.fused_by_score),
        "product, untuned": by_index(place.index),
    }


def votes(trial: Trial) -> dict[str, Rank]:
    """±1 a chunk, blind to question and position, kept within 0 and 100 and added to the similarity.

    A click is a vote up; a session without one is a vote down for its first three chunks. RAGFlow adds the sum as it
    is (chunk_feedback_service.py, uniform mode); "scaled" is the kindest reading, votes over the largest sum.
    """
    legs, total = Legs(trial.place), Counter[str]()
    for event in trial.events:
        up = [hit.chunk_id for hit in event.hits if hit.clicked]
        for chunk_id in up or [hit.chunk_id for hit in event.hits[:3]]:
            total[chunk_id] = min(100, max(0, total[chunk_id] + (1 if up else -1)))
    weight = np.array([total[chunk.id] for chunk in trial.place.index.chunks], dtype=float)

    def rank(scale: float) -> Rank:
        def voted(asked: Sequence[Asked]) -> Vector:
            fused = legs.fused_by_score(asked) / 2
            pool = np.where(fused >= -np.sort(-fused, axis=1)[:, [min(DEPTH, fused.shape[1]) - 1]], fused, -np.inf)
            return pool + scale * weight

        return _by_scores(voted)

    scaled = {f"±1 a chunk, scaled {KINDEST} {at}": rank(at / max(1.0, float(weight.max()))) for at in (0.05, 0.1, 0.2)}
    return {"±1 a chunk, as RAGFlow adds it": rank(1.0)} | scaled


def product(trial: Trial, components: Sequence[str], current: RetrievalIndex | None = None) -> RetrievalIndex:
    """The index a training of these components proposes, ungated. The trainer sees the trial's log and nothing else."""
    return trained(trial, components, current)[1]


def trained(
    trial: Trial, components: Sequence[str], current: RetrievalIndex | None = None
) -> tuple[RagTrainer, RetrievalIndex, Any]:
    """The trainer, the index of its candidate, and what it said of the training."""
    current = current or trial.place.index
    trainer = RagTrainer(trial.place.embed, trial.seed, settings(components))
    training = trainer.train_from_feedback(trial.place.chunks, trial.events, current.configuration, lambda _: "train")
    return trainer, current.reconfigured(training.configuration), training


def settings(components: Sequence[str]) -> TrainerSettings:
    """The trainer with only these components on, and no pairs: they train other models and cost half the time."""
    return TrainerSettings(pairs=PairSettings(per_positive=0), components=frozenset(components))


def on_dense(trial: Trial, training: Any) -> dict[str, Rank]:
    """Dense search with one learned signal, as the specification's table has them, each at several weights."""
    index, base = trial.place.index, training.parameters.base_attractiveness
    alone = replace(RetrievalParameters(), lexical_weight=0.0, base_attractiveness=base)
    rows = {
        "memory": [replace(alone, memory_weight=at) for at in (0.5, 1.0, 2.0)],
        "document shift": [replace(alone, shift=at) for at in (0.1, 0.25, 0.5)],
        "prior, corrected": [replace(alone, prior_weight=at) for at in (0.05, 0.1, 0.2)],
    }
    ranks = {
        f"dense + {name} {KINDEST} {n}": by_index(index.reconfigured(parameters, training.memory))
        for name, tried in rows.items()
        for n, parameters in enumerate(tried)
    }
    naive = {f"dense + prior, naive CTR {KINDEST} {at}": _naive_prior(trial, at) for at in (0.05, 0.1, 0.2)}
    return ranks | naive


def by_index(index: RetrievalIndex) -> Rank:
    """What users of the index get: its own search, ids turned into positions."""

    def rank(asked: Sequence[Asked]) -> Top:
        top = np.full((len(asked), K), -1, dtype=np.intp)
        for row, question in enumerate(asked):
            for scored in index.search(question.text, question.vector, K):
                top[row, scored.rank - 1] = index.position[scored.chunk_id]
        return top

    return rank


def _by_scores(scores: Callable[[Sequence[Asked]], Vector]) -> Rank:
    """The best by a score, 128 questions at a time: all at once would be gigabytes on a large collection."""

    def rank(asked: Sequence[Asked]) -> Top:
        parts = [best_of(scores(asked[at : at + 128])) for at in range(0, len(asked), 128)]
        return np.concatenate([np.full((0, K), -1, dtype=np.intp), *(_wide(part) for part in parts)])

    return rank


def _wide(top: Top) -> Top:
    return np.pad(top, ((0, 0), (0, K - top.shape[1])), constant_values=-1)


def _naive_prior(trial: Trial, weight: float) -> Rank:
    """log(click rate / mean click rate) of a chunk over all its showings, whatever the rank: the loop's own echo."""
    place, clicks, shown = trial.place, Counter[str](), Counter[str]()
    for event in trial.events:
        for hit in event.hits:
            shown[hit.chunk_id] += 1
            clicks[hit.chunk_id] += hit.clicked
    mean = max(sum(clicks.values()) / max(1, sum(shown.values())), 1e-9)
    rate = np.array([(clicks[c.id] + 5 * mean) / (shown[c.id] + 5) for c in place.index.chunks])
    prior, legs = weight * np.clip(np.log(rate / mean) / 5, -1, 1), Legs(place)
    return _by_scores(lambda asked: _min_max(legs.dense(asked)) + prior)


def _reciprocal(scores: Vector) -> Vector:
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), axis=1)
    return np.where(np.isfinite(scores), 1 / (RRF + ranks), 0.0)


def _min_max(scores: Vector) -> Vector:
    """Each row's best 1000 on [0, 1], everything else 0."""
    filled = np.where(np.isfinite(scores), scores, np.nan)
    low = np.nanmin(filled, axis=1, keepdims=True, initial=np.inf)
    if scores.shape[1] > DEPTH:
        low = np.maximum(low, -np.sort(-scores, axis=1)[:, [DEPTH - 1]])
    high = np.nanmax(filled, axis=1, keepdims=True, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    return np.where(np.isfinite(scores), np.clip((scores - low) / span, 0.0, 1.0), 0.0)
