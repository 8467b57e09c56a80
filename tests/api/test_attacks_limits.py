"""Limits of a login: calls a minute, bytes a call, rows a batch.

Belongs here: counting, and ways around it. Does not: what one value may be (`test_poison`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.api.calling import (
    AGENT,
    GOOD,
    Refused,
    annotation,
    attempt,
    batch,
    call,
    demonstration,
    execution,
    feedback,
    one,
    retrieval,
)
from tests.api.logins import Logins

VOTE = {"agent": AGENT, "user_id": "u", "thumbs": 1}


def calls_until_refused(connection: psycopg.Connection, most: int, before: str = "") -> int:
    """How many votes are let in, one call each, before PT429."""
    mark = uuid4().hex
    for number in range(most):
        if before:
            connection.execute(before.encode())
        answer = attempt(connection, "submit_feedback", **VOTE, execution_id=f"{mark}-{number}")
        if isinstance(answer, Refused):
            assert (answer.code, answer.hint.startswith("at most")) == ("PT429", True)
            return number
    return most


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_up_to_200_calls_a_minute_are_counted_exactly(logins: Logins, limit: int) -> None:
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=limit)
    assert calls_until_refused(connection, limit + 5) == limit
    assert attempt(connection, "submit_feedback", **VOTE, execution_id="e").code == "PT429"


def test_a_minute_later_there_is_room_again(logins: Logins) -> None:
    name, url = logins.make("glow_app")
    logins.bind(name, tenant="default", calls_per_minute=3)
    connection = logins.open(url)
    assert calls_until_refused(connection, 5) == 3
    logins.admin.execute(
        "update glow.call_samples set called_at = called_at - interval '61 seconds' where login = %s", (name,)
    )
    assert calls_until_refused(connection, 5) == 3


def test_a_sampled_limit_holds_within_its_tolerance(logins: Logins) -> None:
    """1000 a minute: every fifth call is kept, 200 of them. 4 standard deviations of the waiting time: 250."""
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=1000)
    assert 750 <= calls_until_refused(connection, 1260) <= 1250


def test_whoever_seeds_the_dice_is_counted_too(logins: Logins) -> None:
    """random() is the session's own: setseed says what it gives next."""
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=1000)
    lucky = None
    for seed in (n / 100 for n in range(100)):
        connection.execute("select setseed(%s)", (seed,))
        if one(connection, "select random()") > 0.9:
            lucky = seed
            break
    assert lucky is not None
    assert calls_until_refused(connection, 1300, f"select setseed({lucky})") < 1300


def test_a_batch_counts_its_rows(logins: Logins) -> None:
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=100)
    mark = uuid4().hex

    def send(rows: int) -> Any:
        return batch(
            connection, "submit_feedback_batch", [{**VOTE, "execution_id": f"{mark}-{n}"} for n in range(rows)]
        )

    assert len(send(60)) == 60
    refused = send(41)
    assert (refused.code, "101" in refused.message) == ("PT429", True)
    assert len(send(40)) == 40
    assert send(1).code == "PT429"
    assert send(0) == []


def test_a_batch_above_a_sampled_limit_is_refused(logins: Logins) -> None:
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=1000)
    assert batch(connection, "submit_feedback_batch", [VOTE] * 1001).code == "PT413"


def test_every_form_of_writing_is_counted(logins: Logins) -> None:
    writing = [f for f in GOOD if f.startswith(("log_", "submit_", "withdraw", "issue_"))]
    assert len(writing) == 14
    token = call(logins.admin, "issue_feedback_token", agent=AGENT, execution_id="e", user_id="u")["token"]
    for function in writing:
        connection = logins.connect("glow_app", "glow_reviewer", tenant="default", calls_per_minute=2)
        given = [GOOD[function](n) | ({"token": token} if "token" in GOOD[function](n) else {}) for n in range(3)]
        codes = [getattr(attempt(connection, function, **arguments), "code", "") for arguments in given]
        # A refused annotation (no such execution, no such item) is rolled back, and its count with it.
        if function not in ("submit_annotation", "submit_comparison"):
            assert codes == ["", "", "PT429"], function


def test_parallel_sessions_share_the_limit(logins: Logins) -> None:
    """Calls under way at once do not see each other: at most one each beyond the limit."""
    sessions, limit = 6, 60
    name, url = logins.make("glow_app")
    logins.bind(name, tenant="default", calls_per_minute=limit)
    connections = [logins.open(url) for _ in range(sessions)]
    with ThreadPoolExecutor(sessions) as threads:
        let_in = sum(threads.map(lambda connection: calls_until_refused(connection, limit + 5), connections))
    assert limit <= let_in <= limit + sessions - 1
    kept = one(logins.admin, "select sum(calls) from glow.call_samples where login = %s", name)
    assert kept == let_in


def test_the_calls_of_one_transaction_are_counted_before_it_commits(logins: Logins) -> None:
    connection = logins.connect("glow_app", tenant="default", calls_per_minute=10)
    with connection.transaction(force_rollback=True):
        assert calls_until_refused(connection, 15) == 10
    # What was rolled back was not written, and does not count.
    assert calls_until_refused(connection, 15) == 10


def test_logins_have_limits_of_their_own(logins: Logins) -> None:
    first, second = (logins.connect("glow_app", tenant="default", calls_per_minute=2) for _ in range(2))
    assert calls_until_refused(first, 4) == 2
    assert calls_until_refused(second, 4) == 2
    assert calls_until_refused(logins.connect("glow_app"), 20) == 20


LONG = "x" * 600
BIG: dict[str, Callable[[], dict[str, Any]]] = {
    "log_execution": lambda: {**execution(1), "input": LONG, "output": LONG},
    "submit_feedback": lambda: {**feedback(1), "comment": LONG, "correction": LONG},
    "log_retrieval": lambda: {**retrieval(1), "query": LONG + LONG},
    "submit_annotation": lambda: {**annotation(1), "output": LONG, "notes": LONG},
    "submit_demonstration": lambda: {**demonstration(1), "input": LONG, "output": LONG},
}


@pytest.mark.parametrize("function", BIG)
def test_bytes_of_a_call_are_limited(logins: Logins, function: str) -> None:
    connection = logins.connect("glow_app", "glow_reviewer", tenant="default", bytes_per_call=1000)
    given = BIG[function]()
    if "hits" in given:
        given["hits"] = Jsonb(given["hits"])
    refused = attempt(connection, function, **given)
    assert isinstance(refused, Refused)
    assert (refused.code, "at most 1000 bytes" in refused.hint) == ("PT413", True)
    rows = [{key: getattr(value, "obj", value) for key, value in given.items()}]
    assert batch(connection, f"{function}_batch", rows).code == "PT413"


def test_bytes_are_limited_whatever_is_left_out(logins: Logins) -> None:
    """A null among the parts made the sum null, and null is not above any limit."""
    connection = logins.connect("glow_app", "glow_reviewer", tenant="default", bytes_per_call=1000)
    let_in = []
    for function, field in (
        ("log_execution", "metadata"),
        ("log_execution", "user_id"),
        ("submit_feedback", "comment"),
        ("submit_feedback", "correction"),
        ("submit_annotation", "notes"),
        ("submit_demonstration", "notes"),
    ):
        given = {key: value * 2 if value == LONG else value for key, value in BIG[function]().items()} | {field: None}
        answer = attempt(connection, function, **given)
        if not isinstance(answer, Refused) or answer.code != "PT413":
            let_in.append(f"{function}({field} => null): {answer}")
    assert not let_in, "\n".join(let_in)


def test_notes_are_bytes_of_a_demonstration_too(logins: Logins) -> None:
    connection = logins.connect("glow_app", tenant="default", bytes_per_call=1000)
    answer = attempt(connection, "submit_demonstration", **{**demonstration(uuid4().int % 10**9), "notes": LONG * 10})
    assert isinstance(answer, Refused), answer
    assert answer.code == "PT413"


ROWS = [f for f in GOOD if f.endswith("_batch")]


@pytest.mark.parametrize("function", ROWS)
def test_a_batch_has_10000_rows_at_most(logins: Logins, function: str) -> None:
    connection = logins.connect("glow_app", "glow_reviewer")
    refused = batch(connection, function, [{}] * 10001)
    assert isinstance(refused, Refused)
    assert (refused.code, "10001 rows" in refused.message, "10000" in refused.hint) == ("PT413", True, True)
    answers = batch(connection, function, [{}] * 10000)
    assert not isinstance(answers, Refused), answers
    assert len(answers) == 10000
    assert {answer["status"] for answer in answers} == {"refused"}
