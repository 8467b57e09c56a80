"""Which language a text is in."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.curation.screens import language_accuracy
from benchmarks.curation.sentences import SENTENCES
from glow_pipelines.learning.datasets import language_of
from glow_pipelines.learning.datasets.language import LANGUAGES


def test_sentences_are_told_and_hardly_ever_mistaken() -> None:
    whole = language_accuracy()
    assert whole["texts"] > 200
    assert whole["right"] >= 0.9
    assert whole["wrong"] <= 0.01


def test_short_texts_are_unsure_rather_than_wrong() -> None:
    short = language_accuracy(most_words=3)
    assert short["right"] >= 0.65
    assert short["wrong"] <= 0.03


def test_there_are_sentences_of_every_language() -> None:
    assert set(SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize("text", ["", "6100", "!?", "https://example.com/a", "a@b.de", "\u200b"])
def test_without_words_there_is_no_language(text: str) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("text", ["travel", "Taxi", "OK", "ᚠᚢᚦ ᚨᚱᚲ"])
def test_unsure_says_so(text: str) -> None:
    assert language_of(text) == "und"


@given(st.text())
def test_every_text_has_an_answer(text: str) -> None:
    assert language_of(text) in {*LANGUAGES, "und", None}


@pytest.mark.parametrize("text", ["the " * 100_000, "'" * 100_000, "<a" * 50_000, "ä" * 100_000, "\u4e00a" * 50_000])
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    language_of(text)
    assert time.process_time() - start < 0.5
