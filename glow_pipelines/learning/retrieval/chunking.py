"""Cutting documents into chunks, the ids of chunks, and which chunk took the place of which.

Belongs here: spans of a text, chunks of a document, succession. Does not belong here: where learned boundaries lie
(``segmentation``), what a chunking is worth (``rechunking``), storage.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glow_pipelines.learning.retrieval.text import shingles, terms

DEFAULT: Mapping[str, Any] = {"kind": "sentences", "target": 800}
LEAST_TARGET, MOST_TARGET = 50, 20_000
KEPT_JACCARD, KEPT_OVERLAP = 0.9, 0.8
"""From here on feedback on a chunk is feedback on its successor."""
MOST_ALIKE = 10
_TOLD = 0.1  # A successor that shares less is a stranger.
_TOLD_BY = 50  # A run of words in more passages tells of none where it went.
# A sentence with the space behind it; a blank line ends one too.
# Marks are read from the first of a run and all at once: of 40,000 dots each was tried with all behind it.
_SENTENCE = re.compile(r".+?(?:(?<![.!?…。！？])[.!?…。！？]++[\"')\]»”’]*+(?=\s)|\n\s*\n|\Z)\s*", re.DOTALL)
_ID_LENGTH, _DIGEST = 200, 20


@dataclass(frozen=True)
class Span:
    """The characters [starts, ends) of a text."""

    starts: int
    ends: int


@dataclass(frozen=True)
class CutChunk:
    """A chunk of a document version. ``text``: title and span, as it is embedded; ``words``: terms of the text."""

    chunk_id: str
    position: int
    span: Span
    text: str
    content_hash: str
    words: int


@dataclass(frozen=True)
class Passage:
    """A chunk as succession sees it: its span and the characters there, without the title."""

    chunk_id: str
    span: Span
    text: str


@dataclass(frozen=True)
class Successor:
    """``jaccard``: shared runs of three words over all; ``overlap``: the share of the old span that lies in the new."""

    chunk_id: str
    successor: str
    jaccard: float
    overlap: float


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise ValueError for parameters that say no way of cutting."""
    kind = parameters.get("kind")
    known = {"whole": {"kind"}, "sentences": {"kind", "target"}, "learned": {"kind", "target", "weights"}}
    if kind not in known:
        raise ValueError(f"chunking kind={kind!r}; give whole, sentences or learned")
    if wrong := sorted(set(parameters) ^ known[kind]):
        raise ValueError(f"chunking {kind}: {wrong[0]!r} is missing or unknown; give {', '.join(sorted(known[kind]))}")
    target = parameters.get("target", LEAST_TARGET)
    if isinstance(target, bool) or not isinstance(target, int | float) or not LEAST_TARGET <= target <= MOST_TARGET:
        raise ValueError(
            f"chunking target={target!r}; give a number of characters from {LEAST_TARGET} to {MOST_TARGET}"
        )


def cut(text: str, parameters: Mapping[str, Any]) -> tuple[Span, ...]:
    """Spans of ``text`` in order, without the space between them; at least one, however empty the text.

    whole: one span. sentences: whole sentences up to ``target`` characters together, a longer sentence cut at spaces.
    learned: at ``segmentation.boundaries``.
    """
    check_parameters(parameters)
    if parameters["kind"] == "whole":
        return (Span(0, len(text)),)
    if parameters["kind"] == "sentences":
        edges = _packed(text, int(parameters["target"]))
    else:
        from glow_pipelines.learning.retrieval.segmentation import boundaries

        edges = [0, *boundaries(text, parameters["weights"], parameters["target"]), len(text)]
    spans = (_trimmed(text, start, end) for start, end in itertools.pairwise(edges))
    return tuple(span for span in spans if span.ends > span.starts) or (Span(0, len(text)),)


def cut_document(
    document_id: str, title: str, body: str, chunking: str, parameters: Mapping[str, Any]
) -> tuple[CutChunk, ...]:
    """The chunks of a document. The same span text under the same chunking has the same id, wherever it moves to."""
    seen: Counter[str] = Counter()
    chunks = []
    for position, span in enumerate(cut(body, parameters)):
        text = f"{title}\n{body[span.starts : span.ends]}"
        content = hashlib.sha256(text.encode()).hexdigest()
        chunk_id = _chunk_id(document_id, chunking, content, seen[content])
        seen[content] += 1
        chunks.append(CutChunk(chunk_id, position, span, text, content, len(terms(text))))
    return tuple(chunks)


def succession(old: Sequence[Passage], new: Sequence[Passage], same_version: bool) -> list[Successor]:
    """Which passages took the place of which, of one document, both in its order. An id that stays has no successor.

    ``same_version``: both were cut from the same text, so that overlap is counted in characters; else in shared runs.
    Of a text that says the same a thousand times every passage is like every other: one that stands as it was has that
    one successor, and any other those it shares most with, `MOST_ALIKE` at the most beside those at its place.
    """
    staying, leaving = {passage.chunk_id for passage in new}, {passage.chunk_id for passage in old}
    runs = {passage.chunk_id: shingles(passage.text) for passage in (*old, *new)}
    twins: dict[tuple[str, Span | None], list[int]] = defaultdict(list)
    holders: dict[str, list[int]] = defaultdict(list)
    for at, passage in enumerate(new):
        if passage.chunk_id not in leaving:
            twins[passage.text, passage.span if same_version else None].append(at)
        for run in runs[passage.chunk_id]:
            holders[run].append(at)
    places = [passage.span.starts for passage in new], [passage.span.ends for passage in new]
    found = []
    for passage in old:
        if passage.chunk_id in staying:
            continue
        if same := twins[passage.text, passage.span if same_version else None]:
            found.append(Successor(passage.chunk_id, new[same.pop(0)].chunk_id, 1.0, 1.0))
            continue
        own = runs[passage.chunk_id]
        shared = Counter(at for run in own if len(holders.get(run, ())) <= _TOLD_BY for at in holders.get(run, ()))
        alike = heapq.nsmallest(
            MOST_ALIKE, shared, key=lambda at: (-shared[at], abs(new[at].span.starts - passage.span.starts), at)
        )
        for at in sorted({*alike, *(_touching(passage.span, *places) if same_version else ())}):
            other = new[at]
            common = len(own & runs[other.chunk_id])
            jaccard = common / (len(own) + len(runs[other.chunk_id]) - common)
            overlap = _covered(passage.span, other.span) if same_version else common / len(own)
            if max(jaccard, overlap) >= _TOLD:
                found.append(Successor(passage.chunk_id, other.chunk_id, jaccard, overlap))
    return found


def _chunk_id(document_id: str, chunking: str, content: str, occurrence: int) -> str:
    address = "\x1f".join((document_id, chunking, content, str(occurrence)))
    digest = hashlib.sha256(address.encode()).hexdigest()[:_DIGEST]
    return f"{document_id[: _ID_LENGTH - _DIGEST - 1]}#{digest}"


def _packed(text: str, target: int) -> list[int]:
    edges, start = [0], 0
    for begins, ends in _pieces(text, target):
        if ends - start > target and begins > start:
            edges.append(begins)
            start = begins
    return [*edges, len(text)]


def _pieces(text: str, target: int) -> Iterator[tuple[int, int]]:
    """Sentences; those longer than the target in parts that end at a space where there is one."""
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        while end - start > target:
            space = max(
                text.rfind(" ", start + target // 2, start + target),
                text.rfind("\n", start + target // 2, start + target),
            )
            part = space + 1 if space > 0 else start + target
            yield start, part
            start = part
        yield start, end


def _trimmed(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return (
        Span(start + len(part) - len(part.lstrip()), start + len(part.rstrip())) if part.strip() else Span(start, start)
    )


def _touching(span: Span, starts: Sequence[int], ends: Sequence[int]) -> range:
    return range(bisect_right(ends, span.starts), bisect_left(starts, span.ends))


def _covered(old: Span, new: Span) -> float:
    return max(0, min(old.ends, new.ends) - max(old.starts, new.starts)) / max(1, old.ends - old.starts)
