"""Which texts are near-duplicates: MinHash to propose pairs, exact Jaccard to decide them.

Belongs here: signatures of sets of character 5-grams, their bands, pairs that share one. Does not belong here: the
decision (jaccard), what a pair means (groups, checks), processes (steps).
Sources: A. Broder (1997); M. Dietzfelbinger et al. (1997) for multiply-shift; P. Li, A. C. König (2010) for b bits.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.datasets.crowds import CROWD, crowd_pairs, in_crowds
from glow_pipelines.learning.datasets.hashing import mixed, odd_numbers
from glow_pipelines.learning.datasets.jaccard import WINDOW, verify

UInts = NDArray[np.uint64]
UInt32s = NDArray[np.uint32]
Ints = NDArray[np.int64]

BANDS, ROWS = 32, 4  # a pair at Jaccard .7 shares a band with chance 1 - (1 - .7^4)^32 = .99985
_COLUMNS = BANDS * ROWS
_CELLS = 1 << 16  # characters worked on at a time: what 128 multiplications go over again and again stays in the cache
_HUBS = 4096  # in one bucket; what is left then has 31 other bands
_PAIRS = 1 << 20  # pairs looked at at once


@dataclass(frozen=True, slots=True)
class Sketches:
    """Of n texts: `keys` (BANDS, n) are equal where a band is; `bits` (n, 4) hold two bits of each of 128 minima.

    160 bytes a text, where the minima themselves take 512. Some of the bands alone are a `Sketches` too.
    """

    keys: UInt32s
    bits: UInts


def near_duplicates(texts: Sequence[str], threshold: float = 0.7, seed: int = 1) -> Ints:
    """Pairs (i < j) of texts whose sets of character 5-grams have Jaccard ≥ threshold; shape (pairs, 2), sorted.

    Precision is exact up to collisions of 52-bit hashes. Recall at .7 is .9998 by construction; texts that share many
    bands with more than 64 others (one template, other words) are compared by what is rare among them (crowds). Equal
    texts are all paired with the first of them, and in a cluster above 64 rows many only with a common neighbour:
    enough to find the cluster. Another seed proposes by other hashes, which is what lets a check doubt a grouping.
    Texts are compared as given: normalise them first.
    """
    distinct, repeats = first_of_each(texts)
    chosen = [texts[i] for i in distinct.tolist()]
    sketched = sketches(chosen, seed)
    crowd = in_crowds(sketched.keys, len(chosen))
    proposed = union(band_pairs(sketched, band, threshold, crowd) for band in range(BANDS))
    return merged([verify(proposed, chosen, threshold), within(crowd, chosen, threshold)], distinct, repeats)


def within(crowd: Ints, texts: Sequence[str], threshold: float) -> Ints:
    """Near-duplicates among those of the texts that lie in crowds."""
    return crowd[crowd_pairs([texts[place] for place in crowd.tolist()], threshold)]


def first_of_each(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """Where each distinct text comes first; and (first, later) for every text that repeats one."""
    seen: dict[str, int] = {}
    first = np.fromiter((seen.setdefault(text, i) for i, text in enumerate(texts)), np.int64, len(texts))
    later = np.flatnonzero(first != np.arange(len(texts)))
    return np.fromiter(seen.values(), np.int64, len(seen)), np.column_stack([first[later], later])


def merged(found: Sequence[Ints], distinct: Ints, repeats: Ints) -> Ints:
    """Pairs among distinct texts and the repeats, as pairs of the texts given, sorted."""
    pairs = np.concatenate([repeats, *(distinct[each] for each in found)])
    pairs.sort(axis=1)
    return union([pairs])


def sketches(texts: Sequence[str], seed: int = 1) -> Sketches:
    """What bands and a first look need of the texts; cut long lists where you like and put the parts together."""
    keys = np.empty((BANDS, len(texts)), dtype=np.uint32)
    bits = np.empty((len(texts), 4), dtype=np.uint64)
    for chosen, signed in signatures_by_part(texts, seed):
        keys[:, chosen] = (band_keys(signed, seed) >> np.uint64(32)).astype(np.uint32).T
        bits[chosen] = first_look(signed)
    return Sketches(keys, bits)


def signatures(texts: Sequence[str], seed: int = 1) -> UInt32s:
    """texts x 128 minima. The chance that two texts agree in a column is their Jaccard."""
    result = np.empty((len(texts), _COLUMNS), dtype=np.uint32)
    for chosen, signed in signatures_by_part(texts, seed):
        result[chosen] = signed
    return result


def first_look(signed: UInt32s) -> UInts:
    """texts x 4: two bits of each minimum. See `most_differing`."""
    # The top bits of a minimum are all zero; the low ones of a product know little of its factors.
    known = signed.T ^ (signed.T >> np.uint32(11))
    two = np.concatenate([known >> np.uint32(7), known >> np.uint32(13)]) & np.uint32(1)
    return np.ascontiguousarray(np.packbits(two.astype(np.uint8), axis=0).T).view(np.uint64)


def most_differing(threshold: float) -> float:
    """How many of 256 bits may differ: more do in one of 10⁹ pairs at the threshold (six standard deviations)."""
    differing = _COLUMNS * (1 - threshold)  # columns; each then has two bits that differ as often as not
    return differing + 6 * math.sqrt(differing * threshold + differing / 2)


def band_keys(signed: UInt32s, seed: int = 1) -> UInts:
    """texts x BANDS: what texts that agree in all minima of a band have in common."""
    odds = odd_numbers(_COLUMNS, seed + 2).reshape(BANDS, ROWS)
    return mixed((signed.reshape(-1, BANDS, ROWS) * odds).sum(axis=2, dtype=np.uint64))


def band_pairs(sketched: Sketches, band: int, threshold: float, crowd: Ints) -> Ints:
    """Pairs (a < b) that share this band, less those that are clearly too far apart; sorted. Where many share it, not
    those in `crowd`, which are compared otherwise."""
    kept = [np.empty((0, 2), dtype=np.int64)]
    apart = np.zeros(sketched.keys.shape[1], dtype=bool)
    apart[crowd] = True
    for a, b in _sharing(sketched.keys[band], sketched.bits, most_differing(threshold), apart):
        kept.append(np.column_stack([np.minimum(a, b), np.maximum(a, b)]))
    return union(kept)


def union(parts: Iterable[Ints]) -> Ints:
    """All pairs once, sorted. Near pairs share many bands: they are thinned out as they come."""
    kept, waiting, size = np.empty(0, dtype=np.int64), list[Ints](), 0
    for part in parts:
        waiting.append(part[:, 0] << 32 | part[:, 1])
        size += len(part)
        if size > max(len(kept), _PAIRS):
            kept, waiting, size = np.unique(np.concatenate([kept, *waiting])), [], 0
    kept = np.unique(np.concatenate([kept, *waiting]))
    return np.column_stack([kept >> 32, kept & 0xFFFFFFFF])


def _sharing(key: UInt32s, bits: UInts, most: float, apart: NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints]]:
    """Near pairs of places with one key, some at a time."""
    order = np.argsort(key)
    ends = np.append(np.flatnonzero(np.diff(key[order])) + 1, len(order))
    sizes = np.diff(ends, prepend=0)
    small = np.repeat((sizes > 1) & (sizes <= CROWD), sizes)
    left = (np.repeat(ends, sizes) - 1 - np.arange(len(order)))[small]  # places after it in the same bucket
    places = order[small]
    for step in range(1, int(left.max(initial=0)) + 1):
        here = np.flatnonzero(left >= step)
        for begin in range(0, len(here), _PAIRS):
            a, b = places[here[begin : begin + _PAIRS]], places[here[begin : begin + _PAIRS] + step]
            near = np.bitwise_count(bits[a] ^ bits[b]).sum(axis=1, dtype=np.int64) <= most
            yield a[near], b[near]
    for at in np.flatnonzero(sizes > CROWD).tolist():
        bucket = order[ends[at] - sizes[at] : ends[at]]
        yield from _around_hubs(bucket[~apart[bucket]], bits, most)


def _around_hubs(bucket: Ints, bits: UInts, most: float) -> Iterator[tuple[Ints, Ints]]:
    """Each place with all places after it that are near; those of a crowd are then done with.

    n² of boilerplate is what would not end. A bucket may also be large because its minima are frequent grams: little in
    it is near, but leaving it out lost 1 % of the pairs of 300,000 rows.
    """
    rest = np.sort(bucket)
    mine = bits[rest]
    for _ in range(_HUBS):
        if len(rest) < 2:
            return
        near = np.bitwise_count(mine[1:] ^ mine[0]).sum(axis=1, dtype=np.int64) <= most
        found = rest[1:][near]
        yield np.full(len(found), rest[0]), found
        rest, mine = rest[1:], mine[1:]
        if len(found) > CROWD:
            rest, mine = rest[~near], mine[~near]


def signatures_by_part(texts: Sequence[str], seed: int = 1) -> Iterator[tuple[Ints, UInt32s]]:
    """Minima of some texts at a time, with their places. Texts of like length share a matrix: little is padding.

    32-bit products that wrap: where they do not (32-bit factors, 64-bit products) every "permutation" picks the same
    gram, and recall was 24 %.
    """
    odds = (odd_numbers(_COLUMNS, seed) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    order = np.argsort(sizes, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and (end + 1 - begin) * max(WINDOW, int(sizes[order[end]])) <= _CELLS:
            end += 1
        chosen = order[begin:end]
        grams = _hashed([texts[i] for i in chosen.tolist()], sizes[chosen])
        signed = np.empty((_COLUMNS, len(chosen)), dtype=np.uint32)
        product = np.empty_like(grams)
        for column in range(_COLUMNS):
            np.minimum.reduce(np.multiply(grams, odds[column], out=product), axis=0, out=signed[column])
        yield chosen, signed.T
        begin = end


def _hashed(texts: Sequence[str], sizes: Ints) -> UInt32s:
    """windows x texts: hashes of the 5-grams, a shorter text's first one repeated where it has no more."""
    width = max(WINDOW, int(sizes.max()))
    codes = np.array(texts, dtype=f"<U{width}").view(np.uint32).reshape(len(texts), width).T
    windows = width - WINDOW + 1
    odds = (odd_numbers(WINDOW, 0) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    hashed = np.zeros((windows, len(texts)), dtype=np.uint32)
    for shift in range(WINDOW):
        hashed += codes[shift : shift + windows] * odds[shift]
    hashed ^= hashed >> np.uint32(15)
    hashed *= np.uint32(0x9E3779B1)
    hashed ^= hashed >> np.uint32(13)
    shortest = max(int(sizes.min()) - WINDOW + 1, 1)
    beyond = np.arange(shortest, windows)[:, None] >= np.maximum(sizes - WINDOW + 1, 1)
    hashed[shortest:] = np.where(beyond, hashed[0], hashed[shortest:])
    return hashed
