"""Held-out questions of the train log, ready to be ranked under many configurations.

Belongs here: which chunks matter for a question, their terms of the score, and how well an order fits the feedback on
it. Does not belong here: choosing a configuration (``tuning``). The score is ``index``'s, on a pool of chunks.

Lists are condensed: what was never shown is unknown, not wrong. The gain of a chunk is its posterior's distance from
the base rate, with its sign: noise then adds up to nothing. Cut off at zero, as grades are, it adds up to gain, and the
best of a random log looked better than no change at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.retrieval.asking import adapted
from glow_pipelines.learning.retrieval.index import LEAST_SPAN, RetrievalIndex
from glow_pipelines.learning.retrieval.memory import QueryMemory
from glow_pipelines.learning.retrieval.types import RetrievalParameters, Vector, unit

POOL = 100
"""Chunks of each leg in the pool; judged ones are in it anyway."""


@dataclass(frozen=True, eq=False)
class Question:
    """One question and its pool; arrays are by chunk of the pool, ``gain`` by judged chunk; those are at ``judged``.

    ``memory``, ``prior`` and ``directions`` come from questions of other folds only.
    """

    group: str
    vector: Vector
    judged: np.ndarray
    gain: Vector
    vectors: Vector
    directions: Vector | None
    lexical: Vector
    expanded: Vector
    memory: Vector
    prior: Vector
    floor: float

    def dense(self, shift: float, asked: Vector) -> Vector:
        """The dense term with documents shifted, for the vector asked with."""
        return self._dense(self.shifted(shift), asked)

    def shifted(self, shift: float) -> Vector:
        return self.vectors if self.directions is None or shift == 0 else unit(self.vectors + shift * self.directions)

    def _dense(self, shifted: Vector, asked: Vector) -> Vector:
        cosine = shifted @ asked
        high = float(cosine.max())
        low = min(self.floor, high - LEAST_SPAN)
        found: Vector = (cosine - low) / (high - low)
        return found

    def total(self, p: RetrievalParameters, adapter: Vector | None = None) -> Vector:
        """The score of every chunk of the pool, as ``RetrievalIndex`` gives it."""
        shifted = self.shifted(p.shift)
        asked = adapted(self.vector, adapter, p.adapter_weight)
        lexical = self.expanded if p.expansion_weight > 0 else self.lexical
        rest = p.lexical_weight * lexical + p.memory_weight * self.memory + p.prior_weight * self.prior
        total: Vector = p.dense_weight * self._dense(shifted, asked) + rest
        if p.pseudo_weight > 0:
            first = np.argsort(-total, kind="stable")[: p.pseudo_depth]
            moved = unit(asked + p.pseudo_weight * shifted[first].mean(axis=0))
            total = p.dense_weight * self._dense(shifted, moved) + rest
        return total

    def fit(self, scores: Vector) -> Vector:
        """Discounted gain of the condensed list, for scores of the judged chunks, shape (…, judged)."""
        order = np.argsort(-scores, axis=-1, kind="stable")
        found: Vector = self.gain[order] @ (1 / np.log2(np.arange(2, len(self.gain) + 2)))
        return found

    def concordance(self, scores: Vector) -> float:
        """Gain differences of all pairs in the right order less those in the wrong one, for the judged chunks."""
        return float(((self.gain[:, None] - self.gain) * np.sign(scores[:, None] - scores)).sum() / 2)

    def ndcg(self, scores: Vector, k: int = 10) -> float:
        """Condensed nDCG@k with gains below zero as none: for people to read."""
        gain = np.maximum(self.gain, 0.0)
        discount = 1 / np.log2(np.arange(2, min(k, len(gain)) + 2))
        ideal = float(np.sort(gain)[::-1][:k] @ discount)
        return float(gain[np.argsort(-scores, kind="stable")[:k]] @ discount / ideal) if ideal > 0 else 1.0


def ask(
    index: RetrievalIndex,
    memory: QueryMemory,
    asked: Mapping[str, tuple[str, Vector]],
    gains: Mapping[str, Mapping[str, float]],
    added: Callable[[str], Mapping[str, float]] | None = None,
) -> list[Question]:
    """The groups of ``gains`` as questions against ``memory``, without those with less than two known chunks."""
    directions, prior = memory.shifts(), memory.priors()
    found = []
    for group, by_chunk in gains.items():
        known = [chunk_id for chunk_id in by_chunk if chunk_id in index.position]
        if len(known) < 2:
            continue
        query, vector = asked[group]
        vector = unit(vector)
        words, remembered = index.words(query), memory.term(vector)
        more = added(query) if added is not None else {}
        expanded = index.words(query, more) if more else words
        judged = np.array([index.position[chunk_id] for chunk_id in known])
        pool = _pool(judged, [index.cosines(vector), words, expanded, remembered])
        found.append(
            Question(
                group,
                vector,
                np.searchsorted(pool, judged),
                np.array([by_chunk[chunk_id] for chunk_id in known]),
                index.vectors[pool],
                None if directions is None else directions[pool],
                _of_best(words, pool),
                _of_best(expanded, pool),
                remembered[pool],
                prior[pool],
                index.dense_floor,
            )
        )
    return found


def _pool(judged: np.ndarray, terms: Sequence[Vector]) -> np.ndarray:
    best = [np.argpartition(-values, min(POOL, len(values) - 1))[:POOL] for values in terms]
    return np.unique(np.concatenate([judged, *best]))


def _of_best(values: Vector, pool: np.ndarray) -> Vector:
    high = float(values.max(initial=0.0))
    found: Vector = values[pool] / high if high > 0 else np.zeros(len(pool))
    return found
