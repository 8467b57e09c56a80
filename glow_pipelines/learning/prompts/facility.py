"""Which examples stand best for all of them (label-aware facility location), or for some of them (marginal relevance).

Belongs here: the objectives and their greedy maximisation. Does not belong here: prompts, layouts, numbers of
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
    costs: Array | None = None,
) -> list[int]:
    """At most `total` eligible indices, at most `per_label` of a label, in the order greedy took them.

    Maximises coverage less the `costs` of what is taken (one per example, >= 0) and stops where nothing is worth its
    cost. Lazy greedy (Minoux 1978): a stale gain is an upper bound, so only the top of the heap is computed anew. Ties
    go to the lower index. Everything counts as to be covered, only `eligible` may cover.
    """
    price = np.zeros(len(labels)) if costs is None else costs
    covered = np.zeros(len(labels))
    taken: list[int] = []
    used: Counter[str] = Counter()
    heap = [(float(price[index] - weights @ similarity[:, index]), index, 0) for index in sorted(eligible)]
    heapq.heapify(heap)
    while heap and len(taken) < total:
        loss, index, computed_at = heapq.heappop(heap)
        if loss > 0:
            break
        if used[labels[index]] >= per_label:
            continue
        if computed_at < len(taken):
            gain = float(weights @ np.maximum(similarity[:, index] - covered, 0.0))
            heapq.heappush(heap, (float(price[index]) - gain, index, len(taken)))
            continue
        taken.append(index)
        used[labels[index]] += 1
        covered = np.maximum(covered, similarity[:, index])
    return taken


def choose_near(
    relevance: Array,
    similarity: Array,
    labels: Sequence[str],
    eligible: Sequence[int],
    total: int,
    per_label: int,
    trade: float = 0.7,
) -> list[int]:
    """Maximal marginal relevance (Carbonell, Goldstein 1998): near what matters, and not near each other.

    Takes the largest `trade` * relevance - (1 - trade) * similarity to what is taken, under the same limits as
    `choose`. Ties go to the lower index.
    """
    taken: list[int] = []
    used: Counter[str] = Counter()
    left = sorted(eligible)
    while left and len(taken) < total:
        open_now = [index for index in left if used[labels[index]] < per_label]
        if not open_now:
            break
        twin = similarity[np.ix_(open_now, taken)].max(axis=1) if taken else np.zeros(len(open_now))
        best = open_now[int(np.argmax(trade * relevance[open_now] - (1 - trade) * twin))]
        taken.append(best)
        used[labels[best]] += 1
        left.remove(best)
    return taken
