"""Proposals to cut anew: applied where held-out questions gain, kept where they do not.

Belongs here: verdicts on worlds with a known truth, suggestions, figures of spans. Does not: the cuts themselves
(test_segmentation).
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.retrieving.manuals import Manuals, write_manuals
from glow_pipelines.learning.retrieval.boundaries import candidates
from glow_pipelines.learning.retrieval.chunk_advice import npmi, suggestions
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.rechunking import ChunkingProposal, ChunkingSettings, optimize_chunking
from glow_pipelines.learning.retrieval.segmentation import boundaries
from glow_pipelines.learning.retrieval.span_metrics import Span, figures, pieces_of


@pytest.fixture(scope="module")
def manuals() -> Manuals:
    return write_manuals(2)


def _packed(text: str, target: int) -> list[int]:
    """Whole sentences up to a size: what a plain chunker does."""
    cuts, begun, last = [], 0, 0
    for at in (int(position) for position in candidates(text).positions):
        if at - begun > target and last > begun:
            cuts.append(last)
            begun = last
        last = at
    return cuts


def _chunks(manuals: Manuals, target: int = 400) -> dict[str, Span]:
    bodies = {document.id: document.body for document in manuals.documents}
    pieces = pieces_of(bodies, {name: _packed(body, target) for name, body in bodies.items()})
    return {f"c{number}": piece for number, piece in enumerate(pieces)}


def _proposal(manuals: Manuals, spans: tuple[CitedSpan, ...] | None = None, seed: int = 1) -> ChunkingProposal:
    rng = np.random.default_rng(seed)
    spans = manuals.spans if spans is None else spans
    return optimize_chunking(manuals.documents, _chunks(manuals), spans, {}, rng, censored=False)


def test_learned_boundaries_gain_at_the_same_mean_size(manuals: Manuals) -> None:
    proposal = _proposal(manuals)
    gain = {figure.name: figure.gain.estimate / figure.current for figure in proposal.figures}
    assert proposal.verdict == "apply", proposal.reason
    assert proposal.proposed_size == pytest.approx(proposal.current_size, rel=0.05)
    assert gain["iou"] > 0.05
    assert gain["recall"] > 0.02
    assert gain["contained"] > 0.1
    assert gain["ndcg"] > 0.02
    assert proposal.parameters is not None
    assert proposal.target is not None
    assert json.loads(json.dumps(proposal.to_json()))["weights"] == proposal.weights
    # Cut by what is stored, the text falls apart where its topics change, more often than today.
    today = {start for _, start, _ in _chunks(manuals).values()}
    hits = [0, 0]
    for document in manuals.documents:
        topics = set(manuals.topics[document.id])
        learned = boundaries(document.body, proposal.parameters["weights"], proposal.parameters["target"])
        hits[0] += len(topics & set(learned))
        hits[1] += len(topics & today)
    assert hits[0] > 1.3 * hits[1]


def test_the_same_evidence_gives_the_same_proposal(manuals: Manuals) -> None:
    assert _proposal(manuals) == _proposal(replace(manuals, spans=manuals.spans[::-1]))


@pytest.mark.parametrize("seed", range(4))
def test_citations_at_random_places_propose_nothing(manuals: Manuals, seed: int) -> None:
    rng = np.random.default_rng(seed)
    length = {document.id: len(document.body) for document in manuals.documents}
    spans = []
    for span in manuals.spans:
        start = int(rng.integers(0, length[span.document_id] - 120))
        spans.append(replace(span, starts=start, ends=start + int(rng.integers(30, 120))))
    assert _proposal(manuals, tuple(spans), seed).verdict == "keep"


def test_too_little_evidence_is_said(manuals: Manuals) -> None:
    few = _proposal(manuals, manuals.spans[:10])
    one = _proposal(manuals, tuple(replace(span, user_id="loud") for span in manuals.spans))
    assert (few.verdict, few.weights, "needs 30" in few.reason) == ("keep", None, True)
    assert (one.verdict, one.weights, "needs 3" in one.reason) == ("keep", None, True)


def test_a_document_that_changed_is_left_out(manuals: Manuals) -> None:
    gone = [replace(span, document_id="gone") for span in manuals.spans[:50]]
    beyond = [replace(span, starts=9_000_000, ends=9_000_001) for span in manuals.spans[:50]]
    proposal = _proposal(manuals, (*manuals.spans[50:], *gone, *beyond))
    assert proposal.spans == len(manuals.spans) - 50


def test_a_higher_bar_keeps(manuals: Manuals) -> None:
    rng = np.random.default_rng(1)
    strict = ChunkingSettings(significance=1e-9)
    proposal = optimize_chunking(
        manuals.documents, _chunks(manuals), manuals.spans, {}, rng, settings=strict, censored=False
    )
    assert proposal.verdict == "keep"
    assert "chance" in proposal.reason


LONG = "The badge opens the gate. " + "Nobody ever asks about this sentence here. " * 12
NEXT = "The meter is read in May. Its figures are sent in June."


def _spans(places: list[tuple[int, int]], users: int = 4) -> list[CitedSpan]:
    return [CitedSpan("d", a, b, f"q{n}", f"u{n % users}", f"e{n}") for n, (a, b) in enumerate(places)]


def test_a_chunk_cited_in_one_corner_is_to_be_split() -> None:
    chunks = {"a": ("d", 0, len(LONG))}
    (split,) = suggestions({"d": LONG}, chunks, _spans([(0, 25)] * 12), [], None)
    assert (split.kind, split.at, split.chunk_ids, split.learned) == ("split", (26,), ("a",), False)
    assert split.evidence["citations"] == 12
    assert len(split.source_ids) == 12
    assert suggestions({"d": LONG}, chunks, _spans([(0, 25)] * 12, users=1), [], None) == []
    assert suggestions({"d": LONG}, chunks, _spans([(0, 25)] * 9), [], None) == []


def test_neighbours_cited_together_are_to_be_merged() -> None:
    chunks = {"a": ("d", 0, 26), "b": ("d", 26, len(NEXT)), "c": ("x", 0, 5)}
    together = [frozenset({"a", "b"})] * 6 + [frozenset({"c"})] * 30
    (merge,) = suggestions({"d": NEXT, "x": "Other"}, chunks, [], together, {"d": []})
    assert (merge.kind, merge.chunk_ids, merge.at, merge.learned) == ("merge", ("a", "b"), (26,), True)
    popular = [frozenset({"a", "b"})] * 6 + [frozenset({"a"})] * 30
    assert suggestions({"d": NEXT, "x": "Other"}, chunks, [], popular, None) == []


def test_a_border_that_citations_cross_is_to_be_moved() -> None:
    text = NEXT + " " + LONG
    border = text.index("Its figures")
    chunks = {"a": ("d", 0, border), "b": ("d", border, len(text))}
    (move,) = suggestions({"d": text}, chunks, _spans([(4, border + 20)] * 6), [], None)
    assert move.kind == "move"
    assert text[move.at[0] :].startswith("The badge")


def test_npmi_is_one_for_what_only_comes_together() -> None:
    assert npmi(5, 5, 5, 100) == pytest.approx(1)
    assert npmi(25, 50, 50, 100) == pytest.approx(0)
    assert npmi(0, 5, 5, 100) == -1


def test_span_figures_by_hand() -> None:
    # 40 cited characters; the first chunk brings 10 of them, the second the other 30, the third repeats the second.
    recall, precision, iou, contained, ndcg = figures([("d", 10, 50)], [("d", 0, 20), ("d", 20, 80), ("d", 20, 80)])
    assert recall == 1
    assert precision == pytest.approx(40 / 140)
    assert iou == pytest.approx(40 / 140)
    assert contained == 0
    assert ndcg == pytest.approx(0.25 + 0.75 / np.log2(3))
    assert figures([("d", 10, 50)], [("e", 0, 99), ("d", 0, 60)])[:4] == pytest.approx((1, 40 / 159, 40 / 159, 1))
    assert figures([("d", 10, 50)], []) == (0, 0, 0, 0, 0)


ranges = st.lists(st.tuples(st.sampled_from("de"), st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=6)


@given(ranges, ranges)
def test_span_figures_equal_counting_characters(cited: list[Span], found: list[Span]) -> None:
    spans = [(name, a, a + n) for name, a, n in cited]
    pieces = [(name, a, a + n) for name, a, n in found]
    wanted = {(name, at) for name, a, b in spans for at in range(a, b)}
    got = {(name, at) for name, a, b in pieces for at in range(a, b)}
    size = sum(b - a for _, a, b in pieces)
    shared = len(wanted & got)
    recall, precision, iou, contained, ndcg = figures(spans, pieces)
    assert recall == pytest.approx(shared / len(wanted))
    assert precision == pytest.approx(shared / size)
    assert iou == pytest.approx(shared / (len(wanted) + size - shared))
    assert 0 <= ndcg <= recall + 1e-12
    assert contained <= (recall == pytest.approx(1))
