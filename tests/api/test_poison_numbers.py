"""Poison in numbers and instants: each is kept or refused by name."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.api.calling import (
    AGENT,
    Arguments,
    Refused,
    attempt,
    batch,
    execution,
    feedback,
    one,
)
from tests.api.poisoning import FORMS, NOUNS, Way, Written, assert_refused, is_refused, send_among_good

NUMBERS: dict[str, list[tuple[str, str]]] = {
    "feedback": [
        (field, value)
        for field in ("thumbs", "rating")
        for value in (
            "0",
            "6",
            "-6",
            "1.5",
            "1.0",
            "2147483648",
            "-2147483649",
            "1e400",
            "1e-400",
            "99999999999999999999",
            '"5"',
            '"NaN"',
            '"Infinity"',
            '"-Infinity"',
            "true",
            "[5]",
            '""',
            "-0.0",
        )
    ],
    "execution": [
        (field, value)
        for field in ("latency_ms", "prompt_tokens", "completion_tokens", "cost_usd")
        for value in (
            "-1",
            "2147483648",
            "1e400",
            "-1e-400",
            "1e-400",
            "1.5",
            '"NaN"',
            '"Infinity"',
            "true",
            "[]",
            '"1"',
            "99999.999999999",
            "99999",
            "1000000000",
            "0.000000001",
            "-0.0",
        )
    ],
    "retrieval": [
        (f"hits.{field}", value)
        for field in ("rank", "score", "score_dense", "score_lexical", "propensity", "explicit")
        for value in (
            "0",
            "-1",
            "1.0",
            "1.5",
            "1001",
            "1e400",
            "-1e400",
            "1e-400",
            "1e300",
            "1e308",
            "1e-9",
            "1e-10",
            "32768",
            '"1"',
            '"NaN"',
            '"Infinity"',
            "true",
            "null",
            "[]",
            "99999999999999999999",
        )
    ],
    "annotation": [
        ("dimensions.accuracy", value) for value in ("1e400", "1e6", "1e-400", '"NaN"', "true", "[]", "-1e6", "1.5")
    ],
}
NUMBERS["feedback"] += [
    ("dimensions.accuracy", value)
    for value in ("0", "6", "0.999999", "5.0000001", "1e400", "1e-400", '"5"', "null", "true", "[]", "4.5")
]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("form", ["batch", "import"])
def test_a_number_is_kept_or_refused_by_name(
    writer: psycopg.Connection, numbers: Iterator[int], kind: str, form: str
) -> None:
    """As JSON text, because Python cannot say some of them."""
    noun, broken = NOUNS[kind], []
    for field, value in NUMBERS[kind]:
        good, first, last = ({**noun.good(next(numbers))} for _ in range(3))
        name, _, inner = field.partition(".")
        if name == "hits":
            hit = json.dumps({"rank": 2, "chunk_id": "c"})[:-1] + f', "{inner}": {value}' + "}"
            given = json.dumps({**good, "hits": "@"}).replace('"@"', f"[{hit}]")
        elif inner:
            given = json.dumps({**good, name: "@"}).replace('"@"', f'{{"{inner}": {value}}}')
        else:
            given = json.dumps({**good, name: "@"}).replace('"@"', value)
        if form == "batch":
            answers = batch(writer, f"{noun.single}_batch", f"[{json.dumps(first)}, {given}, {json.dumps(last)}]")
        else:
            answers = Way(writer, noun, form).send(first, Written(given), last)
        if isinstance(answers, Refused):
            broken.append(f"{field} = {value}: the whole call: {answers.code} {answers.message}")
        elif is_refused(answers[1]) and (
            answers[1]["code"] not in ("PT422", "PT413") or name not in answers[1]["field"]
        ):
            broken.append(f"{field} = {value}: {answers[1]}")
        elif [answers[0]["status"], answers[2]["status"]] != ["accepted", "accepted"]:
            broken.append(f"{field} = {value}: the rows beside it: {answers}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cost_usd", "NaN"),
        ("cost_usd", "Infinity"),
        ("cost_usd", "-Infinity"),
        ("cost_usd", "1e400"),
        ("cost_usd", "-1e-400"),
        ("cost_usd", "99999.5"),
        ("latency_ms", -1),
        ("prompt_tokens", -1),
        ("completion_tokens", -2147483648),
        ("metadata", "null"),
        ("metadata", "[]"),
        ("metadata", "7"),
        ("metadata", '"x"'),
        ("metadata", '{"x": ' + "[" * 33 + "]" * 33 + "}"),
        ("metadata", '{"x": "' + "y" * 100_000 + '"}'),
    ],
)
def test_a_single_execution_refuses_by_name(
    writer: psycopg.Connection, numbers: Iterator[int], field: str, value: Any
) -> None:
    assert_refused(attempt(writer, "log_execution", **{**execution(next(numbers)), field: value}), field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thumbs", 0),
        ("thumbs", 2),
        ("thumbs", -2147483648),
        ("rating", 0),
        ("rating", 6),
        ("rating", 2147483647),
        ("dimensions", "[]"),
        ("dimensions", "null"),
        ("dimensions", '{"accuracy": 6}'),
        ("dimensions", '{"beauty": 3}'),
        ("dimensions", '{"accuracy": null}'),
        ("dimensions", '{"": 3}'),
        ("issues", [""]),
        ("issues", [None]),
        ("issues", ["x" * 81]),
        ("issues", ["a\nb"]),
        ("issues", ["x"] * 21),
        ("issues", [["a", "b"], ["c", "d"]]),
    ],
)
def test_a_single_vote_refuses_by_name(
    writer: psycopg.Connection, numbers: Iterator[int], field: str, value: Any
) -> None:
    """A list of lists is a text[] too: readers that expect texts break on it long after."""
    assert_refused(attempt(writer, "submit_feedback", **{**feedback(next(numbers)), field: value}), field)


@pytest.mark.parametrize("issue", ["never heard of", "👎", "=1+1", "<b>", "'; --", "x" * 80, "Wrong_Answer"])
def test_a_category_that_nobody_knows_is_kept(writer: psycopg.Connection, numbers: Iterator[int], issue: str) -> None:
    n = next(numbers)
    assert attempt(writer, "submit_feedback", **{**feedback(n), "issues": [issue]})["status"] == "accepted"
    assert one(writer, "select issues from glow.agent_feedback where execution_id = %s", f"e-{n}") == [issue]


@pytest.mark.parametrize("form", ["single", "batch", "import"])
def test_feedback_that_says_nothing_is_refused(writer: psycopg.Connection, numbers: Iterator[int], form: str) -> None:
    way = Way(writer, NOUNS["feedback"], form)
    bare = {"agent": AGENT, "execution_id": "silent", "user_id": "u"}
    silences: tuple[Arguments, ...] = ({}, {"issues": []}, {"thumbs": None, "comment": None}, {"channel": "web"})
    for nothing in silences:
        assert_refused(send_among_good(way, numbers, {**bare, **nothing}))
    if form != "single":
        assert_refused(send_among_good(way, numbers, {**bare, "withdrawn": False}))
        assert_refused(send_among_good(way, numbers, {**bare, "withdrawn": None}))
        assert_refused(send_among_good(way, numbers, {**bare, "withdrawn": True, "thumbs": 1}), "withdrawn")
        assert_refused(send_among_good(way, numbers, {**bare, "thumbs": 1, "kind": "rant"}), "kind")


# --- instants ---

INSTANTS = [
    "infinity",
    "-infinity",
    "0001-01-01T00:00:00Z",
    "4713-01-01 00:00:00+00 BC",
    "1970-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2000-01-01T00:00:00Z",
    "2038-01-19T03:14:08Z",
    "9999-12-31T23:59:59Z",
    "200000-01-01 00:00:00+00",
    "294276-12-31 23:59:59+00",
    "2026-02-29T00:00:00Z",
    "2026-13-01",
    "2026-06-30T23:59:60Z",
    "2026-11-22T14:00:00+15:59",
    "2026-11-22T14:00:00+99:00",
    "now",
    "epoch",
    "",
    " ",
    "yesterday",
    "x",
    "1e400",
    "2026-11-22",
    "20261122T140000Z",
    "2026-W47",
    "２０２６-11-22",
    "300000-01-01",
    "-1",
]
INSTANT_OF = {"execution": "started_at", "feedback": "occurred_at", "retrieval": "occurred_at"}


@pytest.mark.parametrize("kind", INSTANT_OF)
@pytest.mark.parametrize("form", FORMS)
def test_every_instant_is_placed_between_2000_and_now_or_refused(
    writer: psycopg.Connection, numbers: Iterator[int], kind: str, form: str
) -> None:
    way, field, broken = Way(writer, NOUNS[kind], form), INSTANT_OF[kind], []
    for instant in INSTANTS:
        for sent_at in (
            None,
            "2026-11-22T14:00:00Z",
            instant,
            "infinity",
            "-infinity",
            "200000-01-01 00:00:00+00",
            "4713-01-01 00:00:00+00 BC",
            "294276-12-31 23:59:59+00",
        ):
            row = {**way.noun.good(next(numbers)), field: instant, "sent_at": sent_at}
            first, last = way.noun.good(next(numbers)), way.noun.good(next(numbers))
            answers = way.send(first, row, last)
            what = f"{field} = {instant!r}, sent_at = {sent_at!r}"
            if isinstance(answers, Refused):
                broken.append(f"{what}: the whole call: {answers.code} {answers.message}")
                continue
            answer = answers[1]
            if is_refused(answer):
                code = answer.code if isinstance(answer, Refused) else answer["code"]
                message = answer.message if isinstance(answer, Refused) else answer["message"]
                typed = (
                    form == "single"
                    and code in ("22007", "22008", "22009")
                    and (
                        "syntax" in message
                        or "field value" in message
                        or 'out of range: "' in message
                        or "displacement" in message
                    )
                )
                if code != "PT422" and not typed:
                    broken.append(f"{what}: {code} {message}")
                continue
            place = f"select {field} between '2000-01-01' and now() + interval '1 minute' from glow.{way.noun.table} where {way.noun.key} = %s"
            if one(writer, place, row[way.noun.key]) is not True:
                broken.append(f"{what}: kept, but outside of what can be")
    assert not broken, f"{len(broken)}:\n" + "\n".join(broken[:12])
