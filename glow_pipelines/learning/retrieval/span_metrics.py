"""How well retrieved chunks cover the passages that answer a question.

Belongs here: figures of one result list against cited spans, and of a way of cutting over many questions. Does not
belong here: cutting (``segmentation``), deciding (``rechunking``), chunk-level metrics (``metrics``).

Counted in characters, not words: the same to within a percent and without a tokenizer to agree on. E are the cited
characters, R the retrieved ones with duplicates counted (overlapping chunks pay for what they repeat):
    recall = |E ∩ R| / |E|,   precision = |E ∩ R| / |R|,   IoU = |E ∩ R| / (|E| + |R| − |E ∩ R|)
(Chroma's chunking evaluation, Smith & Troynikov 2024).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.retrieval.bm25 import Bm25
from glow_pipelines.learning.retrieval.types import Vector

Span = tuple[str, int, int]
"""Document id, start, end: characters [start, end) of its body."""

Rank = Callable[[Sequence[str], Sequence[str], int], list[list[int]]]
"""(chunk texts, questions, k) -> positions of the best k chunks of each question, best first."""

METRICS = ("recall", "precision", "iou", "contained", "ndcg")


@dataclass(frozen=True)
class Question:
    """A question with the passages that answer it; ``group``: the rewordings it must stay together with."""

    query: str
    group: str
    spans: tuple[Span, ...]


def by_words(texts: Sequence[str], questions: Sequence[str], k: int) -> list[list[int]]:
    """BM25: every way of cutting can be judged without embedding it first."""
    bm25 = Bm25(texts)
    found = []
    for question in questions:
        scores = bm25.scores(question)
        order = np.argsort(-scores, kind="stable")[:k]
        found.append([int(at) for at in order if scores[at] > 0])
    return found


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same characters as disjoint spans, in order."""
    found: list[Span] = []
    for document, start, end in sorted(spans):
        if found and found[-1][0] == document and start <= found[-1][2]:
            found[-1] = (document, found[-1][1], max(end, found[-1][2]))
        else:
            found.append((document, start, end))
    return found


def figures(cited: Sequence[Span], retrieved: Sequence[Span]) -> tuple[float, float, float, float, float]:
    """Recall, precision, IoU, 1 if every cited span lies within one retrieved chunk, and nDCG; each in [0, 1].

    The gain of a chunk is the share of the cited characters it brings first, the ideal is all of them at rank 1:
    normalised by what a way of cutting could reach itself, cutting an answer in two would cost nothing.
    All 0 when nothing was retrieved. Raises ValueError without a cited span.
    """
    expected = merged(cited)
    if not expected:
        raise ValueError("span figures: no cited span to compare with")
    wanted = sum(end - start for _, start, end in expected)
    size = sum(end - start for _, start, end in retrieved)
    known: list[Span] = []
    covered, gain = 0, 0.0
    for rank, piece in enumerate(retrieved, 1):
        known = merged([*known, piece])
        now = _overlap(expected, known)
        gain += (now - covered) / wanted / math.log2(rank + 1)
        covered = now
    contained = all(any(_within(span, piece) for piece in retrieved) for span in expected)
    union = wanted + size - covered
    return covered / wanted, covered / size if size else 0.0, covered / union, float(contained), gain


def measure_cuts(
    pieces: Sequence[Span], texts: Sequence[str], questions: Sequence[Question], rank: Rank, k: int
) -> Vector:
    """METRICS of every question over the chunks ``pieces`` with their searched ``texts``, shape (questions, 5)."""
    lists = rank(texts, [question.query for question in questions], k)
    rows = [
        figures(question.spans, [pieces[at] for at in found]) for question, found in zip(questions, lists, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(questions), len(METRICS))


def pieces_of(bodies: Mapping[str, str], cuts: Mapping[str, Sequence[int]]) -> list[Span]:
    """All chunks of all documents, cut at ``cuts``, in order, without the white space between them."""
    found: list[Span] = []
    for document in sorted(bodies):
        body = bodies[document]
        for a, b in itertools.pairwise([0, *cuts.get(document, ()), len(body)]):
            piece = body[a:b]
            start = a + len(piece) - len(piece.lstrip())
            end = a + len(piece.rstrip())
            if end > start:
                found.append((document, start, end))
    return found


def _overlap(one: Sequence[Span], other: Sequence[Span]) -> int:
    """Shared characters of two lists of disjoint spans."""
    return sum(
        max(0, min(end, last) - max(start, first))
        for document, start, end in one
        for name, first, last in other
        if name == document
    )


def _within(span: Span, piece: Span) -> bool:
    return span[0] == piece[0] and piece[1] <= span[1] and span[2] <= piece[2]
