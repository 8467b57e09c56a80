"""Inputs and examples near each other by embedding.

Belongs here: cosine over vectors given. Does not belong here: making vectors (providers), searching documents
(retrieval).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glow_pipelines.learning.datasets.examples import LearningExample
from glow_pipelines.learning.datasets.inputs import LearningInput

Vectors = Mapping[str, ArrayLike]  # input text → its embedding
_BLOCK = 1024


def paraphrases(inputs: Sequence[LearningInput], embeddings: Vectors, threshold: float) -> list[tuple[str, str]]:
    """Pairs of keys of inputs with cosine ≥ threshold. Cost is quadratic in the inputs with a vector."""
    known = [each for each in inputs if each.words in embeddings]
    if len(known) < 2:
        return []
    unit = _unit([embeddings[each.words] for each in known])
    pairs = []
    for begin in range(0, len(known), _BLOCK):
        a, b = np.nonzero(unit[begin : begin + _BLOCK] @ unit.T >= threshold)
        keep = a + begin < b
        pairs += [
            (known[i].key, known[j].key) for i, j in zip((a[keep] + begin).tolist(), b[keep].tolist(), strict=True)
        ]
    return pairs


def nearest(
    query: ArrayLike, examples: Sequence[LearningExample], embeddings: Vectors, k: int
) -> list[LearningExample]:
    """The k examples with the highest cosine to the query, best first, ties by id; those without a vector are left."""
    known = sorted((e for e in examples if e.input in embeddings), key=lambda e: e.id)
    if not known:
        return []
    scores = _unit([embeddings[example.input] for example in known]) @ _unit([query])[0]
    return [known[i] for i in np.argsort(-scores, kind="stable")[: max(k, 0)].tolist()]


def _unit(vectors: Sequence[ArrayLike]) -> NDArray[np.float64]:
    matrix = np.asarray(vectors, dtype=np.float64)
    result: NDArray[np.float64] = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return result
