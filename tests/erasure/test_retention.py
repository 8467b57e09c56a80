"""How long tables are kept, where that differs from the setting."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.defs.operations import storage_upkeep
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from tests.api.calling import Refused, attempt, call, execution, feedback, one, register, retrieval
from tests.api.logins import Logins

OLD = "date_trunc('month', now()) - interval '3 months'"


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with Logins(database_url) as logins:
        register(logins.admin)
        yield logins.admin


def fill(connection: psycopg.Connection) -> None:
    """One row each of now and of three months ago, in months of their own."""
    for n in (1, 2):
        call(connection, "log_execution", **execution(n))
        call(connection, "submit_feedback", **feedback(n))
        call(connection, "log_retrieval", **retrieval(n) | {"hits": psycopg.types.json.Jsonb(retrieval(n)["hits"])})
    for table, key in (
        ("executions", "execution_id"), ("execution_keys", "execution_id"), ("agent_feedback", "execution_id"),
        ("current_feedback", "execution_id"), ("retrieval_events", "event_id"), ("retrieval_hits", "event_id"),
        ("retrieval_keys", "event_id"),
    ):  # fmt: skip
        value = "s-1" if key == "event_id" else "e-1"
        connection.execute(f"update glow.{table} set recorded_at = {OLD} where {key} = '{value}'".encode())
    connection.execute("select glow.ensure_partitions()")
    for table, when in (("responses", "created_at"), ("embeddings", "created_at")):
        for n, at in ((1, OLD), (2, "now()")):
            values = "'m', 't', 1, 1, 1, 1" if table == "responses" else "'m', '[1]'"
            columns = (
                "model, text, prompt_tokens, completion_tokens, seconds, cost_usd"
                if table == "responses"
                else "model, embedding"
            )
            key = "request_key" if table == "responses" else "content_hash"
            connection.execute(
                f"insert into glow.{table} ({key}, {columns}, {when}) values ('k{n}', {values}, {at})".encode()
            )


def upkeep(url: str, **environment: str) -> dict[str, str]:
    services = Services(Settings.from_environment({"DATABASE_URL": url, **environment}))
    result = dg.materialize([storage_upkeep], resources={"services": services})
    services.store.close()
    (event,) = result.asset_materializations_for_node("storage_upkeep")
    return {key: str(value.value) for key, value in event.metadata.items()}


def kept(connection: psycopg.Connection) -> dict[str, int]:
    tables = (
        "executions",
        "agent_feedback",
        "current_feedback",
        "retrieval_events",
        "retrieval_hits",
        "responses",
        "embeddings",
    )
    return {table: one(connection, f"select count(*) from glow.{table}") for table in tables}


def test_a_policy_is_about_its_table_alone(admin: psycopg.Connection, database_url: str) -> None:
    fill(admin)
    assert set(kept(admin).values()) == {2}
    call(admin, "set_retention", relation="agent_feedback", months=1)
    call(admin, "set_retention", relation="responses", months=1)
    told = upkeep(database_url)
    assert kept(admin) == {
        "executions": 2, "agent_feedback": 1, "current_feedback": 1, "retrieval_events": 2, "retrieval_hits": 2,
        "responses": 1, "embeddings": 2,
    }  # fmt: skip
    assert "responses | 1 | 1" in told["kept"]
    assert "executions | for ever" in told["kept"]


def test_a_policy_without_months_keeps_what_the_setting_would_drop(
    admin: psycopg.Connection, database_url: str
) -> None:
    fill(admin)
    call(admin, "set_retention", relation="executions")
    upkeep(database_url, GLOW_RETENTION_MONTHS="1")
    # The setting is about executions, feedback and searches, as it always was.
    assert kept(admin) == {
        "executions": 2, "agent_feedback": 1, "current_feedback": 1, "retrieval_events": 1, "retrieval_hits": 1,
        "responses": 2, "embeddings": 2,
    }  # fmt: skip
    assert one(admin, "select count(*) from glow.execution_keys where expired_at is null") == 2


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"relation": "agents"}, "relation"), ({"relation": "executions; drop"}, "relation"),
     ({"relation": None}, "relation"), ({"relation": "executions", "months": 0}, "months")],
)  # fmt: skip
def test_what_cannot_be_a_policy_is_refused(admin: psycopg.Connection, arguments: dict[str, Any], field: str) -> None:
    answer = attempt(admin, "set_retention", **arguments)
    assert isinstance(answer, Refused)
    assert answer.code == "PT422"
    assert field in answer.message


def test_policies_go_batch_by_batch(admin: psycopg.Connection) -> None:
    fill(admin)
    call(admin, "set_retention", relation="responses", months=1)
    admin.execute(
        f"insert into glow.responses select 'old' || n, 'm', 't', 1, 1, 1, 1, {OLD} from generate_series(1, 25) n".encode()
    )
    assert [one(admin, "select glow.prune('responses', 10)") for _ in range(4)] == [10, 10, 6, 0]
    assert one(admin, "select glow.prune('executions', 10)") == 0
