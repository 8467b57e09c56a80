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

    A word of the chunk is cited when it is part of a run of at least ``least`` words that is in the answer too, case
    and punctuation aside. That is the union of all longest common runs, found by comparing the n-grams of length
    ``least``: looking for the runs themselves takes quadratic time on "a a a a". Spans up to BRIDGE words apart are
    one; a span without TELLING telling words is none. Raises ValueError for a ``least`` below 1.
    """
    if least < 1:
        raise ValueError(f"cited spans: least={least}; give the number of words of the shortest run, 1 or more")
    words = list(_WORD.finditer(chunk))
    ours = [word.group().casefold() for word in words]
    theirs = [word.casefold() for word in _WORD.findall(answer)]
    if min(len(ours), len(theirs)) < least:
        return []
    number: dict[str, int] = {}
    mine, other = (
        np.array([number.setdefault(word, len(number)) for word in text], dtype=np.int64) for text in (ours, theirs)
    )
    begins = _shared(mine, other, least)
    steps = np.zeros(len(ours) + 1, dtype=np.int64)
    np.add.at(steps, begins, 1)
    np.add.at(steps, begins + least, -1)
    cited = np.flatnonzero(np.cumsum(steps)[:-1] > 0)
    if not cited.size:
        return []
    breaks = np.flatnonzero(np.diff(cited) > BRIDGE + 1)
    firsts, lasts = cited[np.r_[0, breaks + 1]], cited[np.r_[breaks, len(cited) - 1]]
    return [
        (words[first].start(), words[last].end())
        for first, last in zip(firsts, lasts, strict=True)
        if _telling(ours[first : last + 1])
    ]


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


def _shared(mine: NDArray[np.int64], other: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Positions in ``mine`` whose next ``least`` numbers stand in ``other`` in this order. Exact: nothing is hashed."""
    both = np.concatenate([mine, other])
    grams = both
    for length in range(1, least):
        pair = grams[: len(both) - length] * (int(both.max()) + 1) + both[length:]
        grams = np.unique(pair, return_inverse=True)[1].astype(np.int64)
    # The n-grams that begin in one text and end in the other belong to neither.
    return np.flatnonzero(np.isin(grams[: len(mine) - least + 1], grams[len(mine) :])).astype(np.int64)


def _telling(words: Sequence[str]) -> bool:
    return len(set(terms(" ".join(words[:200])))) >= TELLING
