"""Cutting: every word in one span, ids that stay with their text, and who took whose place."""

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.chunking import (
    DEFAULT,
    MOST_ALIKE,
    Passage,
    Span,
    check_parameters,
    cut,
    cut_document,
    succession,
)

TEXTS = st.text(alphabet=st.sampled_from("ab. !?\n\t\u3002\u00e9\U0001f600"), max_size=400)
TARGETS = st.integers(50, 300)


def sentences(target: int) -> dict[str, object]:
    return {"kind": "sentences", "target": target}


@given(TEXTS, TARGETS)
def test_spans_are_in_order_and_leave_out_nothing_but_space(text: str, target: int) -> None:
    spans = cut(text, sentences(target))
    assert spans
    edges = [0, *(edge for span in spans for edge in (span.starts, span.ends)), len(text)]
    assert edges == sorted(edges)
    between = [text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    assert all(not part.strip() for part in between)
    assert all(span.ends - span.starts <= target for span in spans) or not text.strip()


def test_whole_is_one_span_and_sentences_stay_whole_where_they_fit() -> None:
    text = "One is short. Two is a little longer than one! Three?\n\nFour begins anew. " * 3
    assert cut(text, {"kind": "whole"}) == (Span(0, len(text)),)
    parts = [text[span.starts : span.ends] for span in cut(text, sentences(60))]
    assert all(re.fullmatch(r"[A-Z].*[.!?]", part, re.DOTALL) for part in parts)
    assert max(len(part) for part in parts) <= 60 < min(len(" ".join(pair)) for pair in itertools.pairwise(parts))


@given(TEXTS, TARGETS)
def test_the_same_text_has_the_same_ids_and_all_are_different(text: str, target: int) -> None:
    chunks = cut_document("d", "t", text, "k", sentences(target))
    assert chunks == cut_document("d", "t", text, "k", sentences(target))
    assert len({chunk.chunk_id for chunk in chunks}) == len(chunks)
    assert all(len(chunk.chunk_id) <= 200 and chunk.chunk_id.startswith("d#") for chunk in chunks)
    assert all(chunk.text == "t\n" + text[chunk.span.starts : chunk.span.ends] for chunk in chunks)


def test_an_id_is_of_document_chunking_and_text_and_not_of_the_place() -> None:
    def ids(document: str, body: str, chunking: str = "k") -> list[str]:
        return [chunk.chunk_id for chunk in cut_document(document, "t", body, chunking, sentences(50))]

    first, second = "The first sentence is about trams and buses.", "The second sentence is about boats and rafts."
    assert ids("d", f"{first} {second}") == ids("d", f"{second} {first}")[::-1]
    assert ids("d", f"{first} {first}")[0] == ids("d", first)[0]
    apart = {*ids("d", first), *ids("e", first), *ids("d", first, "other"), *ids("d", second)}
    assert len(apart) == 4
    long = "x" * 200
    assert len(ids(long, first)[0]) == 200
    assert ids(long, first) != ids("x" * 199 + "y", first)


def test_cut_from_the_same_text_overlap_is_counted_in_characters() -> None:
    text = "Trams are paid back. Taxis are paid back at night. Boats are never paid back."
    old = [Passage("o", Span(0, 50), text[:50])]
    new = [Passage("a", Span(0, 20), text[:20]), Passage("b", Span(21, 77), text[21:77])]
    found = {each.successor: each for each in succession(old, new, same_version=True)}
    assert (found["a"].overlap, found["b"].overlap) == (0.4, 0.58)


def test_a_changed_text_has_a_successor_and_a_new_one_has_none() -> None:
    words = " ".join(f"word{n}" for n in range(40))
    old = [Passage("o", Span(0, 9), words), Passage("stays", Span(9, 20), "other words that stay as they are")]
    new = [
        Passage("near", Span(0, 9), words + " more"),
        Passage("far", Span(9, 30), "nothing of this was there before"),
        Passage("stays", Span(30, 41), "other words that stay as they are"),
    ]
    (found,) = succession(old, new, same_version=False)
    assert (found.chunk_id, found.successor, found.overlap) == ("o", "near", 1.0)
    assert found.jaccard == pytest.approx(38 / 39)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "kind=None"),
        ({"kind": "pages"}, "'pages'"),
        ({"kind": "sentences"}, "'target'"),
        ({"kind": "sentences", "target": 10}, "target=10"),
        ({"kind": "sentences", "target": True}, "target=True"),
        ({"kind": "whole", "target": 100}, "'target'"),
        ({"kind": "learned", "target": 100}, "'weights'"),
    ],
)
def test_parameters_that_say_no_way_of_cutting_are_refused(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        check_parameters(parameters)


def test_the_default_is_a_way_of_cutting() -> None:
    assert cut("", DEFAULT) == (Span(0, 0),)


@pytest.mark.parametrize("text", ["." * 100_000, "?" * 50_000 + '"' * 50_000, ".x" * 50_000, ("\n" + " " * 5000) * 20])
def test_marks_without_end_are_read_once(text: str) -> None:
    """Of 40,000 dots every one was tried with all behind it: 50 s."""
    began = time.process_time()
    assert cut(text, DEFAULT)
    assert time.process_time() - began < 5


def test_where_all_passages_are_alike_each_has_its_own_successor() -> None:
    """Every one had every other: 445,000 rows and half a minute for half a megabyte that says one thing."""
    text = "Nothing to report from this machine today. " * 1000
    old, new = (
        [
            Passage(c.chunk_id, c.span, c.text[len(title) + 1 :])
            for c in cut_document("d", title, text, "k", sentences(60))
        ]
        for title in ("before", "now")
    )
    assert len(old) == 1000
    found = succession(old, new, same_version=False)
    assert [(each.chunk_id, each.successor) for each in found] == [
        (a.chunk_id, b.chunk_id) for a, b in zip(old, new, strict=True)
    ]
    changed = [Passage(f"n{at}", each.span, each.text.replace("today", "now")) for at, each in enumerate(new)]
    assert len(succession(old, changed, same_version=False)) <= MOST_ALIKE * len(old)
    halves = [Passage(f"h{at}", Span(old[at].span.starts, old[at + 1].span.ends), "both") for at in range(0, 1000, 2)]
    assert [each.successor for each in succession(old, halves, same_version=True)] == [
        f"h{at - at % 2}" for at in range(1000)
    ]
