"""Upkeep of storage: months ahead, retention, and the checks that tell when it is not done."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.defs.datasets import training_dataset
from glow_pipelines.defs.examples import learning_examples
from glow_pipelines.defs.operations import horizon_is_fresh, partitions_are_ahead, storage_upkeep
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store.queries import load

TABLES = ("agent_feedback", "executions", "retrieval_events", "retrieval_hits")
# Everything that retention looks at, by the column that names what a row is about.
KEPT = {
    **dict.fromkeys(("executions", "execution_keys", "agent_feedback", "current_feedback"), "execution_id"),
    **dict.fromkeys(("retrieval_keys", "retrieval_events", "retrieval_hits"), "event_id"),
}


@pytest.fixture
def open_services(database_url: str) -> Iterator[Callable[..., Services]]:
    """Opens services under settings; closes them."""
    opened: list[Services] = []

    def make(**environment: str) -> Services:
        opened.append(Services(Settings.from_environment({"DATABASE_URL": database_url, **environment})))
        return opened[-1]

    yield make
    for services in opened:
        services.store.close()


@pytest.fixture
def services(open_services: Callable[..., Services]) -> Services:
    return open_services()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("tax")
        yield client


def upkeep(services: Services) -> dict[str, str]:
    """Run it; the metadata as text."""
    result = dg.materialize([storage_upkeep], resources={"services": services})
    (event,) = result.asset_materializations_for_node("storage_upkeep")
    return {key: str(value.value) for key, value in event.metadata.items()}


def partitions(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        "select inhrelid::regclass::text from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r'"
    ).fetchall()
    connection.commit()
    return {str(name).removeprefix("glow.") for (name,) in rows}


def month(ahead: int) -> str:
    """The name of a month from now."""
    now = datetime.now(UTC)
    year, index = divmod(now.year * 12 + now.month - 1 + ahead, 12)
    return f"{year}_{index + 1:02}"


def age(connection: psycopg.Connection, *statements: str) -> None:
    """Change what apps wrote, as only an administrator can: the clock of the server cannot be set back."""
    for statement in statements:
        connection.execute(statement.encode())
    connection.commit()


def make_old(connection: psycopg.Connection, *tables: str) -> None:
    """Let everything but what is named new have arrived in February 2020."""
    statement = sql.SQL("update glow.{} set recorded_at = '2020-02-03' where {} <> 'new'")
    for table in tables or KEPT:
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(KEPT[table])))
    connection.commit()


def count(connection: psycopg.Connection, table: str) -> int:
    (rows,) = connection.execute(sql.SQL("select count(*) from glow.{}").format(sql.Identifier(table))).fetchone() or (
        -1,
    )
    connection.commit()
    return int(rows)


def test_missing_months_are_made_and_a_second_time_nothing_is(
    services: Services, connection: psycopg.Connection
) -> None:
    wanted = {f"{table}_{month(ahead)}" for table in TABLES for ahead in range(4)}
    assert wanted <= partitions(connection)
    lost = f"executions_{month(3)}"
    age(connection, f"drop table glow.{lost}")
    assert lost.replace("_", "\\_") in upkeep(services)["made"]
    assert wanted <= partitions(connection)
    assert upkeep(services)["made"] == "*none was missing*"


def test_without_a_setting_nothing_is_dropped(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    client.log_execution("old", "tax", "in", "out")
    make_old(connection, "executions")
    upkeep(services)
    assert "executions_2020_02" in partitions(connection)  # out of the default partition, into a month of its own
    assert count(connection, "executions") == 1


def test_retention_drops_old_months_and_keeps_what_was_learned(
    open_services: Callable[..., Services],
    instance: dg.DagsterInstance,
    client: GlowClient,
    connection: psycopg.Connection,
) -> None:
    services = open_services(GLOW_RETENTION_MONTHS="6")
    for name in ("old", "judged", "new"):
        client.log_execution(name, "tax", f"question {name}", "answer")
        client.submit_feedback("tax", name, "u", thumbs=1, idempotency_key=name)
    client.submit_annotation("judged", "expert", "approve")
    client.log_retrieval("search", "tax", "q", [{"chunk_id": "a", "rank": 1}])
    instance.add_dynamic_partitions("agent", ["tax"])

    def learn() -> list[tuple[object, ...]]:
        """Learn anew; answers the examples in force and the dataset they make."""
        resources = {"services": services}
        assert dg.materialize([learning_examples], instance=instance, resources=resources).success
        assert dg.materialize([training_dataset], instance=instance, resources=resources, partition_key="tax").success
        found = connection.execute(
            "select example_version, example_id, status, quality from glow.learning_examples "
            "where superseded_at is null order by example_id"
        ).fetchall()
        connection.commit()
        return [*found, *((each.dataset_id, each.in_force) for each in client.datasets("tax"))]

    before = learn()
    assert len(before) > 1
    make_old(connection)
    metadata = upkeep(services)
    assert "executions\\_2020\\_02" in metadata["dropped"]
    assert metadata["busy"] == "nothing"
    assert not any("2020" in name for name in partitions(connection))
    # Of the old: nothing but the identity of the execution that an expert judged.
    assert {table: count(connection, table) for table in KEPT} == {
        **dict.fromkeys(KEPT, 1),
        **dict.fromkeys(("retrieval_keys", "retrieval_events", "retrieval_hits"), 0),
        "execution_keys": count(connection, "execution_keys"),
    }
    assert connection.execute("select execution_id from glow.execution_keys where expired_at is not null").fetchall()
    client.log_execution("newer", "tax", "question newer", "answer")  # the agent is looked at again
    assert learn() == before
    assert upkeep(services)["dropped"] == "*none is older than 6 months*"


def test_a_vote_changed_in_another_month_is_current_after_the_old_month_is_gone(
    open_services: Callable[..., Services], client: GlowClient, connection: psycopg.Connection
) -> None:
    services = open_services(GLOW_RETENTION_MONTHS="1")
    client.log_execution("e", "tax", "in", "out")
    first = client.submit_feedback("tax", "e", "u", thumbs=-1)
    make_old(connection, "agent_feedback", "current_feedback")
    upkeep(open_services())  # only makes the month
    second = client.submit_feedback("tax", "e", "u", thumbs=1)
    assert second.supersedes == first.feedback_id
    upkeep(services)
    with services.store.transaction() as t:
        (vote,) = t.feedback.feedback_of_agent("tax")
    assert (vote.id, vote.thumbs) == (second.feedback_id, 1)
    assert client.submit_feedback("tax", "e", "u", thumbs=1).status == "unchanged"


def test_a_busy_table_is_left_for_the_next_run_and_nobody_waits(
    open_services: Callable[..., Services], database_url: str, client: GlowClient, connection: psycopg.Connection
) -> None:
    services = open_services(GLOW_RETENTION_MONTHS="6")
    client.log_execution("old", "tax", "in", "out")
    make_old(connection, "executions", "execution_keys")
    upkeep(open_services())
    with connect(database_url) as reader:
        reader.execute("select count(*) from glow.executions")  # and stays open
        metadata = upkeep(services)
        assert "dropping executions" in metadata["busy"]
        client.log_execution("meanwhile", "tax", "in", "out")
    assert count(connection, "execution_keys") == 2  # goes with the rows or not at all
    assert upkeep(services)["busy"] == "nothing"
    assert connection.execute("select execution_id from glow.executions").fetchall() == [("meanwhile",)]


def test_old_samples_and_rows_that_imports_left_behind_go(services: Services, connection: psycopg.Connection) -> None:
    ended, left, running = ("a" * 64, "b" * 64, "c" * 64)
    connection.execute(
        "insert into glow.call_samples (login, called_at, calls) "
        "values ('app', now() - interval '2 hours', 1), ('app', now(), 1)"
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into glow.imports (import_id, source, format, state, updated_at, finished_at) "
            "values (%s, 'f', 'jsonl', %s, now() - %s::interval, case when %s then now() end)",
            [
                (ended, "finished", "0 days", True),
                (left, "running", "2 days", False),
                (running, "running", "0 days", False),
            ],
        )
        cursor.executemany(
            "insert into glow.import_batches (import_id, line, kind, lines, parts, rows) "
            "values (%s, 1, 'execution', '{1}', '{0}', '[{}]')",
            [(ended,), (left,), (running,)],
        )
    connection.commit()
    metadata = upkeep(services)
    assert (metadata["call samples deleted"], metadata["staged import rows deleted"]) == ("1", "2")
    assert connection.execute("select import_id from glow.import_batches").fetchall() == [(running,)]


def ahead(services: Services) -> dg.AssetCheckResult:
    result = partitions_are_ahead(services=services)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_months_that_run_out_are_a_warning(services: Services, connection: psycopg.Connection) -> None:
    assert ahead(services).passed
    age(connection, *(f"drop table glow.executions_{month(each)}" for each in (3, 2)))
    short = ahead(services)
    assert (short.passed, short.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "executions | 1 |" in str(short.metadata["months ahead"].value)
    upkeep(services)
    assert ahead(services).passed


def test_old_rows_outside_a_month_are_an_error_and_fresh_ones_are_not(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    age(connection, *(f"drop table glow.executions_{month(each)}" for each in range(4)))
    client.log_execution("e", "tax", "in", "out")
    fresh = ahead(services)
    assert (fresh.passed, fresh.severity) == (False, dg.AssetCheckSeverity.WARN)
    age(connection, "update glow.executions set recorded_at = now() - interval '25 hours'")
    late = ahead(services)
    assert (late.passed, late.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "executions | 1 |" in str(late.metadata["rows outside a month"].value)
    upkeep(services)
    assert ahead(services).passed


def test_every_table_in_months_is_looked_at(services: Services) -> None:
    with services.store.transaction() as t:
        assert (
            [each.name for each in t.operations.monthly_tables()] == t.operations.partitioned_tables() == list(TABLES)
        )


def test_rows_outside_a_month_are_counted_without_reading_the_months(connection: psycopg.Connection) -> None:
    plan = connection.execute(
        f"explain (analyze, costs off) {load('operations')['partition_summary']}".encode()
    ).fetchall()
    scans = [str(line) for (line,) in plan if "_20" in line and ("Scan on" in line or "Scan using" in line)]
    assert scans
    assert [line for line in scans if "never executed" not in line] == []


def fresh(services: Services) -> dg.AssetCheckResult:
    result = horizon_is_fresh(services=services)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def until(services: Services, wanted: Callable[[dg.AssetCheckResult], bool]) -> dg.AssetCheckResult:
    """The check once it is as wanted, or after ten seconds: other tests of this server have transactions too."""
    began = time.monotonic()
    while not wanted(found := fresh(services)) and time.monotonic() - began < 10:
        time.sleep(0.1)
    return found


def held_by(result: dg.AssetCheckResult) -> str:
    return str(result.metadata["held by"].value)


def test_an_open_write_transaction_is_found_with_whom_it_belongs_to(
    services: Services, client: GlowClient, database_url: str
) -> None:
    with connect(database_url) as forgotten:
        forgotten.execute("set application_name = 'forgotten'")
        forgotten.execute("select pg_current_xact_id()")
        client.log_execution("e", "tax", "in", "out")
        with connect(database_url, autocommit=True) as administrator:
            administrator.execute("update glow.executions set recorded_at = recorded_at - interval '10 minutes'")
        held = until(services, lambda result: "forgotten" in held_by(result))
        assert "forgotten" in held_by(held)
        assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert float(str(held.metadata["oldest row held back, seconds"].value)) > 600
    assert until(services, lambda result: result.passed).passed


def test_a_login_without_privileges_still_learns_how_long_rows_are_held_back(
    open_services: Callable[..., Services], client: GlowClient, database_url: str, connection: psycopg.Connection
) -> None:
    role = f"pipeline_{connection.info.dbname[-12:]}"
    age(connection, f"create role {role} login password 'p' in role glow_pipeline")
    services = open_services(DATABASE_URL=_as_login(database_url, role))
    try:
        with connect(database_url) as forgotten:
            forgotten.execute("select pg_current_xact_id()")
            held = fresh(services)
            assert held.passed
            assert "pg_read_all_stats" in str(held.metadata["oldest write transaction, seconds"].value)
        assert upkeep(services)["call samples deleted"] == "0"
        assert ahead(services).passed
    finally:
        age(connection, f"drop role {role}")


def _as_login(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:p@{parts.netloc.rpartition('@')[2]}"))
