"""Near-duplicates among many texts, on several cores.

Belongs here: cutting the work up and the processes that do it. Does not: the work (learning/datasets/minhash, jaccard).
Processes are spawned, never forked: whoever calls has threads and connections.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from glow_pipelines.learning.datasets.crowds import in_crowds
from glow_pipelines.learning.datasets.jaccard import verify
from glow_pipelines.learning.datasets.minhash import (
    BANDS,
    Ints,
    Sketches,
    band_pairs,
    first_of_each,
    merged,
    near_duplicates,
    sketches,
    union,
    within,
)

_TEXTS = 25_000  # a part: what is sent, and what a process holds at once
_PAIRS = 20_000


def near_duplicates_on(
    processes: int, texts: Sequence[str], threshold: float = 0.7, seed: int = 1, least: int = 4 * _TEXTS
) -> Ints:
    """What `near_duplicates` finds, by several processes where there are at least `least` texts.

    This process holds the texts and 160 bytes for each, every other one 32 bytes for each and its share of the rest.
    """
    if processes < 2 or len(texts) < least:
        return near_duplicates(texts, threshold, seed)
    distinct, repeats = first_of_each(texts)
    chosen = [texts[i] for i in distinct.tolist()]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        keys = np.empty((BANDS, len(chosen)), dtype=np.uint32)
        bits = np.empty((len(chosen), 4), dtype=np.uint64)
        starts = range(0, len(chosen), _TEXTS)
        parts = (chosen[start : start + _TEXTS] for start in starts)
        for start, part in zip(starts, pool.map(partial(sketches, seed=seed), parts), strict=True):
            keys[:, start : start + _TEXTS] = part.keys
            bits[start : start + _TEXTS] = part.bits
        crowd = in_crowds(keys, len(chosen))
        shares = (Sketches(keys[share::processes], bits) for share in range(processes))
        proposed = union(pool.map(partial(_proposed, threshold=threshold, crowd=crowd), shares))
        blocks = [proposed[start : start + _PAIRS] for start in range(0, len(proposed), _PAIRS)]
        decided = list(pool.map(partial(_decided, threshold=threshold), _local(blocks, chosen)))
        return merged([*decided, within(crowd, chosen, threshold)], distinct, repeats)


def _proposed(sketched: Sketches, threshold: float, crowd: Ints) -> Ints:
    return union(band_pairs(sketched, band, threshold, crowd) for band in range(len(sketched.keys)))


def _local(blocks: Sequence[Ints], texts: Sequence[str]) -> Iterator[tuple[Ints, list[str]]]:
    """Each block of pairs with the texts it speaks of."""
    return ((block, [texts[place] for place in np.unique(block).tolist()]) for block in blocks)


def _decided(block: tuple[Ints, list[str]], threshold: float) -> Ints:
    pairs, texts = block
    places, local = np.unique(pairs, return_inverse=True)
    return places[verify(local.reshape(pairs.shape), texts, threshold)]
