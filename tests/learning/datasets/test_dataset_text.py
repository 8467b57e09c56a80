"""Normalisation keeps what carries meaning and drops what does not; canonical JSON is one line of fixed bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import canonical_json, example_hash, example_id, normalize, text_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Taxi,  to the AIRPORT! ", "taxi to the airport"),
        ("ﬁne Straße", "fine strasse"),
        ("EUR 1.50", "eur 1.50"),
        ("15", "15"),
        ("is it -5 or - 5?", "is it -5 or 5"),
        ("A-5, 19% VAT on 2026-03-01.", "a 5 19% vat on 2026-03-01"),
        ("in\u200bvoice", "invoice"),
        ("की का", "की का"),
    ],
)
def test_normalize(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_texts_of_punctuation_only_stay_apart() -> None:
    assert text_key("?!") != text_key("...")
    assert example_id("a", "?!", "x") != example_id("a", "...", "x")


@given(st.text(), st.text())
def test_identity_is_of_one_agent_and_ignores_outer_space(a: str, b: str) -> None:
    padded = f"  {a}\n"
    assert example_id("agent", padded, b) == example_id("agent", a, b)
    assert example_id("agent", a, b) != example_id("other", a, b)


def test_identity_outlives_rewording_and_the_hash_does_not() -> None:
    assert example_id("a", "Taxi!", "6100.") == example_id("a", "taxi", "6100")
    assert example_hash("Taxi!", "6100") != example_hash("taxi", "6100")
    assert example_id("a", "b c", "") != example_id("a", "b", "c")


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=40)
@given(JSONISH)
def test_canonical_json_is_one_line_and_a_fixed_point(value: object) -> None:
    line = canonical_json(value)
    assert len(line.splitlines()) <= 1
    assert canonical_json(json.loads(line)) == line


def test_canonical_json_of_equal_content_is_equal() -> None:
    assert canonical_json({"b": 1, "a": "e\u0301"}) == canonical_json({"a": "\u00e9", "b": 1}) == '{"a":"é","b":1}'
    assert canonical_json([0.1 + 0.2]) == "[0.3]"
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))
