"""Whether documents should be cut another way, and how: the proposal with its test.

Belongs here: fitting on some questions, judging on others at the same mean size, the verdict. Does not belong here:
applying it (a new chunking, an index beside the old one, the gate of configurations), single suggestions
(``chunk_advice``).

Size dominates every figure: larger chunks find more and waste more. Both ways of cutting are therefore compared at the
same mean size, and what is claimed is what is left: measured elsewhere, 5 to 10 % of the size/recall trade-off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from glow_pipelines.learning.intervals import Interval, paired_bootstrap
from glow_pipelines.learning.retrieval.boundaries import (
    BoundaryModel,
    Candidates,
    candidates,
    fit,
    log_odds,
    votes,
)
from glow_pipelines.learning.retrieval.chunk_advice import Suggestion, suggestions
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.evaluation import sign_flip_p
from glow_pipelines.learning.retrieval.segmentation import matched_target, segmented
from glow_pipelines.learning.retrieval.span_metrics import (
    METRICS,
    Question,
    Rank,
    Span,
    by_words,
    measure_cuts,
    pieces_of,
)
from glow_pipelines.learning.retrieval.types import Vector

PRIMARY = "iou"


@dataclass(frozen=True)
class Document:
    """A document as it is today. ``title`` is searched with every chunk; offsets count in ``body``."""

    id: str
    title: str
    body: str


@dataclass(frozen=True)
class ChunkingSettings:
    """Evidence asked for, and the level of the test (the caller lowers it when held-out questions are used again)."""

    folds: int = 3
    top: int = 5
    least_queries: int = 20
    least_spans: int = 30
    least_users: int = 3
    significance: float = 0.05
    loss: float = 0.02  # of the present value: a significant loss beyond it in any other figure keeps the old cuts
    size_tolerance: float = 0.05
    calibrated_on: int = 300  # documents; the mean size is matched on these, then checked on all


@dataclass(frozen=True)
class Figure:
    """One metric of span retrieval, the present cuts against the proposed ones, paired by question."""

    name: str
    current: float
    proposed: float
    gain: Interval
    p_value: float


@dataclass(frozen=True)
class ChunkingProposal:
    """The verdict with all it rests on.

    ``weights`` and ``target`` are None when nothing could be learned. ``figures`` are cross-fitted: every question was
    judged on cuts learned without its group. ``source_ids`` are the events and feedback the spans were read from.
    """

    verdict: Literal["apply", "keep"]
    reason: str
    weights: Mapping[str, float] | None
    target: float | None
    current_size: float
    proposed_size: float | None
    current_chunks: int
    proposed_chunks: int | None
    figures: tuple[Figure, ...]
    suggestions: tuple[Suggestion, ...]
    queries: int
    groups: int
    spans: int
    users: int
    source_ids: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, Any] | None:
        """What a chunking row holds; None when nothing could be learned."""
        if self.weights is None:
            return None
        return {"kind": "learned", "target": self.target, "weights": dict(self.weights)}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Corpus:
    bodies: Mapping[str, str]
    titles: Mapping[str, str]
    found: Mapping[str, Candidates]

    def texts(self, pieces: Sequence[Span]) -> list[str]:
        """As they are searched."""
        return [f"{self.titles[document]}\n{self.bodies[document][a:b]}" for document, a, b in pieces]


def optimize_chunking(
    documents: Sequence[Document],
    chunks: Mapping[str, Span],
    spans: Sequence[CitedSpan],
    group_of: Mapping[str, str],
    rng: np.random.Generator,
    *,
    cited_together: Iterable[frozenset[str]] = (),
    rank: Rank = by_words,
    settings: ChunkingSettings | None = None,
    censored: bool = True,
) -> ChunkingProposal:
    """A proposal to cut ``documents`` at learned boundaries instead of as ``chunks`` (chunk id -> span) are cut today.

    ``spans``: what answers cited (see ``citations``); those outside their document's body are ignored. ``group_of``:
    query -> group of rewordings; a query it does not know is a group of its own. ``censored``: the spans were read off
    today's chunks; False for spans that experts marked in whole documents. ``rank`` finds chunks for questions.
    Applied when the IoU of held-out questions rises significantly and no other figure falls.
    """
    settings = settings or ChunkingSettings()
    corpus = _corpus(documents)
    pieces = sorted({span for span in chunks.values() if span[0] in corpus.bodies and span[1] < span[2]})
    known = [s for s in spans if s.document_id in corpus.bodies and s.ends <= len(corpus.bodies[s.document_id])]
    questions = _questions(known, group_of)
    size = sum(end - start for _, start, end in pieces) / max(len(pieces), 1)
    users = len({span.user_id for span in known})
    groups = len({question.group for question in questions})
    sources = tuple(sorted({span.source_id for span in known}))

    def proposal(
        verdict: Literal["apply", "keep"],
        reason: str,
        model: BoundaryModel | None = None,
        target: float | None = None,
        cuts: Mapping[str, Sequence[int]] | None = None,
        figures: tuple[Figure, ...] = (),
    ) -> ChunkingProposal:
        new = None if cuts is None else pieces_of(corpus.bodies, cuts)
        advice = suggestions(corpus.bodies, chunks, known, cited_together, cuts)
        return ChunkingProposal(
            verdict,
            reason,
            None if model is None else model.weights,
            target,
            size,
            None if new is None else sum(b - a for _, a, b in new) / max(len(new), 1),
            len(pieces),
            None if new is None else len(new),
            figures,
            tuple(advice),
            len(questions),
            groups,
            len(known),
            users,
            sources,
        )

    lacking = _lacking(len(known), groups, users, settings)
    if lacking:
        return proposal("keep", f"Kept: {lacking}.")
    borders = _borders(pieces) if censored else {}
    try:
        model = _learn(corpus, known, borders)
    except ValueError as error:
        return proposal("keep", f"Kept: {error}.")
    target, cuts = _cut(corpus, model, size, settings)
    before, after, tested = _cross_fitted(corpus, known, questions, borders, pieces, size, rng, rank, settings)
    compared = _figures(before, after, [question.group for question in tested], rng)
    new = pieces_of(corpus.bodies, cuts)
    ratio = sum(b - a for _, a, b in new) / len(new) / size
    verdict, reason = _decide(compared, ratio, len(tested), settings)
    return proposal(verdict, reason, model, target, cuts, compared)


def _corpus(documents: Sequence[Document]) -> _Corpus:
    bodies = {document.id: document.body for document in documents if document.body}
    return _Corpus(
        bodies,
        {document.id: document.title for document in documents},
        {name: candidates(body) for name, body in bodies.items()},
    )


def _borders(pieces: Sequence[Span]) -> dict[str, list[int]]:
    """Where chunks begin and end; a chunk may or may not take the white space after it along."""
    found: dict[str, set[int]] = defaultdict(set)
    for document, start, end in pieces:
        found[document].update((start, end))
    return {document: sorted(at) for document, at in found.items()}


def _questions(spans: Sequence[CitedSpan], group_of: Mapping[str, str]) -> list[Question]:
    by_query: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_query[span.query].append((span.document_id, span.starts, span.ends))
    return [
        Question(query, group_of.get(query, query), tuple(sorted(set(by_query[query])))) for query in sorted(by_query)
    ]


def _lacking(spans: int, groups: int, users: int, settings: ChunkingSettings) -> str | None:
    for have, least, what in (
        (spans, settings.least_spans, "cited spans"),
        (groups, settings.least_queries, "questions with cited spans"),
        (users, settings.least_users, "people whose answers cite"),
    ):
        if have < least:
            return f"{have} {what}, a proposal needs {least}"
    return None


def _learn(corpus: _Corpus, spans: Sequence[CitedSpan], borders: Mapping[str, Sequence[int]]) -> BoundaryModel:
    by_document: dict[str, list[CitedSpan]] = defaultdict(list)
    for span in spans:
        by_document[span.document_id].append(span)
    parts = [
        (corpus.found[document], votes(corpus.found[document], mine, borders.get(document, ())))
        for document, mine in sorted(by_document.items())
    ]
    return fit(parts, len(spans), len({span.user_id for span in spans}))


def _cut(
    corpus: _Corpus, model: BoundaryModel, size: float, settings: ChunkingSettings
) -> tuple[float, dict[str, list[int]]]:
    """Cuts of all documents by the model, at the target that gives chunks of today's mean ``size``."""
    names = sorted(corpus.bodies)
    scored = {name: log_odds(corpus.found[name], model.weights) for name in names}
    step = -(-len(names) // settings.calibrated_on)
    sample = [(corpus.found[name], scored[name], len(corpus.bodies[name])) for name in names[::step]]
    target, _ = matched_target(sample, size, settings.size_tolerance / 5)
    return target, {
        name: segmented(corpus.found[name], scored[name], len(corpus.bodies[name]), target) for name in names
    }


def _cross_fitted(
    corpus: _Corpus,
    spans: Sequence[CitedSpan],
    questions: Sequence[Question],
    borders: Mapping[str, Sequence[int]],
    today: Sequence[Span],
    size: float,
    rng: np.random.Generator,
    rank: Rank,
    settings: ChunkingSettings,
) -> tuple[Vector, Vector, list[Question]]:
    """Figures of the questions under today's cuts and under cuts learned without their group, and the questions."""
    groups = sorted({question.group for question in questions})
    fold = dict(zip(groups, rng.permutation(len(groups)) % settings.folds, strict=True))
    group_of = {question.query: question.group for question in questions}
    before, after, tested = [], [], []
    texts = corpus.texts(today)
    for number in range(settings.folds):
        mine = [question for question in questions if fold[question.group] == number]
        others = [span for span in spans if fold[group_of[span.query]] != number]
        try:
            model = _learn(corpus, others, borders)
        except ValueError:
            continue
        _, cuts = _cut(corpus, model, size, settings)
        pieces = pieces_of(corpus.bodies, cuts)
        before.append(measure_cuts(today, texts, mine, rank, settings.top))
        after.append(measure_cuts(pieces, corpus.texts(pieces), mine, rank, settings.top))
        tested.extend(mine)
    nothing = np.zeros((0, len(METRICS)))
    return np.vstack([nothing, *before]), np.vstack([nothing, *after]), tested


def _figures(before: Vector, after: Vector, groups: Sequence[str], rng: np.random.Generator) -> tuple[Figure, ...]:
    if not len(before):
        return ()
    found = []
    for column, name in enumerate(METRICS):
        gain = paired_bootstrap(after[:, column], before[:, column], rng, groups, resamples=5000)
        p_value = sign_flip_p(after[:, column] - before[:, column], groups, rng)
        found.append(Figure(name, float(before[:, column].mean()), float(after[:, column].mean()), gain, p_value))
    return tuple(found)


def _decide(
    figures: Sequence[Figure], size_ratio: float, queries: int, settings: ChunkingSettings
) -> tuple[Literal["apply", "keep"], str]:
    if not figures:
        return "keep", "Kept: no fold of the questions had citations to learn from."
    if abs(size_ratio - 1) > settings.size_tolerance:
        return "keep", f"Kept: learned chunks are {size_ratio:.0%} of today's mean size, which would decide by itself."
    by_name = {figure.name: figure for figure in figures}
    main = by_name[PRIMARY]
    said = (
        f"IoU {main.current:.4f} to {main.proposed:.4f} on {queries} held-out questions at the same mean size "
        f"({main.gain.low:+.4f} to {main.gain.high:+.4f}, p={main.p_value:.3f})"
    )
    if main.gain.estimate <= 0:
        return "keep", f"Kept: no gain, {said}."
    if main.p_value >= settings.significance or main.gain.low <= 0:
        return "keep", f"Kept: the gain may be chance, {said}."
    for figure in figures:
        if figure.gain.estimate < -settings.loss * figure.current and figure.p_value < 0.05:
            return "keep", f"Kept: {said}, but {figure.name} falls by {-figure.gain.estimate:.4f}."
    return "apply", f"Apply: {said}."
