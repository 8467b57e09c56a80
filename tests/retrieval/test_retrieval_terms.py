"""Words of texts in SQL and in Python: the same."""

import sys

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.text import SMALL, terms

# PostgreSQL has no NUL in texts; a character that one side's Unicode does not know yet may decompose on the other.
LETTERS = st.characters(exclude_categories=("Cs", "Cn"), exclude_characters="\0")
ENDINGS = st.sampled_from(["", "s", "ies", "sses", "us", "ing", "ed", "ly", "lled", "ssing", "e", "es", "ees", "inge"])
WORDS = st.builds(str.__add__, st.text("abcdeilsty", max_size=6), ENDINGS)
TEXTS = st.one_of(
    st.text(LETTERS, max_size=40),
    st.lists(st.one_of(WORDS, st.text(LETTERS, max_size=8)), max_size=12).map(" ".join),
    st.text("aÄäßẞΣςσİıǅﬁ²Ⅳ—“”’_-.\u0301\u200b\U0001f44d中", max_size=30),
)


def in_sql(connection: psycopg.Connection, texts: list[str]) -> list[list[str]]:
    found = connection.execute(
        "select glow.terms(t) from unnest(%s::text[]) with ordinality u(t, n) order by n", (texts,)
    ).fetchall()
    return [row[0] for row in found]


@given(texts=st.lists(TEXTS, min_size=1, max_size=40))
@example(
    texts=["The companies' taxes — naïve ÉCOLE ﬁnancing, £5.50 (tax-free)", "", " ", "x" * 70, "abcd" * 16 + "ing"]
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_has_the_same_words(connection: psycopg.Connection, texts: list[str]) -> None:
    assert in_sql(connection, texts) == [terms(text) for text in texts]


def test_every_character_alone_and_within_a_word(connection: psycopg.Connection) -> None:
    plane = [c for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000 and (c := chr(code)).isprintable()]
    texts = [f"a{c}b {c}" for c in plane]
    assert in_sql(connection, texts) == [terms(text) for text in texts]


@pytest.mark.parametrize(
    "word", ["a" * 64 + "s", "a" * 63 + "s" + "t", "x" * 100_000, "é" * 65, "ab" * 31 + "ed" + "zz"]
)
def test_a_word_without_end_counts_by_its_beginning(connection: psycopg.Connection, word: str) -> None:
    assert in_sql(connection, [word]) == [terms(word)]
    assert len(terms(word)[0]) <= 64


def test_capitals_have_one_small_form_each() -> None:
    assert len(SMALL) > 400
    assert not SMALL.keys() & set(SMALL.values())
    assert sys.maxunicode > max(SMALL)
