"""Label-aware facility location: which examples stand best for all of them.

Belongs here: the objective and its greedy maximisation. Does not belong here: prompts, layouts, numbers of
demonstrations.
"""

import heapq
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def similarities(embeddings: Array, labels: Sequence[str]) -> Array:
    """(n, n) of (1 + cosine) / 2 between examples of the same label, 0 between labels; rows of zeros are like nothing.

    Raises ValueError unless embeddings are (n, d), finite, one row per label.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(labels) or not np.isfinite(embeddings).all():
        raise ValueError(f"embeddings {embeddings.shape} must be finite and (n, d) with n={len(labels)} labels")
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.where(length > 0, length, 1.0)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    alike: Array = np.where(codes[:, None] == codes[None, :], np.clip((1 + unit @ unit.T) / 2, 0.0, 1.0), 0.0)
    return alike


def coverage(similarity: Array, weights: Array, chosen: Sequence[int]) -> float:
    """f(S) = sum over i of w_i * max over j in S of s_ij: monotone and submodular for weights and similarities >= 0."""
    return float(weights @ similarity[:, list(chosen)].max(axis=1)) if chosen else 0.0


def choose(
    similarity: Array,
    weights: Array,
    labels: Sequence[str],
    eligible: Sequence[int],
    total: int,
    per_label: int,
) -> list[int]:
    """At most `total` eligible indices, at most `per_label` of a label, in the order greedy took them.

    Lazy greedy (Minoux 1978): a stale gain is an upper bound, so only the top of the heap is computed anew. Ties go to
    the lower index. Everything counts as to be covered, only `eligible` may cover.
    """
    covered = np.zeros(len(labels))
    taken: list[int] = []
    used: Counter[str] = Counter()
    heap = [(-float(weights @ similarity[:, index]), index, 0) for index in sorted(eligible)]
    heapq.heapify(heap)
    while heap and len(taken) < total:
        _, index, computed_at = heapq.heappop(heap)
        if used[labels[index]] >= per_label:
            continue
        if computed_at < len(taken):
            gain = float(weights @ np.maximum(similarity[:, index] - covered, 0.0))
            heapq.heappush(heap, (-gain, index, len(taken)))
            continue
        taken.append(index)
        used[labels[index]] += 1
        covered = np.maximum(covered, similarity[:, index])
    return taken
