"""Citations: the words of a chunk that stand in the answer, and nothing else.

Belongs here: properties of the alignment on any texts, and its time on hostile ones. Does not: boundaries.
"""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.citations import BRIDGE, CitedSpan, cited_spans, joined

TEXT = "Parcels leave on Monday. You may cancel within 14 days of delivery, free of charge. Call the desk."


def _runs(ours: list[str], theirs: list[str], least: int) -> set[int]:
    """Positions of our words in any common run of at least `least` words, by trying every pair of places."""
    found: set[int] = set()
    for i in range(len(ours)):
        for j in range(len(theirs)):
            n = 0
            while i + n < len(ours) and j + n < len(theirs) and ours[i + n] == theirs[j + n]:
                n += 1
            if n >= least:
                found.update(range(i, i + n))
    return found


def test_a_quoted_sentence_is_cited_whatever_its_case_and_punctuation() -> None:
    answer = "Sure! YOU may cancel: within 14 days of delivery - free of charge."
    ((start, end),) = cited_spans(TEXT, answer)
    assert TEXT[start:end] == "You may cancel within 14 days of delivery, free of charge"


def test_a_changed_word_does_not_cut_a_citation_in_two() -> None:
    ((start, end),) = cited_spans(
        "one two red four five six green eight nine ten", "two red four five X green eight nine ten"
    )
    assert (start, end) == (4, 46)


@pytest.mark.parametrize(
    "answer", ["", "You may cancel.", "it is in the", "Nothing of the sort was ever promised here."]
)
def test_what_only_sounds_alike_is_not_cited(answer: str) -> None:
    assert cited_spans(TEXT + " it is in the", answer) == []


@given(st.permutations(range(14)), st.lists(st.integers(0, 13), max_size=30), st.integers(2, 5))
def test_the_cited_words_are_those_in_common_runs(order: list[int], said: list[int], least: int) -> None:
    ours, theirs = [f"word{n}" for n in order], [f"word{n}" for n in said]
    spans = cited_spans(" ".join(ours), " ".join(theirs), least)
    covered = {at for at in range(len(ours)) for a, b in spans if a < len(" ".join(ours[: at + 1])) <= b}
    runs = _runs(ours, theirs, least)
    assert runs <= covered
    assert all(min(abs(at - other) for other in runs) <= BRIDGE for at in covered)
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(spans))


def test_a_phrase_the_answer_says_once_is_cited_once() -> None:
    sentence = "A lost badge has to be reported within ten days by the owner"
    chunk = f"Parcels are sent within ten days by the desk. {sentence}. Bills are paid within ten days by the bank."
    ((start, end),) = cited_spans(chunk, f"Mind you: {sentence}!")
    assert chunk[start:end] == sentence
    assert (
        len(
            cited_spans(chunk, "within ten days by the bank, within ten days by the desk, within ten days by the owner")
        )
        == 3
    )


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_texts_give_ordered_spans_inside_the_chunk(chunk: str, answer: str) -> None:
    spans = cited_spans(chunk, answer)
    edges = [at for span in spans for at in span]
    assert edges == sorted(edges)
    assert all(0 <= at <= len(chunk) for at in edges)


@pytest.mark.parametrize("hostile", ["a " * 500_000, "ab" * 500_000, ". " * 500_000, "x y " * 250_000])
def test_a_megabyte_of_anything_takes_seconds(hostile: str) -> None:
    begun = time.process_time()
    cited_spans(hostile, hostile)
    assert time.process_time() - begun < 20


def test_spans_that_meet_at_a_border_are_one() -> None:
    spans = [
        CitedSpan("d", a, b, "q", "u", source)
        for a, b, source in ((0, 10, "e"), (11, 20, "e"), (25, 30, "e"), (9, 12, "f"))
    ]
    assert [(s.starts, s.ends, s.source_id) for s in joined(spans)] == [(0, 20, "e"), (25, 30, "e"), (9, 12, "f")]


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ValueError, match="empty or backwards"):
        CitedSpan("d", 5, 5, "q", "u", "e")
