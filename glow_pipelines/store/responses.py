"""The response and embedding caches in the database, as the providers' ports see them.

Belongs here: adapters from those ports to the store. Does not: what a key is made of (providers/cache).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.providers.cache import CachedResponse
from glow_pipelines.providers.embeddings import EmbeddingModel
from glow_pipelines.store.retrieval import text_hash
from glow_pipelines.store.store import Store


class StoredResponses:
    """A `ResponseCache` in Postgres. Each answer is committed as it arrives: a killed run pays for none twice."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_many(self, keys: Sequence[str]) -> dict[str, CachedResponse]:
        with self._store.transaction() as t:
            rows = t.operations.cached_responses(keys)
        return {row.pop("request_key"): CachedResponse(**row) for row in rows}

    def put(self, key: str, response: CachedResponse) -> None:
        with self._store.transaction() as t:
            t.operations.cache_response(key, response)


class StoredEmbeddings:
    """An `EmbeddingModel` that asks the model only for texts it has not embedded before."""

    def __init__(self, model: EmbeddingModel, store: Store) -> None:
        self._model, self._store = model, store
        self.name, self.dimensions = model.name, model.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        by_hash = {text_hash(text): text for text in texts}
        with self._store.transaction() as t:
            known = t.retrieval.cached_embeddings(self.name, list(by_hash))
        missing = [key for key in by_hash if key not in known]
        if missing:
            fresh = self._model.embed([by_hash[key] for key in missing])
            with self._store.transaction() as t:
                t.retrieval.cache_embeddings(self.name, dict(zip(missing, fresh, strict=True)))
            known |= {key: vector.astype(np.float64) for key, vector in zip(missing, fresh, strict=True)}
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.stack([known[text_hash(text)] for text in texts]).astype(np.float32)
