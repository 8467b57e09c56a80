"""Inputs that occur more than once among any number of rows, in the same memory.

Belongs here: hashes of inputs and answers, sorted piece by piece in files that the caller lends. Does not belong here:
which of several rows stays (admission).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

_RECORD = np.dtype([("input", "<u8"), ("answer", "<u8"), ("place", "<i8")])
_FILES = 16


class Repeats:
    """Takes what two inputs, and two answers, are compared by; then tells which rows repeat or contradict another."""

    def __init__(self, lend: Callable[[], BinaryIO]) -> None:
        self._files = [lend() for _ in range(_FILES)]

    def add(self, places: Sequence[int], inputs: Sequence[str], answers: Sequence[str]) -> None:
        """Rows by what the caller calls them."""
        records = np.empty(len(inputs), dtype=_RECORD)
        records["input"] = _hashes(inputs)
        records["answer"] = _hashes(answers)
        records["place"] = places
        for number, lent in enumerate(self._files):
            lent.write(records[records["input"] % _FILES == number].tobytes())

    def found(self) -> Iterator[tuple[str, int]]:
        """("duplicate", place) for every row after the first with this input and answer; ("conflict", place) for every
        row of an input with several answers."""
        for lent in self._files:
            lent.seek(0)
            records = np.sort(np.frombuffer(lent.read(), dtype=_RECORD), order=("input", "answer", "place"))
            same = records["input"][1:] == records["input"][:-1]
            alike = same & (records["answer"][1:] == records["answer"][:-1])
            torn = same & ~alike
            yield from (("duplicate", place) for place in records["place"][1:][alike].tolist())
            contradicting = set(records["input"][1:][torn].tolist())
            if contradicting:
                hit = np.isin(records["input"], np.array(sorted(contradicting), dtype=np.uint64))
                yield from (("conflict", place) for place in records["place"][hit].tolist())

    def close(self) -> None:
        for lent in self._files:
            lent.close()


def _hashes(texts: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    raw = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(raw), dtype="<u8")
