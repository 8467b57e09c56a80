"""Near-duplicates among texts that have most of their words in common: questions of one long template.

Belongs here: which texts lie in a crowd, and pairs within one, by the grams that few of it have. Does not belong here:
MinHash (minhash), the decision (jaccard), what a pair means (groups, checks).

All of a crowd share bands, and by estimates a pair at .65 cannot be told from one at .7. What tells them apart is what
the template does not have. Source: S. Chaudhuri et al. (2006) for counting the rare and bounding the rest.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from glow_pipelines.learning.datasets.hashing import mixed
from glow_pipelines.learning.datasets.jaccard import gram_sets, verify

Ints = NDArray[np.int64]
UInts = NDArray[np.uint64]

CROWD = 64  # texts with one band; of more than these not every two are looked at there
CROWDED_BANDS = 4  # with more, a text is in a crowd; with fewer, 28 bands are left and miss a pair at .7 in 2,000
_AT_ONCE = 50_000
_WORK = 8_000  # products for each text; what is left of the grams then is bounded, not counted
_NEIGHBOURS = 32
_ROWS = 2_048


def in_crowds(keys: Iterable[NDArray[np.uint32]], texts: int) -> Ints:
    """The places of texts that share more than `CROWDED_BANDS` of their bands with more than `CROWD` others."""
    shift = np.uint32(max(0, 32 - texts.bit_length() - 2))
    full = np.zeros(texts, dtype=np.uint8)
    for key in keys:
        place = key >> shift  # a collision makes a crowd of none: harmless, and no sorting
        full += np.bincount(place, minlength=1)[place] > CROWD
    return np.flatnonzero(full > CROWDED_BANDS)


def crowd_pairs(texts: Sequence[str], threshold: float, splits: Sequence[int] | None = None) -> Ints:
    """Pairs (a < b) of distinct texts of crowds that reach the threshold; with `splits`, of those in two of them.

    Exact but for this: of a text with more than 32 neighbours, those 32 are looked at that share most of what is rare;
    and of texts that share nothing rare, each with the shortest that has the same frequent grams. Both leave clusters
    whole. More than 50,000 are compared part by part, at a cost that grows as their square.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for chosen in parts(len(texts)):
        some = [texts[place] for place in chosen.tolist()]
        lies = None if splits is None else np.asarray(splits)[chosen]
        found.append(chosen[_pairs(some, threshold, lies)])
    return np.unique(np.concatenate(found), axis=0)


def parts(texts: int) -> Iterator[Ints]:
    """Sorted places, so few at once that memory is bounded, so that every two are once together."""
    if texts <= _AT_ONCE:
        yield np.arange(texts)
        return
    blocks = np.array_split(np.arange(texts), -(-texts * 2 // _AT_ONCE))
    yield from (np.concatenate(two) for two in combinations_with_replacement(blocks, 2) if two[0] is not two[1])


def _pairs(texts: Sequence[str], threshold: float, splits: Ints | None) -> Ints:
    if len(texts) < 2:
        return np.empty((0, 2), dtype=np.int64)
    grams, counts = gram_sets(texts)
    owner = np.repeat(np.arange(len(texts)), counts)
    _, column, held_by = np.unique(grams, return_inverse=True, return_counts=True)
    rare = held_by <= _rarest(held_by, _WORK * len(texts))
    frequent = np.bincount(owner[~rare[column]], minlength=len(texts))
    told = rare[column] & (held_by[column] > 1)
    ends = np.append(0, np.cumsum(np.bincount(owner[told], minlength=len(texts))))
    holds = sparse.csr_matrix(
        (np.ones(int(told.sum()), dtype=np.int32), column[told], ends), (len(texts), len(held_by))
    )
    proposed = [*_sharing(holds, counts, frequent, threshold, splits)]
    core = mixed(grams) * ~rare[column]
    kept = np.flatnonzero(frequent >= threshold * counts)
    proposed.append(_alike(np.add.reduceat(core, np.cumsum(counts) - counts), counts, kept, splits))
    pairs = np.concatenate(proposed)
    pairs.sort(axis=1)
    return verify(np.unique(pairs, axis=0), texts, threshold)


def _rarest(held_by: Ints, work: int) -> int:
    """The most texts that may hold a gram so that looking at every two holders of each is no more than `work`."""
    times = np.bincount(held_by)
    cost = np.cumsum(times * np.arange(len(times)) ** 2)
    return int(np.searchsorted(cost, work, side="right")) - 1


def _sharing(
    holds: sparse.csr_matrix, counts: Ints, frequent: Ints, threshold: float, splits: Ints | None
) -> Iterator[Ints]:
    """Pairs that share something rare and, were all their frequent grams shared, would reach the threshold."""
    columns = holds.T.tocsr()
    for begin in range(0, holds.shape[0], _ROWS):
        shared = (holds[begin : begin + _ROWS] @ columns).tocoo()
        a, b = shared.row.astype(np.int64) + begin, shared.col.astype(np.int64)
        most = shared.data + np.minimum(frequent[a], frequent[b])
        both = counts[a] + counts[b]
        fit = (a != b) & (most * (1 + threshold) >= threshold * both - 1e-9)
        if splits is not None:
            fit &= splits[a] != splits[b]
        a, b, share = a[fit], b[fit], most[fit] / both[fit]
        order = np.lexsort((-share, a))
        a, b = a[order], b[order]
        rank = np.arange(len(a)) - np.searchsorted(a, a)
        yield np.column_stack([a, b])[rank < _NEIGHBOURS]


def _alike(core: UInts, counts: Ints, kept: Ints, splits: Ints | None) -> Ints:
    """Each text with the shortest of those with the same frequent grams; with `splits`, of every other split.

    Where a and b reach the threshold by frequent grams alone, so does each of them with one that is no longer than the
    other.
    """
    lies = np.zeros(len(core), dtype=np.int64) if splits is None else splits
    order = kept[np.lexsort((counts[kept], core[kept]))]
    found = [np.empty((0, 2), dtype=np.int64)]
    for split in np.unique(lies):
        mine = order[lies[order] == split]
        cores, first = np.unique(core[mine], return_index=True)
        others = kept if splits is None else kept[lies[kept] != split]
        if len(cores):
            at = np.minimum(np.searchsorted(cores, core[others]), len(cores) - 1)
            pairs = np.column_stack([mine[first[at]], others])
            found.append(pairs[(cores[at] == core[others]) & (pairs[:, 0] != pairs[:, 1])])
    return np.concatenate(found)
