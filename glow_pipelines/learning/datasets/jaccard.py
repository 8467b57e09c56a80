"""Exact Jaccard of pairs of texts, over their sets of character 5-grams.

Belongs here: deciding pairs that something else proposed. Does not belong here: proposing them (minhash, the store).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.datasets.hashing import odd_numbers

UInts = NDArray[np.uint64]
Ints = NDArray[np.int64]

WINDOW = 5
_CHARACTERS = 1 << 21  # of both texts of the pairs looked at at once: about 100 MB at work
_LOCAL = 12  # bits for the place within those pairs; 52 remain for the gram
_MOST = 1 << (_LOCAL - 1)


def verify(pairs: Ints, texts: Sequence[str], threshold: float) -> Ints:
    """The pairs (rows of places in `texts`) whose Jaccard reaches the threshold."""
    kept = [np.empty((0, 2), dtype=np.int64)]
    kept += [part[jaccard(part, texts) >= threshold - 1e-9] for part in _parts(pairs, texts)]
    return np.concatenate(kept)


def jaccard(pairs: Ints, texts: Sequence[str]) -> NDArray[np.float64]:
    """Shared 5-grams over all 5-grams of each pair, at most 2,048 pairs; a text shorter than 5 is filled with NULs."""
    places, local = np.unique(pairs, return_inverse=True)
    grams, counts = _sets([texts[place] for place in places.tolist()])
    starts = np.cumsum(counts) - counts
    sides = local.reshape(pairs.shape).T
    both = np.concatenate([_tagged(grams, starts[side], counts[side]) for side in sides])
    both.sort()
    twice = both[1:][both[1:] == both[:-1]]
    shared = np.bincount((twice >> np.uint64(64 - _LOCAL)).astype(np.int64), minlength=len(pairs))
    result: NDArray[np.float64] = shared / (counts[sides[0]] + counts[sides[1]] - shared)
    return result


def gram_sets(texts: Sequence[str]) -> tuple[UInts, Ints]:
    """The distinct 5-grams of any number of texts as 52-bit hashes, one text after the other, and how many each has."""
    done = [_sets(texts[begin : begin + _MOST]) for begin in range(0, len(texts), _MOST)]
    return np.concatenate([grams for grams, _ in done]), np.concatenate([counts for _, counts in done])


def _parts(pairs: Ints, texts: Sequence[str]) -> Iterator[Ints]:
    """In order of the first text, so that it is cut up once for all its pairs."""
    if not len(pairs):
        return
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    size = np.fromiter((len(texts[a]) + len(texts[b]) + 2 * WINDOW for a, b in ordered.tolist()), np.int64, len(pairs))
    total = np.cumsum(size)
    begin = 0
    while begin < len(ordered):
        room = int(np.searchsorted(total, (total[begin - 1] if begin else 0) + _CHARACTERS, side="right"))
        end = min(max(room, begin + 1), begin + _MOST)
        yield ordered[begin:end]
        begin = end


def _sets(texts: Sequence[str]) -> tuple[UInts, Ints]:
    """The distinct 5-grams of every text as 52-bit hashes, one text after the other, and how many each has."""
    padded = [text.ljust(WINDOW, "\0") for text in texts]
    sizes = np.array([len(text) for text in padded], dtype=np.int64)
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    windows = len(codes) - WINDOW + 1
    hashed = np.zeros(windows, dtype=np.uint64)
    for shift, odd in enumerate(odd_numbers(WINDOW, 0)):
        hashed += codes[shift : shift + windows] * odd
    hashed ^= hashed >> np.uint64(31)  # the low bits of a product know little of the high bits of its factors
    hashed *= np.uint64(0x9E3779B97F4A7C15)
    owner = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
    tagged = (hashed >> np.uint64(_LOCAL)) | (owner[:windows] << np.uint64(64 - _LOCAL))
    tagged = np.sort(tagged[owner[:windows] == owner[WINDOW - 1 :]])  # not the windows over the end of a text
    tagged = tagged[np.append(True, tagged[1:] != tagged[:-1])]
    counts = np.bincount((tagged >> np.uint64(64 - _LOCAL)).astype(np.int64), minlength=len(texts))
    grams: UInts = tagged & np.uint64((1 << (64 - _LOCAL)) - 1)
    return grams, counts


def _tagged(grams: UInts, starts: Ints, counts: Ints) -> UInts:
    """The grams of one side of each pair, with the pair's place in the high bits."""
    ends = np.cumsum(counts)
    at = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    tag = np.repeat(np.arange(len(counts), dtype=np.uint64), counts) << np.uint64(64 - _LOCAL)
    result: UInts = grams[at] | tag
    return result
