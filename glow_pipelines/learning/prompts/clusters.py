"""Clusters: failures to like inputs, and which of them stand for the rest.

Belongs here: agglomerative clustering of a few hundred vectors, medoids, neighbours. Does not belong here: counting.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

Array = NDArray[np.float64]

DISTANCE = 0.35  # cosine distance at which two clusters are still one, on average
MOST = 1000  # linkage is quadratic; of more failures the first by id are clustered and tell the story


def distances(vectors: Array) -> Array:
    """(n, n) cosine distances in 0..2; a row of zeros is at distance 1 from everything but itself."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(length > 0, length, 1.0)
    found: Array = np.clip(1 - unit @ unit.T, 0.0, 2.0)
    found = (found + found.T) / 2
    np.fill_diagonal(found, 0.0)
    return found


def clusters(apart: Array, distance: float = DISTANCE) -> list[list[int]]:
    """Average-linkage clusters of the rows, largest first, ties by the lowest index; members ascend."""
    if len(apart) < 2:
        return [[index] for index in range(len(apart))]
    labels = fcluster(linkage(squareform(apart, checks=False), "average"), distance, "distance")
    found: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        found.setdefault(label, []).append(index)
    return sorted(found.values(), key=lambda members: (-len(members), members[0]))


def central(apart: Array, members: Sequence[int]) -> list[int]:
    """The members by their mean distance to the others, nearest first: the medoid leads."""
    mean = apart[np.ix_(members, members)].mean(axis=1)
    return [member for _, member in sorted(zip(np.round(mean, 9).tolist(), members, strict=True))]
