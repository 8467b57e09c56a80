"""Near-duplicates that lie in two splits, among any number of texts, in the same memory.

Belongs here: finding pairs across splits by other hashes than those that made the groups, bands sorted piece by piece
in files that the caller lends. Does not belong here: pairs within memory (minhash), what a pair means (checks).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.datasets.crowds import CROWD, CROWDED_BANDS, crowd_pairs, parts
from glow_pipelines.learning.datasets.jaccard import verify
from glow_pipelines.learning.datasets.minhash import BANDS, band_keys, first_look, most_differing, signatures

Ints = NDArray[np.int64]

_RECORD = np.dtype([("key", "<u8"), ("turn", "<u4"), ("split", "u1")])
_FILES = 256  # a million texts make 32 million records: 125 000 in a file, sorted in some megabytes
_BLOCK = 1 << 14  # sketches read at once
_SKETCH = np.dtype([("place", "<i8"), ("bits", "<u8", 4)])


class SplitLeaks:
    """Takes texts with their splits, then tells which near-duplicates lie apart.

    `lend` opens an empty file that can be read and written; they are closed by `close`.
    """

    def __init__(self, lend: Callable[[], BinaryIO], seed: int) -> None:
        self._bands = [lend() for _ in range(_FILES)]
        self._sketches = lend()
        self._seed = seed
        self._count = 0

    def add(self, places: Sequence[int], texts: Sequence[str], splits: Sequence[int]) -> None:
        """Normalised texts, what the caller calls them, and the numbers of their splits."""
        if not texts:
            return
        signed = signatures(texts, self._seed)
        sketches = np.empty(len(texts), dtype=_SKETCH)
        sketches["place"], sketches["bits"] = places, first_look(signed)
        self._sketches.write(sketches.tobytes())
        # Equal minima in two bands are no match.
        keys = band_keys(signed, self._seed) ^ np.arange(BANDS, dtype=np.uint64)
        records = np.empty(keys.size, dtype=_RECORD)
        records["key"] = keys.ravel()
        records["turn"] = np.repeat(np.arange(self._count, self._count + len(texts)), BANDS)
        records["split"] = np.repeat(np.asarray(splits, dtype=np.uint8), BANDS)
        file = (records["key"] % _FILES).astype(np.uint8)
        order = np.argsort(file, kind="stable")
        ends = np.searchsorted(file[order], np.arange(_FILES + 1))
        ordered = records[order]
        for number, lent in enumerate(self._bands):
            lent.write(ordered[ends[number] : ends[number + 1]].tobytes())
        self._count += len(texts)

    def pairs(
        self, texts_of: Callable[[Sequence[int]], Mapping[int, str]], threshold: float = 0.7
    ) -> Iterator[tuple[int, int]]:
        """Places (a < b) of near-duplicates in different splits, each once. `texts_of` gives the texts of places again:
        only of those that share a band and look alike, or lie in a crowd."""
        told: set[tuple[int, int]] = set()
        crowded, lies = (np.zeros(self._count, dtype=np.uint8) for _ in range(2))
        for lent in self._bands:
            records = _read(lent)
            lies[records["turn"]] = records["split"]
            _, where, shared = np.unique(records["key"], return_inverse=True, return_counts=True)
            np.add.at(crowded, records["turn"], shared[where] > CROWD)
            for part in self._alike(_crossing(records), most_differing(threshold)):
                wanted, at = np.unique(part, return_inverse=True)
                texts = texts_of(wanted.tolist())
                here = np.array([place in texts for place in wanted.tolist()])  # the caller may have dropped some
                asked = at.reshape(-1, 2)
                asked = asked[here[asked].all(axis=1)]
                near = verify(asked, [texts.get(place, "") for place in wanted.tolist()], threshold)
                for a, b in wanted[near].tolist():
                    if (a, b) not in told:
                        told.add((a, b))
                        yield a, b
        for pair in self._in_crowds(np.flatnonzero(crowded > CROWDED_BANDS), lies, texts_of, threshold):
            if pair not in told:
                told.add(pair)
                yield pair

    def _in_crowds(
        self,
        crowd: Ints,
        lies: NDArray[np.uint8],
        texts_of: Callable[[Sequence[int]], Mapping[int, str]],
        threshold: float,
    ) -> Iterator[tuple[int, int]]:
        """What share a band with many have been thinned out there."""
        for chosen in parts(len(crowd)) if len(crowd) else ():
            turns = crowd[chosen]
            splits = dict(zip(self._sketches_of(turns)["place"].tolist(), lies[turns].tolist(), strict=True))
            texts = texts_of(sorted(splits))
            places = sorted(texts)
            for a, b in crowd_pairs(
                [texts[place] for place in places], threshold, [splits[place] for place in places]
            ).tolist():
                yield places[a], places[b]

    def close(self) -> None:
        for lent in (*self._bands, self._sketches):
            lent.close()

    def _alike(self, pairs: Iterable[Ints], most: float) -> Iterator[Ints]:
        """Of pairs of turns those that look alike, as places."""
        for part in pairs:
            turns, at = np.unique(part, return_inverse=True)
            sketches = self._sketches_of(turns)
            left, right = at.reshape(-1, 2).T
            bits = sketches["bits"]
            near = np.bitwise_count(bits[left] ^ bits[right]).sum(axis=1, dtype=np.int64) <= most
            if near.any():
                found = np.column_stack([sketches["place"][left[near]], sketches["place"][right[near]]])
                found.sort(axis=1)
                yield found

    def _sketches_of(self, turns: Ints) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
        """Of sorted turns. By blocks: one by one, a million took a minute."""
        found = np.empty(len(turns), dtype=_SKETCH)
        edges = np.flatnonzero(np.diff(turns // _BLOCK, prepend=-1)).tolist()
        for begin, end in zip(edges, [*edges[1:], len(turns)], strict=True):
            first = int(turns[begin]) // _BLOCK * _BLOCK
            self._sketches.seek(first * _SKETCH.itemsize)
            block = np.frombuffer(self._sketches.read(_BLOCK * _SKETCH.itemsize), dtype=_SKETCH)
            found[begin:end] = block[turns[begin:end] - first]
        return found


def _read(lent: BinaryIO) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    lent.seek(0)
    return np.frombuffer(lent.read(), dtype=_RECORD)


_PART = 50_000


def _crossing(records: "np.ndarray[tuple[int], np.dtype[np.void]]") -> Iterator[Ints]:
    """Pairs of turns with one key in two splits, by parts, each pair once in a part."""
    order = np.argsort(records["key"], kind="stable")
    key, turn, split = records["key"][order], records["turn"][order].astype(np.int64), records["split"][order]
    if not len(key):
        return
    edges = np.flatnonzero(np.diff(key)) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(key))
    torn = np.minimum.reduceat(split, starts) != np.maximum.reduceat(split, starts)
    found: list[Ints] = []
    held = 0
    for start, end in zip(starts[torn].tolist(), ends[torn].tolist(), strict=True):
        where, here = split[start:end], turn[start:end]
        if end - start <= CROWD:
            a, b = np.triu_indices(end - start, 1)
        else:  # the first of every split against all the others
            firsts = np.unique(where, return_index=True)[1]
            a, b = (each.ravel() for each in np.meshgrid(firsts, np.arange(end - start), indexing="ij"))
        apart = where[a] != where[b]
        pair = np.column_stack([here[a[apart]], here[b[apart]]])
        pair.sort(axis=1)
        found.append(pair)
        held += len(pair)
        if held >= _PART:
            yield np.unique(np.concatenate(found), axis=0)
            found, held = [], 0
    if found:
        yield np.unique(np.concatenate(found), axis=0)
