"""Which part of a chunk an answer used: runs of words that stand in both.

Belongs here: aligning two texts, and joining what was cited across neighbouring chunks. Does not belong here: what the
spans teach (``boundaries``), or where the texts come from (the store). Both texts are hostile: time and memory grow
with their length times its logarithm, whatever they repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.text import terms

_WORD = re.compile(r"\w+")
LEAST_RUN = 4  # words; three in a row are shared by any two texts of one company
BRIDGE = 2  # words between two runs that still make one citation: somebody changed a word
FRESH = 0.5  # share of a span's n-grams that the answer has said more often than longer spans took up
TELLING = 2  # words in a citation that are no function words; "it is in the" cites nothing


@dataclass(frozen=True)
class CitedSpan:
    """Characters [starts, ends) of a document's body that answered ``query`` for ``user_id``.

    ``source_id`` is the retrieval event or feedback the span was read from.
    """

    document_id: str
    starts: int
    ends: int
    query: str
    user_id: str
    source_id: str

    def __post_init__(self) -> None:
        if not 0 <= self.starts < self.ends:
            raise ValueError(f"cited span of {self.document_id!r}: [{self.starts}, {self.ends}) is empty or backwards")


def cited_spans(chunk: str, answer: str, least: int = LEAST_RUN) -> list[tuple[int, int]]:
    """Character spans of ``chunk`` that stand in ``answer`` word for word, in order, disjoint.

    A word of the chunk can be cited when it is part of a run of at least ``least`` words that is in the answer too,
    case and punctuation aside. That is the union of all longest common runs, found by comparing the n-grams of length
    ``least``: looking for the runs themselves takes quadratic time on "a a a a". Words up to BRIDGE apart are one span;
    a span without TELLING telling words is none. What the answer says once is cited once: of two spans with the same
    n-grams the longer stands, or phrases that a text is full of ("within ten days by the") would be cited everywhere.
    Raises ValueError for a ``least`` below 1.
    """
    if least < 1:
        raise ValueError(f"cited spans: least={least}; give the number of words of the shortest run, 1 or more")
    words = list(_WORD.finditer(chunk))
    ours = [word.group().casefold() for word in words]
    theirs = [word.casefold() for word in _WORD.findall(answer)]
    if min(len(ours), len(theirs)) < least:
        return []
    mine, other = _grams(ours, theirs, least)
    said = np.bincount(other, minlength=int(mine.max()) + 1)
    known = said[mine] > 0
    begins = np.flatnonzero(known)
    if not begins.size:
        return []
    breaks = np.flatnonzero(np.diff(begins) > least)
    edges = zip(begins[np.r_[0, breaks + 1]], begins[np.r_[breaks, len(begins) - 1]] + least, strict=True)
    kept: list[tuple[int, int]] = []
    for first, end in sorted(edges, key=lambda edge: (edge[0] - edge[1], edge[0])):
        grams = mine[first : end - least + 1]
        grams = grams[known[first : end - least + 1]]
        if (said[grams] > 0).mean() >= FRESH:
            np.subtract.at(said, grams, 1)
            kept.append((int(first), int(end)))
    return [
        (words[first].start(), words[end - 1].end())
        for first, end in _bridged(sorted(kept))
        if _telling(ours[first:end])
    ]


def _bridged(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, end in runs:
        if found and first - found[-1][1] <= BRIDGE:
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found


def joined(spans: Iterable[CitedSpan], gap: int = 2) -> list[CitedSpan]:
    """Spans of one source that meet at a border of chunks, at most ``gap`` characters apart, as one span across it."""
    found: list[CitedSpan] = []
    for span in sorted(spans, key=lambda s: (s.document_id, s.source_id, s.starts, s.ends)):
        last = found[-1] if found else None
        same = last is not None and (last.document_id, last.source_id) == (span.document_id, span.source_id)
        if same and last is not None and span.starts - last.ends <= gap:
            found[-1] = replace(last, ends=max(last.ends, span.ends))
        else:
            found.append(span)
    return found


def _grams(ours: Sequence[str], theirs: Sequence[str], least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for every run of ``least`` words of either text, equal for equal runs. Exact: nothing is hashed."""
    number: dict[str, int] = {}
    both = np.array([number.setdefault(word, len(number)) for word in (*ours, *theirs)], dtype=np.int64)
    grams = both
    for length in range(1, least):
        pair = grams[: len(both) - length] * (int(both.max()) + 1) + both[length:]
        grams = np.unique(pair, return_inverse=True)[1].astype(np.int64)
    # The runs that begin in one text and end in the other belong to neither.
    return grams[: len(ours) - least + 1], grams[len(ours) :]


def _telling(words: Sequence[str]) -> bool:
    return len(set(terms(" ".join(words[:200])))) >= TELLING
