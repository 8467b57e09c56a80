"""What a reviewer may know: nothing that could sway them, and not which items are tests of themselves."""
# ruff: noqa: E501 -- SQL is read best unbroken

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from glow_pipelines.store import Store
from tests.api.calling import Refused, attempt, call, one
from tests.api.logins import Logins

TELLTALE = "TELLTALE"


@pytest.fixture
def agent(admin: psycopg.Connection) -> str:
    name = f"blind-{uuid4().hex[:8]}"
    call(admin, "register_agent", agent=name)
    return name


@pytest.fixture
def make(admin: psycopg.Connection, agent: str) -> Callable[..., str]:
    """An execution that users and experts have said a lot about, in the queue."""

    def make(number: int, reviews: int = 3) -> str:
        name = f"{agent}-{number}"
        call(admin, "log_execution", execution_id=name, agent=agent, input=f"in {number}", output=f"out {number}")
        said = {"agent": agent, "execution_id": name, "issues": [TELLTALE], "comment": TELLTALE, "correction": TELLTALE}
        call(admin, "submit_feedback", **said, user_id="u", thumbs=-1)
        call(admin, "request_review", execution_id=name, reason=TELLTALE, reviews=reviews)
        call(
            admin,
            "submit_annotation",
            execution_id=name,
            reviewer="early",
            verdict="correct",
            output=TELLTALE,
            notes=TELLTALE,
        )
        return name

    return make


def claim(connection: psycopg.Connection, agent: str, n: int = 1, **given: Any) -> list[Any]:
    return connection.execute(
        "select item_id, execution_id, context, output from glow_api.claim_annotation(jsonb_build_object('agent', %s::text), %s, reviewer => %s)",
        (agent, n, given.get("reviewer")),
    ).fetchall()


def test_no_answer_tells_a_blind_reviewer_what_others_said(
    logins: Logins, make: Callable[..., str], agent: str
) -> None:
    names = [make(number) for number in range(3)]
    ann = logins.connect("glow_reviewer", tenant="default", person="ann")
    told: list[Any] = [call(ann, "annotation_queue", filters={"agent": agent})]
    told.append(call(ann, "claim_annotation", filters={"agent": agent}, n=9))
    told.append(call(ann, "annotation_queue", filters={"agent": agent, "state": "adjudicate"}))
    (first, second, third) = (row[0] for row in told[1])
    told.append(call(ann, "extend_lease", item_id=first))
    told.append(call(ann, "skip", item_id=second))
    told.append(call(ann, "decline", item_id=third))
    execution = next(row[3] for row in told[1] if row[0] == first)
    told.append(
        call(ann, "submit_annotation", execution_id=execution, reviewer="ann", verdict="approve", item_id=first)
    )
    told.append(call(ann, "annotation_queue"))
    assert execution in names
    text = json.dumps(told, default=str)
    assert TELLTALE not in text
    assert "early" not in text
    assert not {"low_vote", "correction", "manual", "priority", "gold"} & set(text.replace('"', " ").split())
    assert attempt(ann, "claim_annotation", filters={"agent": agent, "reason": "manual"}).code == "PT403"
    assert attempt(ann, "annotation_queue", filters={"agent": agent, "reason": "manual"}).code == "PT403"
    assert call(ann, "claim_annotation", filters={"reason": "manual"}) == []


def test_where_reviews_are_not_blind_all_of_it_is_told(
    admin: psycopg.Connection, logins: Logins, make: Callable[..., str], agent: str
) -> None:
    make(0)
    call(admin, "set_review_policy", agent=agent, blind=False)
    ann = logins.connect("glow_reviewer", tenant="default", person="ann")
    ((_, _, context, _),) = claim(ann, agent)
    assert context["reasons"] == ["manual"]
    assert context["note"] == TELLTALE
    assert [vote["comment"] for vote in context["votes"]] == [TELLTALE]
    assert [(each["reviewer"], each["verdict"]) for each in context["reviews"]] == [("early", "correct")]


def test_the_disagreement_is_shown_once_all_have_spoken_and_only_to_others(
    admin: psycopg.Connection, logins: Logins, make: Callable[..., str], agent: str
) -> None:
    call(admin, "set_review_policy", agent=agent, reviews=3)
    name = make(0)
    wanted = {"agent": agent, "state": "adjudicate"}
    dan = logins.connect("glow_reviewer", tenant="default", person="dan")
    assert call(dan, "annotation_queue", filters=wanted)["adjudications"] == []
    for reviewer, verdict in (("ann", "approve"), ("bob", "reject")):
        call(admin, "submit_annotation", execution_id=name, reviewer=reviewer, verdict=verdict)
    (shown,) = call(dan, "annotation_queue", filters=wanted)["adjudications"]
    assert {"verdict": "correct", "output": TELLTALE} in shown["answers"]
    assert "ann" not in json.dumps(shown)
    ann = logins.connect("glow_reviewer", tenant="default", person="ann")
    assert call(ann, "annotation_queue", filters=wanted)["adjudications"] == []


def test_a_comparison_is_shown_either_way_round_and_remembered(admin: psycopg.Connection, agent: str) -> None:
    shown = {"output": 0, "alternative": 0}
    for number in range(40):
        name = f"{agent}-{number}"
        call(admin, "log_execution", execution_id=name, agent=agent, input="in", output="output")
        item = call(admin, "request_comparison", execution_id=name, alternative="alternative")["item_id"]
        ((first, second),) = admin.execute(
            "select first, second from glow_api.claim_annotation('{\"kind\": \"comparison\"}', 1, reviewer => 'ann') where item_id = %s",
            (item,),
        ).fetchall()
        assert {first, second} == set(shown)
        shown[first] += 1
        ((again,),) = admin.execute(
            "select x ->> 'first' from jsonb_array_elements(glow_api.annotation_queue(reviewer => 'ann') -> 'held') x where x ->> 'item_id' = %s",
            (str(item),),
        ).fetchall()
        assert again == first
        call(admin, "submit_comparison", item_id=item, preferred="first", reviewer="ann")
        assert one(admin, "select first from glow.comparisons where execution_id = %s", name) == first
    assert min(shown.values()) > 8


def test_gold_comes_to_each_reviewer_once_mixed_in_and_looks_like_the_rest(
    admin: psycopg.Connection, shared_url: str, agent: str
) -> None:
    call(admin, "set_review_policy", agent=agent, gold_share=0.3, reviews=1, control_share=0)
    rows = [
        {"execution_id": f"{agent}-{n}", "agent": agent, "input": f"in {n}", "output": f"out {n}"} for n in range(80)
    ]
    admin.execute("select glow_api.log_execution_batch(%s::jsonb)", (json.dumps(rows),))
    gold = {f"{agent}-{n}" for n in range(10)}
    for name in sorted(gold):
        call(admin, "set_gold", execution_id=name, verdict="correct", output="right")
    for number in range(10, 80):
        call(admin, "request_review", execution_id=f"{agent}-{number}")
    seen: list[str] = []
    keys = set()
    answers = set()
    while batch := claim(admin, agent, 1, reviewer="ann"):
        ((item, name, context, output),) = batch
        seen.append(name)
        keys.add((type(item), context, output.startswith("out")))
        receipt = call(admin, "submit_annotation", execution_id=name, reviewer="ann", verdict="approve", item_id=item)
        answers.add((receipt["status"], *sorted(receipt)))
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"{agent}-{number}" for number in range(10, 80)}
    assert gold & set(seen) == gold  # three in ten of 80 claims are enough for all ten of them
    assert len(keys) == len(answers) == 1
    positions = [position for position, name in enumerate(seen) if name in gold]
    assert positions[-1] - positions[0] > 12, "mixed in, not in a row"
    store = Store(shared_url)
    with store.transaction() as t:
        rows_of = t.annotations.annotations_of_agent(agent)
        reviews = t.annotations.gold_reviews(agent)
    store.close()
    assert {row.execution_id for row in rows_of if row.role == "adjudication"} == gold
    assert not {row.execution_id for row in rows_of if row.role == "review"} & gold
    assert {row.execution_id for row in reviews} == gold
    assert {(row.verdict, row.gold_verdict, row.gold_output) for row in reviews} == {("approve", "correct", "right")}
    bob = {row[1] for _ in range(400) for row in claim(admin, agent, 1, reviewer="bob")}
    assert bob == set(), "where nothing waits there is nothing to hide gold among"


def test_gold_cannot_be_told_by_counting_what_waits(admin: psycopg.Connection, agent: str) -> None:
    call(admin, "set_review_policy", agent=agent, gold_share=0.5, control_share=0, reviews=1)
    rows = [
        {"execution_id": f"{agent}-{n}", "agent": agent, "input": f"in {n}", "output": f"out {n}"} for n in range(120)
    ]
    admin.execute("select glow_api.log_execution_batch(%s::jsonb)", (json.dumps(rows),))
    gold = {f"{agent}-{n}" for n in range(40)}
    for name in sorted(gold):
        call(admin, "set_gold", execution_id=name, verdict="approve")
    for number in range(40, 120):
        call(admin, "request_review", execution_id=f"{agent}-{number}")

    def waiting() -> tuple[int, int]:
        (row,) = call(admin, "annotation_queue", filters={"agent": agent}, reviewer="ann")["waiting"]
        return row["items"], row["skipped"]

    told: dict[tuple[str, bool], set[tuple[int, ...]]] = {}
    acts = ("submit_annotation", "skip", "decline", "release")
    for turn in range(70):
        act = acts[turn % 4]
        before = waiting()
        ((item, name, *_),) = claim(admin, agent, 1, reviewer="ann")
        held = waiting()
        said = {"execution_id": name, "verdict": "approve"} if act == "submit_annotation" else {}
        call(admin, act, item_id=item, reviewer="ann", **said)
        change = (held[0] - before[0], *(b - a for a, b in zip(held, waiting(), strict=True)))
        told.setdefault((act, name in gold), set()).add(change)
    assert len(told) == 8, "each way came with gold and without"
    for act in acts:
        assert told[act, True] == told[act, False], act


def test_gold_cannot_be_told_by_trying_to_decide_it(admin: psycopg.Connection, agent: str) -> None:
    for number in range(2):
        call(admin, "log_execution", execution_id=f"{agent}-{number}", agent=agent, input="in", output="out")
    gold = call(admin, "set_gold", execution_id=f"{agent}-0", verdict="approve")["item_id"]
    plain = call(admin, "request_review", execution_id=f"{agent}-1")["item_id"]
    tries = [attempt(admin, "adjudicate", item_id=item, verdict="reject", reviewer="dan") for item in (gold, plain)]
    assert all(isinstance(each, Refused) and each.code == "PT409" for each in tries)
    assert tries[0].hint == tries[1].hint
    assert (
        one(
            admin,
            "select verdict from glow.expert_annotations where execution_id = %s and role = 'adjudication'",
            f"{agent}-0",
        )
        == "approve"
    )


def test_gold_that_is_skipped_comes_again_as_the_rest_does(admin: psycopg.Connection, agent: str) -> None:
    """After all that was not skipped, longest ago first, and also where nothing else waits: what never came would be it."""
    call(admin, "set_review_policy", agent=agent, gold_share=0.5, control_share=0, reviews=1)
    for number in range(30):
        call(admin, "log_execution", execution_id=f"{agent}-{number}", agent=agent, input="in", output="out")
        if number > 2:
            call(admin, "request_review", execution_id=f"{agent}-{number}")
    gold = [call(admin, "set_gold", execution_id=f"{agent}-{n}", verdict="approve")["item_id"] for n in range(3)]

    def waiting() -> list[tuple[int, int]]:
        rows = call(admin, "annotation_queue", filters={"agent": agent}, reviewer="ann")["waiting"]
        return [(row["items"], row["skipped"]) for row in rows]

    def skip_all(n: int) -> list[tuple[int, str]]:
        came = []
        for _ in range(n):
            ((item, name, *_),) = claim(admin, agent, 1, reviewer="ann")
            call(admin, "skip", item_id=item, reviewer="ann")
            came.append((item, name))
        return came

    first = skip_all(30)
    assert len(set(first)) == 30
    assert {item for item, _ in first} > set(gold)
    assert waiting() == [(30, 30)]
    assert skip_all(30) == first
    ((mine, *_),) = claim(admin, agent, 1, reviewer="ann")
    assert (mine, *first[0]) == (first[0][0], *first[0])
    assert waiting() == [(29, 29)]
    call(admin, "release", item_id=mine, reviewer="ann")
    events = admin.execute("select distinct event from glow.review_events where agent = %s", (agent,)).fetchall()
    assert ("expired",) not in events
    for name in (name for item, name in first if item not in gold):
        call(admin, "submit_annotation", execution_id=name, reviewer="bob", verdict="approve")
    assert waiting() == [(3, 3)]
    last = [item for item, *_ in claim(admin, agent, 5, reviewer="ann")]
    assert sorted(last) == sorted(gold)
    assert waiting() == []
    for item in last:
        name = dict(first)[item]
        call(admin, "submit_annotation", execution_id=name, reviewer="ann", verdict="reject", item_id=item)
    assert (waiting(), claim(admin, agent, 5, reviewer="ann")) == ([], [])


def test_gold_that_was_let_go_or_whose_lease_ran_out_comes_again(admin: psycopg.Connection, agent: str) -> None:
    call(admin, "set_review_policy", agent=agent, gold_share=0.5, control_share=0, reviews=1)
    for number in range(2):
        call(admin, "log_execution", execution_id=f"{agent}-{number}", agent=agent, input="in", output="out")
    call(admin, "request_review", execution_id=f"{agent}-1")
    gold = call(admin, "set_gold", execution_id=f"{agent}-0", verdict="approve")["item_id"]
    came = 0
    for turn in range(60):
        for item, *_ in claim(admin, agent, 1, reviewer="ann"):
            came += item == gold
            if turn % 2:
                call(admin, "release", item_id=item, reviewer="ann")
            else:
                admin.execute(
                    "update glow.review_slots set lease_until = now() - interval '1 s' where reviewer = 'ann'"
                )
    assert 2 < came < 58
