"""Edits told apart by kind, and counted."""

from datetime import UTC, datetime, timedelta

import pytest
from dataset_builders import run, vote
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import BehaviorLearner, Change, Correction, changes, corrections_of

AT = datetime(2026, 3, 1, tzinfo=UTC)


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
        ('{"account": "6100"}', '{"account": "6200"}', [("wrong_value", "$.account")]),
        ('{"account": "6100"}', '{"account": 6100}', [("format", "$.account")]),
        ('{"a": 1}', '{"a": 1, "tax": 19}', [("missing", "$.tax")]),
        ('{"a": 1, "b": {"c": 2}}', '{"a": 1, "b": {}}', [("hallucination", "$.b.c")]),
        (
            '{"items": [{"x": 1}, {"x": 2}]}',
            '{"items": [{"x": 9}]}',
            [("hallucination", "$.items[]"), ("wrong_value", "$.items[].x")],
        ),
        ('```json\n{"a": 1}\n```', '{"a": 1}', [("format", "layout")]),
        ("account 6100", '{"account": "6100"}', [("format", "JSON")]),
        ("Dear sir, 42 it is", "Dear sir, 43 it is, please", [("tone", "∅ → please"), ("wrong_value", "42 → 43")]),
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
    assert changes(same + "x", same + "y") == (Change("wrong_value", "beyond the words compared"),)


def test_corrections_are_those_that_change_something() -> None:
    rows = [
        vote(2, "1", "ann", correction="6200"),
        vote(1, "1", "bob", correction="6100 "),
        vote(3, "9", "cy", correction="x"),
    ]
    assert [(c.before, c.after, c.source) for c in corrections_of([run("1")], rows)] == [("6100", "6200", 2)]


def correction(i: int, before: str, after: str, person: str = "ann", agent: str = "coder") -> Correction:
    return Correction(agent, str(i), before, after, person, AT + timedelta(days=i), i)


def test_patterns_count_show_and_date_what_people_change() -> None:
    said = [correction(i, "6100", "6200", "ann" if i % 2 else "bob") for i in range(5)]
    said += [correction(5, "6100", "6300"), correction(6, "x", "Sorry x"), correction(0, "a", "b", agent="other")]
    found = BehaviorLearner().analyze_correction_patterns(reversed(said))
    assert [(p.agent, p.kind, p.detail, p.count, p.share.n) for p in found] == [
        ("coder", "wrong_value", "", 6, 7),
        ("coder", "wrong_value", "6100 → 6200", 5, 7),
        ("coder", "tone", "", 1, 7),
        ("other", "wrong_value", "", 1, 1),
    ]
    pattern = found[1]
    assert pattern.people == 2
    assert [c.source for c in pattern.examples] == [0, 1, 2]
    assert (pattern.first_seen, pattern.last_seen) == (AT, AT + timedelta(days=4))
    assert pattern.share.low < 5 / 7 < pattern.share.high
