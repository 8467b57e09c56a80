"""Vectors of texts by the product's own embedded model, each list computed once and kept as a file.

Belongs here: the cache, and questions with words lost. Does not: what is done with vectors.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval.types import Vector, unit
from glow_pipelines.providers.local.weights import EMBEDDING_NAME, find_weights

CACHE = Path.home() / ".local" / "share" / "glow" / "benchmarks" / "vectors"
LOST = 0.35


class Embedder:
    """Texts to unit vectors, shape (texts, 384); a list of texts seen before is read from the cache."""

    def __init__(self, cache: Path = CACHE) -> None:
        self._cache = cache
        self._engine: Any = None
        self._known: dict[str, Vector] = {}

    name = EMBEDDING_NAME

    def __call__(self, texts: Sequence[str]) -> Vector:
        """Rows in the order of the texts; an empty text is a zero row, as no product embeds it."""
        if any(text not in self._known for text in texts):
            self._learn(list(dict.fromkeys(texts)))
        return np.array([self._known[text] for text in texts]).reshape(len(texts), -1)

    def _learn(self, texts: Sequence[str]) -> None:
        path = self._cache / f"{sha256(repr((self.name, *texts)).encode()).hexdigest()}.npy"
        if path.exists():
            vectors = np.load(path)
        else:
            vectors = self._embed(texts)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part.npy")
            np.save(part, vectors)
            part.rename(path)
        self._known.update(zip(texts, unit(vectors), strict=True))

    def _embed(self, texts: Sequence[str]) -> Any:
        if self._engine is None:
            from glow_pipelines.providers.local.engines import EmbeddingEngine

            weights = find_weights(None)
            self._engine = EmbeddingEngine(weights.embedding, weights.tokenizer, 1)
        vectors, _ = self._engine.embed(texts)
        vectors[[i for i, text in enumerate(texts) if not text.strip()]] = 0.0
        return vectors


def reworded(question: str, rng: np.random.Generator) -> str:
    """The question with 35 % of its words lost, never all: a repeated intent, as the specification simulates it."""
    words = question.split()
    kept = [word for word, lot in zip(words, rng.random(len(words)), strict=True) if lot >= LOST]
    return " ".join(kept) or question
