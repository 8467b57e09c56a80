"""What a review found broken and what must stay mended: votes, rights after an upgrade, requests.

Belongs here: one test for each of those findings. Does not: attacks, poison, the model of the vote machine.
"""

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from glow_pipelines.database import connect, is_current, migrate, sql_folder
from tests.api.calling import AGENT, Refused, attempt, batch, call, one, register
from tests.api.logins import Logins


def vote(connection: psycopg.Connection, execution: str, agent: str = AGENT, **said: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call(
        connection, "submit_feedback", agent=agent, execution_id=execution, user_id="u", **said
    )
    return answer


@pytest.fixture
def name() -> str:
    """An execution of this test alone."""
    return f"e-{uuid4().hex}"


def test_an_upgrade_does_not_open_the_months(database_url: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sql_folder(), tmp_path / "sql"))
    with (folder / "api" / "agents.sql").open("a") as file:
        file.write("-- a later version\n")
    assert migrate(database_url, folder).api_refreshed
    with connect(database_url) as connection:
        reached = connection.execute(
            "select relname from pg_class"
            " where relnamespace = 'glow'::regnamespace and relispartition and relkind = 'r'"
            "   and has_table_privilege('glow_pipeline', oid, 'select, insert, update, delete')"
        ).fetchall()
        months = one(
            connection, "select count(*) from pg_class where relispartition and relname ~ '^agent_feedback_20'"
        )
    assert reached == []
    assert months > 1


def test_the_pipeline_can_ask_whether_the_schema_is_current(logins: Logins) -> None:
    _, url = logins.make("glow_pipeline")
    assert is_current(url)


def test_a_retry_while_retention_takes_the_vote_leaves_one_current_vote(
    admin: psycopg.Connection, shared_url: str, name: str
) -> None:
    vote(admin, name, thumbs=1, idempotency_key=f"{name}-1")
    vote(admin, name, thumbs=-1, idempotency_key=f"{name}-2")
    answers: list[dict[str, Any]] = []
    with connect(shared_url) as retention, connect(shared_url, autocommit=True) as app:
        retention.execute("delete from glow.current_feedback where execution_id = %s", (name,))
        retention.execute("delete from glow.feedback_keys where idempotency_key = %s", (f"{name}-1",))
        retry = threading.Thread(target=lambda: answers.append(vote(app, name, thumbs=1, idempotency_key=f"{name}-1")))
        retry.start()
        retry.join(timeout=0.5)
        assert retry.is_alive()  # it waits for the lock on the vote
        retention.commit()
        retry.join()
    assert answers[0]["status"] == "accepted"
    assert vote(admin, name, thumbs=-1, comment="later")["supersedes"] == answers[0]["feedback_id"]


def test_a_wrong_agent_does_not_stand_in_the_way_of_the_right_one(admin: psycopg.Connection, name: str) -> None:
    other = f"other-{uuid4().hex[:8]}"
    register(admin, other)
    vote(admin, name, thumbs=1)
    assert "supersedes" not in vote(admin, name, agent=other, thumbs=-1)
    logged = call(admin, "log_execution", execution_id=name, agent=AGENT, input="in", output="out")
    assert logged["feedback_waiting"] == 1


@pytest.mark.parametrize(("first", "second"), [(30.2, 29.8), (None, 20.0), (20.0, None), (-45.0, 45.0)])
def test_the_second_of_two_votes_is_current_whatever_the_clocks(
    admin: psycopg.Connection, name: str, first: float | None, second: float | None
) -> None:
    """Clocks behind ours by so many seconds; None for a call that says nothing of time."""

    def said_by(behind: float | None) -> dict[str, str]:
        if behind is None:
            return {}
        reading = (datetime.now(UTC) - timedelta(seconds=behind)).isoformat()
        return {"occurred_at": reading, "sent_at": reading}

    vote(admin, name, thumbs=1, **said_by(first))
    assert vote(admin, name, thumbs=-1, **said_by(second))["status"] == "accepted"


def test_two_batches_of_the_same_votes_do_not_wait_for_each_other(shared_url: str, name: str) -> None:
    def changed(thumbs: int) -> list[dict[str, Any]]:
        return [{"agent": AGENT, "execution_id": f"{name}-{n}", "user_id": "u", "thumbs": thumbs} for n in range(400)]

    failures: list[object] = []

    def send(rows: list[dict[str, Any]]) -> None:
        with connect(shared_url, autocommit=True) as connection:
            answer = batch(connection, "submit_feedback_batch", rows)
            if isinstance(answer, Refused):
                failures.append(answer)

    send(changed(1))
    for _ in range(3):
        pair = [threading.Thread(target=send, args=(rows,)) for rows in (changed(-1), changed(1)[::-1])]
        for each in pair:
            each.start()
        for each in pair:
            each.join()
    assert failures == []


def test_a_retry_is_answered_also_when_its_row_is_gone(admin: psycopg.Connection, name: str) -> None:
    first = vote(admin, name, thumbs=1, idempotency_key=name)
    admin.execute("delete from glow.agent_feedback where feedback_id = %s", (first["feedback_id"],))
    retry = vote(admin, name, thumbs=1, idempotency_key=name)
    assert (retry["status"], retry["feedback_id"]) == ("replayed", first["feedback_id"])


@pytest.mark.parametrize("form", ["submit_feedback", "submit_feedback_batch"])
def test_no_dimensions_are_no_vote(admin: psycopg.Connection, name: str, form: str) -> None:
    said = {"agent": AGENT, "execution_id": name, "user_id": "u", "dimensions": {}}
    if form == "submit_feedback":
        assert attempt(admin, form, **said).code == "PT422"
    else:
        assert batch(admin, form, [said])[0]["code"] == "PT422"


def test_registering_again_keeps_the_description(admin: psycopg.Connection) -> None:
    agent = f"kept-{uuid4().hex[:8]}"
    call(admin, "register_agent", agent=agent, description="codes expenses")
    call(admin, "register_agent", agent=agent)
    assert one(admin, "select description from glow.agents where agent = %s", agent) == "codes expenses"


def test_a_request_for_something_else_is_not_answered_with_the_open_one(admin: psycopg.Connection) -> None:
    agent = f"asked-{uuid4().hex[:8]}"
    register(admin, agent)
    first = call(admin, "request_dataset", agent=agent, kind="sft")
    assert call(admin, "request_dataset", agent=agent, kind="sft")["request_id"] == first["request_id"]
    assert attempt(admin, "request_dataset", agent=agent, kind="evaluation").code == "PT409"
    assert attempt(admin, "cancel_request", request_id=2**40).code == "PT404"


def test_what_is_learned_from_everybody_is_not_for_a_login_of_one_tenant(
    logins: Logins, admin: psycopg.Connection
) -> None:
    role, url = logins.make("glow_engineer")
    logins.bind(role, tenant="acme")
    engineer = logins.open(url)
    request: Callable[..., Any] = lambda function, **given: attempt(engineer, function, **given)  # noqa: E731
    assert request("learning_stats").code == "PT403"
    assert request("datasets", agent=AGENT).code == "PT403"
    assert request("request_dataset", agent=AGENT).code == "PT403"
    asked = call(admin, "request_prompt_optimization", agent=AGENT)["request_id"]
    assert request("request_status", request_id=asked).code == "PT404"
    assert request("cancel_request", request_id=asked).code == "PT404"
