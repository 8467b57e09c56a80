"""Edits told apart by kind and topic."""

import json
import time

import pytest
from dataset_builders import run, vote
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import Change, changes, corrections_of


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("6100", "6200", [("wrong_value", "6100 → 6200")]),
        ("Travel.", "travel", [("format", "case, spacing or punctuation")]),
        ("The rate is 19 percent", "The rate is 7 percent", [("wrong_value", "19 → 7")]),
        ("The rate is 19 percent", "The rate is 19 percent until June", [("missing", "∅ → until june")]),
        (
            "The rate is 19 percent as decreed by Mars",
            "The rate is 19 percent",
            [("hallucination", "as decreed by mars → ∅")],
        ),
        ("No refund", "Sorry, no refund", [("tone", "∅ → sorry")]),
        ("Book it", "Book it with prior approval", [("policy", "∅ → with prior approval")]),
        (
            '{"account": "6100"}',
            '{"account": "6200"}',
            [("wrong_value", "$.account"), ("wrong_value", "$.account: 6100 → 6200")],
        ),
        ('{"account": "6100"}', '{"account": 6100}', [("format", "$.account")]),
        ('{"a": 1}', '{"a": 1, "tax": 19}', [("missing", "$.tax")]),
        ('{"a": 1, "b": {"c": 2}}', '{"a": 1, "b": {}}', [("hallucination", "$.b.c")]),
        (
            '{"items": [{"x": 1}, {"x": 2}]}',
            '{"items": [{"x": 9}]}',
            [
                ("hallucination", "$.items[]"),
                ("wrong_value", "$.items[].x"),
                ("wrong_value", "$.items[].x: 1 → 9"),
            ],
        ),
        ('```json\n{"a": 1}\n```', '{"a": 1}', [("format", "layout")]),
        ("account 6100", '{"account": "6100"}', [("format", "JSON")]),
        ("Dear sir, 42 it is", "Dear sir, 43 it is, please", [("tone", "∅ → please"), ("wrong_value", "42 → 43")]),
        ("It is due 2026-03-01", "It is due 01.03.2026", [("format", "2026-03-01 → 01.03.2026")]),
        ("It costs 1,234.50 EUR", "It costs 1234.5 EUR", [("format", "1,234.50 → 1234.5")]),
        ("It costs 1,234.50 EUR", "It costs 1235.5 EUR", [("wrong_value", "1,234.50 → 1235.5")]),
        ("You owe 50", "You probably owe 50", [("tone", "∅ → probably")]),
        (
            "The hotel is booked on travel costs by the clerk",
            "Nobody books such things here because taxes would differ then",
            [("rewrite", "less than .3 of the words stay")],
        ),
    ],
)
def test_kinds(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    assert [(change.kind, change.detail) for change in changes(before, after)] == expected


@given(st.text(), st.text())
def test_every_edit_has_a_kind(before: str, after: str) -> None:
    assert changes(before, after)


def test_hostile_length_is_cut() -> None:
    assert changes("a b " * 50_000, "b a " * 50_000)
    assert changes("[" * 100_000, "x")
    same = "word " * 1000
    assert [change.detail for change in changes(same + "x", same + "y")] == ["x → y"]
    assert changes(same * 20 + "x", same * 20 + "y") == (Change("wrong_value", "beyond the words compared"),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a " * 5000, "a b " * 5000),
        ("a b " * 5000, "a c " * 5000),
        ("a a b " * 5000, "c a a " * 5000),
        ("x" * 500_000, "y" * 500_000),
        (json.dumps({str(i): i for i in range(5000)}), json.dumps({str(i): -i for i in range(5000)})),
        ("[" * 5000 + "]" * 5000, "{" * 5000),
    ],
)
def test_no_correction_takes_long(before: str, after: str) -> None:
    start = time.process_time()
    found = changes(before, after)
    assert time.process_time() - start < 0.5
    assert 1 <= len(found) <= 30
    assert all(len(change.detail) < 600 for change in found)


@pytest.mark.parametrize(
    ("before", "after", "about"),
    [
        ("due in March", "due in April", "date"),
        ("due 2026-03-01 then", "due 2026-04-01 then", "date"),
        ("it is 5 kg now", "it is 5 g now", "unit"),
        ("it is 5 EUR now", "it is 5 USD now", "unit"),
        ("it is 19 % now", "it is 7 % now", "number"),
        ("see § 4 of it", "see it", "citation"),
        ("as said [3] there", "as said [4] there", "citation"),
        ("it is so", "it is perhaps so", "hedge"),
        ("No refund", "Sorry, no refund", "manners"),
        ("Book it", "Book it with approval", "rules"),
        ("the hotel", "the motel", ""),
    ],
)
def test_topics(before: str, after: str, about: str) -> None:
    assert {change.about for change in changes(before, after)} == {about}


def test_corrections_are_those_that_change_something() -> None:
    rows = [
        vote(2, "1", "ann", correction="6200"),
        vote(1, "1", "bob", correction="6100 "),
        vote(3, "9", "cy", correction="x"),
    ]
    assert [(c.before, c.after, c.source) for c in corrections_of([run("1")], rows)] == [("6100", "6200", 2)]
