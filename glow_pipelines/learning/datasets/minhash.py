"""Which texts are near-duplicates: MinHash to propose pairs, exact Jaccard to decide them.

Belongs here: character 5-grams, signatures, bands, verification. Does not belong here: what a pair means (groups,
checks). Sources: A. Broder (1997); M. Dietzfelbinger et al. (1997) for multiply-shift.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

UInts = NDArray[np.uint64]
Ints = NDArray[np.int64]

WINDOW = 5
BANDS, ROWS = 32, 4  # a pair at Jaccard .7 shares a band with chance 1 - (1 - .7^4)^32 = .99985
_CHUNK = 4096  # texts at a time: 128 signatures of ~150 windows each stay within tens of megabytes
_WHOLE_BUCKET = 64  # larger buckets are chained instead of paired: n² of boilerplate is what would not end


def near_duplicates(texts: Sequence[str], threshold: float = 0.7, seed: int = 1) -> Ints:
    """Pairs (i < j) of texts whose sets of character 5-grams have Jaccard ≥ threshold; shape (pairs, 2), sorted.

    Precision is exact up to 64-bit hash collisions; recall at .7 is .9998 by construction. Another seed proposes by
    other hashes, which is what lets a check doubt a grouping. Texts are compared as given: normalise them first.
    """
    if len(texts) < 2:
        return np.empty((0, 2), dtype=np.int64)
    unique, first, inverse = np.unique(np.asarray(texts, dtype=object), return_index=True, return_inverse=True)
    later = np.flatnonzero(first[inverse] != np.arange(len(texts)))
    exact = np.column_stack([first[inverse[later]], later]).astype(np.int64)
    grams, sizes = shingles(unique.tolist())
    found = first[verify(candidates(signatures(grams, sizes, seed), seed), grams, sizes, threshold)]
    pairs = np.concatenate([exact, found.astype(np.int64).reshape(-1, 2)])
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def shingles(texts: Sequence[str]) -> tuple[UInts, Ints]:
    """Hashes of every text's 5-grams, one after the other, and how many each text has (at least one)."""
    padded = [text.ljust(WINDOW, "\0") for text in texts]
    sizes = np.array([len(text) - WINDOW + 1 for text in padded], dtype=np.int64)
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    windows = len(codes) - WINDOW + 1
    hashed = np.zeros(windows, dtype=np.uint64)
    for shift, odd in enumerate(_odd(WINDOW, 0)):
        hashed += codes[shift : shift + windows] * odd
    hashed ^= hashed >> np.uint64(31)  # the low bits of a product know little of the high bits of its factors
    hashed *= np.uint64(0x9E3779B97F4A7C15)
    hashed ^= hashed >> np.uint64(29)
    starts = np.cumsum(sizes + WINDOW - 1) - (sizes + WINDOW - 1)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return hashed[np.repeat(starts, sizes) + within], sizes


def signatures(grams: UInts, sizes: Ints, seed: int = 1) -> UInts:
    """texts x 128 minima. The chance that two texts agree in a column is their Jaccard.

    64-bit odd multipliers with wraparound: with 32-bit ones the product never wraps, every "permutation" picks the
    same gram, and recall was 24 %.
    """
    odds, shifts = _odd(BANDS * ROWS, seed), _odd(BANDS * ROWS, seed + 1)
    result = np.empty((len(sizes), BANDS * ROWS), dtype=np.uint64)
    ends = np.cumsum(sizes)
    for begin in range(0, len(sizes), _CHUNK):
        end = min(begin + _CHUNK, len(sizes))
        base = int(ends[begin] - sizes[begin])
        part, starts = grams[base : int(ends[end - 1])], ends[begin:end] - sizes[begin:end] - base
        for column in range(BANDS * ROWS):
            result[begin:end, column] = np.minimum.reduceat((part * odds[column] + shifts[column]), starts)
    return result


def candidates(signed: UInts, seed: int = 1) -> Ints:
    """Pairs that share a band, without repeats."""
    odds, n = _odd(ROWS, seed + 2), len(signed)
    keys: list[Ints] = []
    for band in range(BANDS):
        key = (signed[:, band * ROWS : (band + 1) * ROWS] * odds).sum(axis=1, dtype=np.uint64)
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        starts, ends = np.append(0, edges), np.append(edges, n)
        size = np.repeat(ends - starts, ends - starts)  # of the bucket each place lies in
        left = np.repeat(ends, ends - starts) - 1 - np.arange(n)  # places after it in the same bucket
        for step in range(1, min(int(size.max()), _WHOLE_BUCKET)):
            here = np.flatnonzero((left >= step) & ((size <= _WHOLE_BUCKET) | (step == 1)))
            a, b = order[here], order[here + step]
            keys.append(np.minimum(a, b) * n + np.maximum(a, b))
        for start, end in zip(starts, ends, strict=True):
            if end - start > _WHOLE_BUCKET:
                keys.append(order[start] * n + order[start + 1 : end])  # stable sort: the first is the smallest
    flat = np.unique(np.concatenate(keys)) if keys else np.empty(0, dtype=np.int64)
    return np.column_stack([flat // n, flat % n])


def verify(pairs: Ints, grams: UInts, sizes: Ints, threshold: float) -> Ints:
    """The pairs whose exact Jaccard reaches the threshold."""
    values, column = np.unique(grams, return_inverse=True)
    row = np.repeat(np.arange(len(sizes)), sizes)
    matrix = sparse.csr_matrix((np.ones(len(row), dtype=np.int32), (row, column)), shape=(len(sizes), len(values)))
    matrix.data[:] = 1  # repeated grams were summed; the sets are what counts
    count = np.diff(matrix.indptr)
    kept = [np.empty((0, 2), dtype=np.int64)]
    for begin in range(0, len(pairs), _CHUNK):
        a, b = pairs[begin : begin + _CHUNK].T
        shared = np.asarray(matrix[a].multiply(matrix[b]).sum(axis=1)).ravel()
        kept.append(pairs[begin : begin + _CHUNK][shared >= threshold * (count[a] + count[b] - shared) - 1e-9])
    return np.concatenate(kept)


def _odd(count: int, seed: int) -> UInts:
    drawn = np.random.default_rng([0x610, seed]).integers(0, 2**64, size=count, dtype=np.uint64)
    result: UInts = drawn | np.uint64(1)
    return result
