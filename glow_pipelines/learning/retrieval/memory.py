"""What past questions taught, brought to bear on a new one: neighbour term, document shift, chunk prior.

Belongs here: everything derived from memory rows alone, so that a stored configuration (parameters and rows) rebuilds
the ranking exactly. Does not belong here: how the rows are learned (``feedback``) or weighed (``tuning``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from glow_pipelines.learning.retrieval.types import MemoryRow, RetrievalParameters, Vector, product, unit

CELL_SHRINKAGE = 2.0  # pseudo-examinations at the base rate behind every posterior of one chunk for one query group
PRIOR_SHRINKAGE = 5.0  # the same for a chunk over all its queries
SHIFT_SHRINKAGE = 1.0  # summed excess attractiveness that moves a document vector half way
PRIOR_SCALE = 5.0  # log ratio that counts as 1


class QueryMemory:
    """Past queries and the excess attractiveness of chunks for them; rows of unknown chunks are ignored."""

    def __init__(self, rows: Sequence[MemoryRow], chunk_position: Mapping[str, int], parameters: RetrievalParameters):
        rows = [row for row in rows if row.chunk_id in chunk_position]
        self._parameters = parameters
        self._size = len(chunk_position)
        queries: dict[str, int] = {}
        for row in rows:
            queries.setdefault(row.query, len(queries))
        self._chunk = np.array([chunk_position[row.chunk_id] for row in rows], dtype=int)
        self._query = np.array([queries[row.query] for row in rows], dtype=int)
        self._seen = np.array([row.effective_examinations for row in rows])
        self._excess = np.array([row.attractiveness for row in rows]) - parameters.base_attractiveness
        first = {row.query: row.embedding for row in reversed(rows)}
        self._vectors = unit(np.array([first[query] for query in queries])) if rows else np.zeros((0, 0))
        self._table = csr_matrix((self._excess, (self._query, self._chunk)), shape=(len(queries), self._size))
        self._by_chunk = self._table.T.tocsr()

    def term(self, query_embedding: Vector | None) -> Vector:
        """Sum over the nearest past queries of cos^power × excess attractiveness, shape (chunks,)."""
        if query_embedding is None or not len(self._vectors):
            return np.zeros(self._size)
        cosine = product(self._vectors, query_embedding)
        near = np.argsort(-cosine, kind="stable")[: self._parameters.memory_neighbours]
        near = near[cosine[near] > self._parameters.memory_floor]
        weight = np.zeros(len(cosine))
        weight[near] = cosine[near] ** self._parameters.memory_power
        found: Vector = np.asarray(self._by_chunk @ weight)
        return found

    def nearest(self, query_embedding: Vector) -> float:
        """Cosine to the nearest past query, -1 when there is none: tells a repeated question from an unseen one."""
        return float(product(self._vectors, unit(query_embedding)).max()) if len(self._vectors) else -1.0

    def shifts(self) -> Vector | None:
        """Directions toward the questions each chunk answered, shape (chunks, dimensions); None without memory.

        Their length grows with the evidence from 0 toward 1: at unit length one stray click moved a vector as far as a
        hundred good ones, and unseen questions paid for it (-.7 % against +.7 % nDCG@10 on the sample company).
        """
        if not len(self._vectors):
            return None
        gain = csr_matrix((np.maximum(self._excess, 0.0), (self._chunk, self._query)), shape=self._table.shape[::-1])
        total = np.asarray(gain @ self._vectors)
        moved: Vector = total / (np.linalg.norm(total, axis=1, keepdims=True) + SHIFT_SHRINKAGE)
        return moved

    def priors(self) -> Vector:
        """Log of attractiveness over the base rate per chunk, all queries together, in [-1, 1]; 0 where unknown."""
        base = self._parameters.base_attractiveness
        if base <= 0 or not len(self._chunk):
            return np.zeros(self._size)
        credit = (self._excess + base) * (self._seen + CELL_SHRINKAGE) - base * CELL_SHRINKAGE
        clicks = np.bincount(self._chunk, np.maximum(credit, 0.0), self._size)
        looks = np.bincount(self._chunk, self._seen, self._size)
        ratio = (clicks + PRIOR_SHRINKAGE * base) / ((looks + PRIOR_SHRINKAGE) * base)
        return np.clip(np.log(ratio) / PRIOR_SCALE, -1.0, 1.0)
