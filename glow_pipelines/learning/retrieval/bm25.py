"""The lexical leg: BM25 over stemmed words, exact, in memory.

Belongs here: term weights and the score of a query against every chunk. Does not belong here: how scores of legs are
brought to one scale and added (``index``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csc_matrix

from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Vector


class Bm25:
    """Okapi BM25 (Robertson & Zaragoza 2009) with the always-positive idf ln(1 + (N - n + .5)/(n + .5))."""

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        counts = [Counter(terms(text)) for text in texts]
        lengths = np.array([sum(c.values()) for c in counts], dtype=float)
        average = lengths.mean() if lengths.size and lengths.any() else 1.0
        self._column: dict[str, int] = {}
        rows, columns, values = [], [], []
        for row, count in enumerate(counts):
            norm = k1 * (1 - b + b * lengths[row] / average)
            for term, times in count.items():
                rows.append(row)
                columns.append(self._column.setdefault(term, len(self._column)))
                values.append(times * (k1 + 1) / (times + norm))
        holding = np.bincount(columns, minlength=len(self._column)) if columns else np.zeros(0)
        idf = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        weights = np.array(values) * idf[columns] if columns else np.zeros(0)
        self._weights = csc_matrix((weights, (rows, columns)), shape=(len(texts), len(self._column)))

    def scores(self, query: str, added: Mapping[str, float] | None = None) -> Vector:
        """Score of every text, shape (texts,); 0 where no word is shared.

        ``added``: stemmed words beside the query's own, with how much of one occurrence each counts for.
        """
        wanted: dict[int, float] = defaultdict(float)
        for term in terms(query):
            if term in self._column:
                wanted[self._column[term]] += 1
        for term, weight in (added or {}).items():
            if term in self._column:
                wanted[self._column[term]] += weight
        if not wanted:
            return np.zeros(self._weights.shape[0])
        times = np.array(list(wanted.values()), dtype=float)
        found: Vector = np.asarray(self._weights[:, list(wanted)] @ times, dtype=np.float64).ravel()
        return found
