"""Deep JSON, bad hits, ids used twice: refused in the row, never above it."""

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from glow_pipelines.store import Store
from tests.api.calling import (
    Refused,
    annotation,
    attempt,
    batch,
    execution,
    one,
    retrieval,
)
from tests.api.poisoning import MEGABYTE, NOUNS, Way, assert_refused, is_refused, send_among_good
from tests.api.test_poison_texts import HOSTILE


def deep(levels: int, around: str = "[]") -> str:
    return around[0] * levels + around[1] * levels if around == "[]" else '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("levels", [33, 1000, 5000])
@pytest.mark.parametrize("around", ["[]", "{}"])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("execution", "metadata"),
        ("feedback", "dimensions"),
        ("annotation", "dimensions"),
        ("retrieval", "hits"),
        ("feedback", "comment"),
        ("feedback", "unknown"),
        ("demonstration", "input"),
    ],
)
def test_deep_json_is_refused_and_stops_no_other_row(
    writer: psycopg.Connection, numbers: Iterator[int], kind: str, field: str, around: str, levels: int
) -> None:
    noun = NOUNS[kind]
    value = deep(levels, around)
    value = f"[{value}]" if field == "hits" else f'{{"accuracy": {value}}}'
    rows = [json.dumps(noun.good(next(numbers))) for _ in range(3)]
    good = {**noun.good(next(numbers)), field: "@"}
    rows[1] = json.dumps(good).replace('"@"', value)
    answers = batch(writer, f"{noun.single}_batch", f"[{', '.join(rows)}]")
    assert not isinstance(answers, Refused), answers
    assert [answers[0]["status"], answers[2]["status"]] == ["accepted", "accepted"]
    assert_refused(answers[1], field)


def test_metadata_is_nested_32_deep_at_most(writer: psycopg.Connection, numbers: Iterator[int]) -> None:
    for levels, accepted in ((31, True), (32, None), (34, False)):
        answer = attempt(writer, "log_execution", **{**execution(next(numbers)), "metadata": deep(levels, "{}")})
        assert accepted is None or isinstance(answer, dict) == accepted, (levels, answer)


@pytest.mark.parametrize("field", ["evaluation", "prompt"])
def test_what_an_engineer_registers_can_be_read_again(writer: psycopg.Connection, shared_url: str, field: str) -> None:
    """Every run of the pipeline reads every agent: one that Python cannot read stops them all."""
    inner = {"evaluation": f'{{"x": {deep(3000)}}}', "prompt": f'{{"instruction": "x", "x": {deep(3000)}}}'}[field]
    answer = attempt(writer, "register_agent", agent=f"deep-{field}", **{field: inner})
    store = Store(shared_url)
    try:
        with store.transaction() as t:
            assert "desk" in {agent.name for agent in t.feedback.agents()}
    finally:
        store.close()
        writer.execute("update glow.agents set evaluation = null where agent = %s", (f"deep-{field}",))
    assert_refused(answer, field)


@pytest.mark.parametrize(
    "shares",
    [
        "{0.33333,0.33333,0.33334}",
        "{0.000000001,0.5,0.499999999}",
        "{NaN,0,1}",
        "{Infinity,-Infinity,1}",
        "{1,0}",
        "{}",
        "{{1,0,0}}",
        "{1,0,NULL}",
        "{0,0.5,0.5}",
        "{2,-1,0}",
        "[5:7]={0.8,0.1,0.1}",
        "{1e400,0,0}",
    ],
)
def test_split_shares_are_kept_or_refused(writer: psycopg.Connection, numbers: Iterator[int], shares: str) -> None:
    answer = attempt(writer, "register_agent", agent=f"split-{next(numbers)}-{uuid4().hex[:6]}", split_shares=shares)
    assert_refused(answer, "split_shares")


# --- searches, whose hits have a form of their own ---

HITS: dict[str, str] = {
    "not an object": "[7]",
    "null": "[null]",
    "no rank": '[{"chunk_id": "c"}]',
    "no chunk": '[{"rank": 1}]',
    "two of one rank": '[{"rank": 1, "chunk_id": "a"}, {"rank": 1, "chunk_id": "b"}]',
    "one rank in two forms": '[{"rank": 1, "chunk_id": "a"}, {"rank": 1.0, "chunk_id": "b"}]',
    "one chunk twice": '[{"rank": 1, "chunk_id": "a"}, {"rank": 2, "chunk_id": "a"}]',
    "a flag that is none": '[{"rank": 1, "chunk_id": "a", "clicked": "yes"}]',
    "a flag that is a number": '[{"rank": 1, "chunk_id": "a", "shown": 1}]',
    "a leg nobody knows": '[{"rank": 1, "chunk_id": "a", "leg": "left"}]',
    "a field nobody knows": '[{"rank": 1, "chunk_id": "a", "click": true}]',
    "a long chunk": json.dumps([{"rank": 1, "chunk_id": "x" * 201}]),
    "1001 hits": json.dumps([{"rank": n, "chunk_id": str(n)} for n in range(1, 1002)]),
    "an object": "{}",
}


@pytest.mark.parametrize("hits", HITS)
def test_a_bad_hit_refuses_its_search_alone(writer: psycopg.Connection, numbers: Iterator[int], hits: str) -> None:
    rows = [json.dumps(retrieval(next(numbers))) for _ in range(3)]
    rows[1] = json.dumps({**retrieval(next(numbers)), "hits": "@"}).replace('"@"', HITS[hits])
    answers = batch(writer, "log_retrieval_batch", f"[{', '.join(rows)}]")
    assert not isinstance(answers, Refused), answers
    assert [answers[0]["status"], answers[2]["status"]] == ["accepted", "accepted"]
    assert_refused(answers[1], "hits")


def test_a_search_told_again_in_another_order_is_merged_or_refused(
    writer: psycopg.Connection, numbers: Iterator[int]
) -> None:
    good, first, last = (retrieval(next(numbers)) for _ in range(3))
    told = {**good, "hits": [{"rank": 1, "chunk_id": "a"}, {"rank": 2, "chunk_id": "b"}]}
    assert batch(writer, "log_retrieval_batch", [told])[0]["status"] == "accepted"
    for hits in (
        [{"rank": 1, "chunk_id": "b", "clicked": True}, {"rank": 2, "chunk_id": "a"}],
        [{"rank": 3, "chunk_id": "a", "clicked": True}],
    ):
        answers = batch(writer, "log_retrieval_batch", [first, {**told, "hits": hits}, last])
        assert not isinstance(answers, Refused), answers
        clicked = "select array_agg(chunk_id::text) from glow.retrieval_hits where event_id = %s and clicked"
        found = one(writer, clicked, good["event_id"])
        assert is_refused(answers[1]) or found == [hits[0]["chunk_id"]], f"the click went to {found}: {answers[1]}"
        if is_refused(answers[1]):
            assert_refused(answers[1], "hits")


# --- agents nobody knows, ids used twice: refused in the row, never above it ---


def test_what_another_row_has_already_is_refused_in_its_row(way: Way, numbers: Iterator[int]) -> None:
    good = way.noun.good(next(numbers))
    text = next(iter(way.noun.texts))
    answers = way.send(good, {**good, text: "other contents"}, good, way.noun.good(next(numbers)))
    assert not isinstance(answers, Refused), answers
    assert_refused(answers[1])
    assert not is_refused(answers[0])
    assert not is_refused(answers[2])
    assert not is_refused(answers[3])
    if isinstance(answers[1], dict):
        assert answers[1]["code"] == "PT409"


def test_an_unknown_agent_is_refused_in_its_row(way: Way, numbers: Iterator[int]) -> None:
    if way.noun.kind == "annotation":
        answer = send_among_good(way, numbers, {**annotation(next(numbers)), "execution_id": "nobody's"})
        assert_refused(answer, "execution_id")
        return
    for name in ("nobody", "", " ", "DESK", "desk ", "x" * MEGABYTE, "*", "дesk", None):
        answer = send_among_good(way, numbers, {**way.noun.good(next(numbers)), "agent": name})
        assert_refused(answer, "agent")


def test_an_agent_has_a_name_that_fits_into_a_url(writer: psycopg.Connection) -> None:
    for name in HOSTILE.values():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,62}", name):
            assert_refused(attempt(writer, "register_agent", agent=name), "agent")
