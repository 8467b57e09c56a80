"""The port to embedding models, and the one over any OpenAI-compatible endpoint.

Belongs here: texts to unit vectors. Does not: caching (store), chunks and search (learning/retrieval).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.providers.retry import RetryPolicy
from glow_pipelines.providers.types import ProviderError
from glow_pipelines.providers.wire import translated

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import CreateEmbeddingResponse


class EmbeddingModel(Protocol):
    """Something that embeds. `name` is the model's identity: equal names promise equal vectors."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 (L2) per text: shape (len(texts), dimensions). Raises ProviderError."""
        ...


class OpenAIEmbeddings:
    """A model behind `embeddings` of any OpenAI-compatible endpoint; `dimensions` must be what it gives."""

    def __init__(
        self,
        client: "OpenAI",
        model: str,
        *,
        dimensions: int = 384,
        batch_size: int = 64,
        timeout: float = 60.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; give a whole number of at least 1")
        self._client = client.with_options(max_retries=0, timeout=timeout)
        self._model = model
        self._dimensions = dimensions
        self._batch_size = batch_size
        self._retry = retry or RetryPolicy()

    @property
    def name(self) -> str:
        return self._model

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See EmbeddingModel; `batch_size` texts per call, one call at a time."""
        rows = [np.zeros((0, self._dimensions), dtype=np.float32)]
        for start in range(0, len(texts), self._batch_size):
            batch = list(texts[start : start + self._batch_size])
            rows.append(self._retry.call(lambda batch=batch: self._attempt(batch)))  # type: ignore[misc]
        return np.concatenate(rows)

    def _attempt(self, batch: list[str]) -> NDArray[np.float32]:
        what = f"embedding model {self._model!r}"
        response = translated(
            lambda: self._client.embeddings.create(model=self._model, input=batch, encoding_format="float"), what
        )
        vectors = _vectors(response, what)
        if vectors.shape != (len(batch), self._dimensions):
            raise ProviderError(
                f"{what}: gave {vectors.shape} numbers where {(len(batch), self._dimensions)} were expected; set "
                "GLOW_EMBEDDING_DIMENSIONS to the length of the model's vectors",
                retryable=False,
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise ProviderError(f"{what}: gave a vector without direction (zero or not finite)", retryable=False)
        unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
        return unit


def _vectors(response: "CreateEmbeddingResponse", what: str) -> NDArray[np.float64]:
    try:
        rows = sorted(response.data, key=lambda row: row.index)
        return np.array([row.embedding for row in rows], dtype=np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise ProviderError(f"{what}: the answer is no embeddings", retryable=True) from error
