"""Search over chunks with a configuration: two legs on one scale, plus what was learned.

Belongs here: scoring, ordering and the lists an app gets. Does not belong here: learning the configuration
(``trainer``), judging it (``gate``), or storage; a SQL search must give the order this module gives.

score = dense_weight · dense + lexical_weight · bm25 / max(bm25) + memory_weight · Σ cos(q, q')^power · (α(q', d) − μ)
        + prior_weight · prior(d)
dense = (cos(a(q), d') − low) / (max − low),   low = min(floor, max − .1),   d' = unit(d + shift · direction(d)),
a(q) and the words that bm25 counts beside the question's: ``asking``.
With a pseudo_weight the first pseudo_depth chunks by that score move the question, unit(a(q) + weight · mean of their
d'), and the dense term of the same candidates is computed anew (Rocchio 1971, on the fused list with memory: toward the
dense hits alone it gained on one collection of four, so a gate decides).

A leg's best is 1; its 0 is fixed: no shared word, and the floor, how near any two chunks of this index are to each
other (Bruch, Gai & Ingber 2023: convex combination with a theoretical minimum, here that of model and collection). So a
score needs no list of a thousand, and a search over a few candidates gives them what exact search gives. On Cranfield
.4327 nDCG@10 against .4270 with min-max over the top 1000 (p = .03), dense alone .3987, reciprocal-rank fusion .4246.
With -1, the least any cosine can be, it was .4041: words outvoted vectors that all lie close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from glow_pipelines.learning.retrieval.asking import AddedWords, adapted
from glow_pipelines.learning.retrieval.bm25 import Bm25
from glow_pipelines.learning.retrieval.interleaving import Chance, examination, swapped, team_draft
from glow_pipelines.learning.retrieval.memory import QueryMemory
from glow_pipelines.learning.retrieval.types import (
    Chunk,
    Configuration,
    Leg,
    MemoryRow,
    RetrievalParameters,
    Vector,
    product,
    unit,
)

LEAST_SPAN = 0.1  # a question far from every chunk would else divide by nothing, and turn the order round below it


@dataclass(frozen=True)
class Scored:
    """One place in a result list; becomes a ``Hit`` once it is known what the user did."""

    chunk_id: str
    rank: int
    score: float
    leg: Leg
    propensity: float


@dataclass(frozen=True)
class Components:
    """The unweighted terms of the score, each of shape (chunks,), and which chunks are candidates at all.

    ``embedded``: which chunks the dense leg knows; none without a vector of the question.
    """

    dense: Vector
    lexical: Vector
    memory: Vector
    prior: Vector
    candidate: np.ndarray
    embedded: np.ndarray

    def total(self, p: RetrievalParameters) -> Vector:
        """The weighted sum; -inf where a chunk is no candidate."""
        score = p.dense_weight * self.dense + p.lexical_weight * self.lexical
        score = score + p.memory_weight * self.memory + p.prior_weight * self.prior
        return np.where(self.candidate, score, -np.inf)


class RetrievalIndex:
    """Exact search over ``chunks`` with a configuration, or parameters and memory. Ties go to the smaller chunk id.

    Raises ValueError for a chunk id given twice, or embeddings of different lengths.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        configuration: Configuration | RetrievalParameters | None = None,
        memory: Sequence[MemoryRow] = (),
    ) -> None:
        self.configuration = _configuration(configuration, memory)
        self.chunks = tuple(sorted(chunks, key=lambda chunk: chunk.id))
        self.position = {chunk.id: i for i, chunk in enumerate(self.chunks)}
        if len(self.position) != len(self.chunks):
            raise ValueError("retrieval index: a chunk id is given twice; give each chunk once")
        self._vectors, self._embedded = _matrix(self.chunks)
        self._mean_cosine = mean_cosine(self._vectors[self._embedded])
        self._bm25 = Bm25([chunk.text for chunk in self.chunks], self.parameters.k1, self.parameters.b)
        self._configure()

    def reconfigured(
        self, configuration: Configuration | RetrievalParameters, memory: Sequence[MemoryRow] = ()
    ) -> RetrievalIndex:
        """The same chunks under another configuration, without reading the texts again (unless k1 or b change)."""
        other = _configuration(configuration, memory)
        if (other.parameters.k1, other.parameters.b) != (self.parameters.k1, self.parameters.b):
            return RetrievalIndex(self.chunks, other)
        twin = object.__new__(RetrievalIndex)
        twin.__dict__.update(self.__dict__)
        twin.configuration = other
        twin._configure()
        return twin

    @property
    def parameters(self) -> RetrievalParameters:
        return self.configuration.parameters

    @property
    def dense_floor(self) -> float:
        """The cosine that counts as 0: the configuration's, or else this index's own."""
        given = self.parameters.dense_floor
        return self._mean_cosine if given is None else given

    def _configure(self) -> None:
        self._added = AddedWords(self.configuration.expansions)
        self.memory = QueryMemory(self.configuration.memory, self.position, self.parameters)
        self._prior = self.memory.priors()
        directions = self.memory.shifts() if self.parameters.shift > 0 and self._embedded.any() else None
        shifted = self._vectors if directions is None else unit(self._vectors + self.parameters.shift * directions)
        self._shifted = np.where(self._embedded[:, None], shifted, 0.0)

    @property
    def shifted(self) -> Vector:
        """The vectors d' in the order of ``chunks``, shape (chunks, dimensions); zero where a chunk has none."""
        return self._shifted

    def components(self, query: str, query_embedding: Vector | None) -> Components:
        """The terms of the score for one query; ``query_embedding`` of shape (dimensions,), or None for words only."""
        lexical = self._bm25.scores(query, self._added.of(query, self.parameters.expansion_weight))
        vector = None if query_embedding is None else unit(query_embedding)
        embedded = self._embedded if vector is not None else np.zeros_like(self._embedded)
        dense, asked = np.zeros(len(self.chunks)), None
        if vector is not None and embedded.any():
            asked = adapted(vector, self.configuration.adapter, self.parameters.adapter_weight)
            dense = product(self._shifted, asked)
        memory = self.memory.term(vector)
        candidate = embedded | (lexical > 0) | (memory > 0)
        terms = Components(
            _above(dense, embedded, self.dense_floor), _of_best(lexical), memory, self._prior, candidate, embedded
        )
        if asked is None or self.parameters.pseudo_weight == 0:
            return terms
        first = self._top(np.where(embedded, terms.total(self.parameters), -np.inf), self.parameters.pseudo_depth)
        moved = unit(asked + self.parameters.pseudo_weight * self._shifted[first].mean(axis=0))
        return replace(terms, dense=_above(product(self._shifted, moved), embedded, self.dense_floor))

    def search(self, query: str, query_embedding: Vector | None, k: int) -> list[Scored]:
        """The best ``k`` chunks; fewer when fewer are candidates."""
        terms = self.components(query, query_embedding)
        return self._list(self._top(terms.total(self.parameters), k), terms, k)

    def search_leg(
        self, leg: Literal["dense", "lexical"], query: str, query_embedding: Vector | None, k: int
    ) -> list[Scored]:
        """The best ``k`` by one leg alone. The dense leg uses the shifted vectors, as the hybrid does."""
        terms = self.components(query, query_embedding)
        values = _leg(terms, leg)
        return [
            Scored(self.chunks[i].id, rank, float(values[i]), leg, examination(rank))
            for rank, i in enumerate(self._top(values, k), 1)
        ]

    def interleave(self, query: str, query_embedding: Vector | None, k: int, rng: Chance) -> list[Scored]:
        """Team draft of the dense and the lexical top ``k``; ``score`` is the hybrid's own score of the chunk."""
        terms = self.components(query, query_embedding)
        total = terms.total(self.parameters)
        dense = [scored.chunk_id for scored in self.search_leg("dense", query, query_embedding, k)]
        lexical = [scored.chunk_id for scored in self.search_leg("lexical", query, query_embedding, k)]
        return [
            Scored(chunk_id, rank, float(total[self.position[chunk_id]]), leg, examination(rank))
            for rank, (chunk_id, leg) in enumerate(team_draft(dense, lexical, k, rng), 1)
        ]

    def explore(self, query: str, query_embedding: Vector | None, k: int, rng: Chance) -> list[Scored]:
        """The best ``k`` with one random pair of neighbours swapped: see ``interleaving.swapped``."""
        found = swapped(self.search(query, query_embedding, k), rng)
        return [replace(scored, rank=rank, propensity=examination(rank)) for rank, scored in enumerate(found, 1)]

    def ranking(self, query: str, query_embedding: Vector | None) -> list[str]:
        """Ids of all candidates, best first: what condensed lists are made of."""
        total = self.components(query, query_embedding).total(self.parameters)
        return [self.chunks[i].id for i in self._top(total, len(self.chunks))]

    def cosines(self, query_embedding: Vector) -> Vector:
        """Plain cosine of every chunk's own, unshifted vector, shape (chunks,); 0 where a chunk has none."""
        return product(self._vectors, unit(query_embedding)) if self._embedded.any() else np.zeros(len(self.chunks))

    @property
    def vectors(self) -> Vector:
        """The chunks' own, unshifted vectors of length 1, shape (chunks, dimensions); zeros where one has none."""
        return self._vectors

    def moved(self) -> dict[str, Vector]:
        """Chunk id to d', of the chunks the shift moved."""
        rows = np.flatnonzero((self._shifted != self._vectors).any(axis=1))
        return {self.chunks[at].id: self._shifted[at] for at in rows}

    def words(self, query: str, added: Mapping[str, float] | None = None) -> Vector:
        """BM25 of every chunk, shape (chunks,), with words beside the question's own as ``bm25`` takes them."""
        return self._bm25.scores(query, added)

    def _top(self, values: Vector, k: int) -> list[int]:
        order = np.argsort(-values, kind="stable")[:k]
        return [int(i) for i in order if np.isfinite(values[i])]

    def _list(self, order: Sequence[int], terms: Components, k: int) -> list[Scored]:
        total = terms.total(self.parameters)
        by_dense = {i for i in self._top(_leg(terms, "dense"), k) if terms.dense[i] > 0}
        by_words = set(self._top(_leg(terms, "lexical"), k))
        listed = []
        for rank, i in enumerate(order, 1):
            leg: Leg = "both"
            if (i in by_dense) != (i in by_words):
                leg = "dense" if i in by_dense else "lexical"
            listed.append(Scored(self.chunks[i].id, rank, float(total[i]), leg, examination(rank)))
        return listed


def _configuration(given: Configuration | RetrievalParameters | None, memory: Sequence[MemoryRow]) -> Configuration:
    return given if isinstance(given, Configuration) else Configuration(given or RetrievalParameters(), tuple(memory))


def _matrix(chunks: Sequence[Chunk]) -> tuple[Vector, np.ndarray]:
    embedded = np.array([chunk.embedding is not None for chunk in chunks], dtype=bool)
    lengths = {len(chunk.embedding) for chunk in chunks if chunk.embedding is not None}
    if len(lengths) > 1:
        raise ValueError(f"retrieval index: embeddings of lengths {sorted(lengths)}; embed all chunks with one model")
    width = lengths.pop() if lengths else 0
    rows = [np.zeros(width) if chunk.embedding is None else np.asarray(chunk.embedding, float) for chunk in chunks]
    return unit(np.array(rows).reshape(len(chunks), width)), embedded


def mean_cosine(vectors: Vector) -> float:
    """Mean cosine of two different rows of length 1, shape (rows, dimensions); 0 where there are no two."""
    n = len(vectors)
    if n < 2:
        return 0.0
    total = vectors.sum(axis=0)
    return float((total @ total - (vectors * vectors).sum()) / (n * (n - 1)))


def _leg(terms: Components, leg: Literal["dense", "lexical"]) -> Vector:
    """The values of one leg, -inf where it has nothing to say."""
    if leg == "dense":
        return np.where(terms.embedded, terms.dense, -np.inf)
    return np.where(terms.lexical > 0, terms.lexical, -np.inf)


def _above(values: Vector, known: np.ndarray, floor: float) -> Vector:
    """The best known value is 1, the floor 0, below it less. 0 where nothing is known.

    Where even the best is hardly above the floor it is not the best one's merit that counts as 1 but ``LEAST_SPAN``.
    """
    if not known.any():
        return np.zeros_like(values)
    high = float(values[known].max())
    low = min(floor, high - LEAST_SPAN)
    return np.where(known, (values - low) / (high - low), 0.0)


def _of_best(values: Vector) -> Vector:
    high = float(values.max(initial=0.0))
    return values / high if high > 0 else np.zeros_like(values)
