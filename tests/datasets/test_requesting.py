"""A rule on its way from a caller to a version: refused by the database as by Python, built as it was meant."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.client import GlowClient, GlowError
from glow_pipelines.defs import datasets as assets
from glow_pipelines.defs.dataset_triggers import approved_examples, weekly_datasets
from glow_pipelines.defs.datasets import KIND_TAG, Log, audit, training_dataset
from glow_pipelines.learning.datasets import RuleProblem, read_rule
from glow_pipelines.learning.datasets.checks import BLOCKING, WARNING
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store import Store
from tests.datasets.seeding import AGENT, Seed, learn, register, seeds


@pytest.fixture
def client(store: Store, database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        yield client


@pytest.fixture
def services(store: Store, database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url, "GLOW_DATASET_MIN_NEW_EXAMPLES": "5"}))
    yield services
    services.store.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("agent", [AGENT])
        yield instance


BAD: list[tuple[str, Any]] = [
    ("kind", "dpo"),
    ("minimum_quality", 2),
    ("minimum_quality", "0.5"),
    ("minimum_quality", True),
    ("sources", "vote"),
    ("sources", ["user"]),
    ("sources", []),
    ("agents", {"a": 1}),
    ("agents", [7]),
    ("languages", [""]),
    ("domain", 7),
    ("domain", ""),
    ("since", "yesterday"),
    ("since", 7),
    ("since", "infinity"),
    ("until", "2020-01-01"),
    ("least", -1),
    ("least", 1.5),
    ("quality", 0.5),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_the_database_refuses_what_python_cannot_read(client: GlowClient, field: str, value: object) -> None:
    rule = {"since": "2021-01-01", field: value}
    with pytest.raises(RuleProblem, match=rf"^{field}"):
        read_rule(AGENT, rule)
    with pytest.raises(GlowError) as refused:
        client.request_dataset(AGENT, rule=rule)
    assert str(refused.value).startswith(f"rule.{field}: ")
    assert refused.value.remedy


@pytest.mark.parametrize("rule", [[], "sft", 7])
def test_a_rule_is_an_object(connection: psycopg.Connection, client: GlowClient, rule: object) -> None:
    with pytest.raises(psycopg.Error, match=r"^rule: "):
        connection.execute("select glow_api.request_dataset('coder', rule => %s)", (psycopg.types.json.Jsonb(rule),))


def test_an_unknown_agent_and_two_kinds_are_refused(client: GlowClient) -> None:
    with pytest.raises(GlowError, match=r"rule\.agents: 'nobody'"):
        client.request_dataset(AGENT, rule={"agents": ["nobody"]})
    with pytest.raises(GlowError, match="kind: 'evaluation'"):
        client.request_dataset(AGENT, kind="evaluation", rule={"kind": "preference"})
    assert client.request_dataset(AGENT, kind="evaluation").status == "queued"


GOOD: dict[str, Any] = {
    "agents": ["coder", "other"],
    "kind": "preference",
    "domain": "tax",
    "since": "2026-01-02T03:00:00+02:00",
    "until": datetime(2099, 1, 1),  # noqa: DTZ001 -- a caller may leave the zone out
    "minimum_quality": 0.5,
    "sources": ["correction", "annotation"],
    "languages": ["de"],
    "least": 0,
}


def test_what_was_asked_for_is_what_is_read(connection: psycopg.Connection, client: GlowClient) -> None:
    register(connection, "other")
    request = client.request_dataset(AGENT, rule=GOOD | {"until": "2099-01-01T00:00:00Z"})
    row = connection.execute(
        "select parameters from glow.requests where request_id = %s", (request.request_id,)
    ).fetchone()
    assert row is not None
    asked = row[0]
    assert asked["kind"] == "preference"
    rule = read_rule(AGENT, {"kind": asked["kind"], **asked["rule"]})
    wanted = read_rule(AGENT, GOOD | {"until": "2099-01-01"})
    assert rule == wanted
    same = {**GOOD, "since": "2026-01-02T01:00:00Z", "until": "2099-01-01T00:00:00Z"}
    assert client.request_dataset(AGENT, rule=same).request_id == request.request_id  # the same instant, spelled anew


def run(services: Services, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [training_dataset],
        instance=instance,
        resources={"services": services},
        partition_key=AGENT,
        tags=tags,
        raise_on_error=False,
    )


def test_the_asset_builds_what_was_asked_for_and_shows_it(
    services: Services, instance: dg.DagsterInstance, connection: psycopg.Connection, client: GlowClient
) -> None:
    given = seeds(12, split="train")
    learn(connection, [*(replace(each, domain="tax") for each in given[:7]), *given[7:]])
    request = client.request_dataset(AGENT, rule={"domain": "tax"})
    result = run(services, instance, **{"glow/request": str(request.request_id)})
    assert result.success
    (made,) = result.asset_materializations_for_node("training_dataset")
    shown = {name: value.value for name, value in made.metadata.items()}
    (dataset,) = client.datasets(AGENT)
    assert shown["dataset"] == dataset.dataset_id
    assert shown["dagster/partition_row_count"] == 7
    assert dataset.dataset_id in shown["audit"]
    assert given[0].input in shown["sample"]
    assert "other domain" in shown["left out"]
    assert shown["rules"]["domain"] == "tax"
    # Words of users stand under labels that erasure knows, and under no other.
    for name, value in shown.items():
        assert given[0].input not in str(value) or name == "sample"
    connection.execute(shown["audit"].split("```sql\n")[1].split("\n```")[0]).fetchall()
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert checks.keys() == {*BLOCKING, *WARNING}
    assert all(each.passed for each in checks.values())
    assert dataset.in_force is False


def test_a_refused_version_fails_the_run_at_its_check(
    services: Services, instance: dg.DagsterInstance, connection: psycopg.Connection, client: GlowClient
) -> None:
    learn(connection, [*seeds(4), Seed("mail ann.smith@example.com", group="p", split="train")])
    result = run(services, instance, **{KIND_TAG: "evaluation"})
    assert not result.success
    (failed,) = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert (failed.check_name, failed.severity, failed.blocking) == ("pii", dg.AssetCheckSeverity.ERROR, True)
    assert "ann.smith" not in str(failed)
    assert client.datasets(AGENT) == ()


def test_the_checks_are_those_of_learning() -> None:
    assert (assets.BLOCKING, assets.WARNING) == (BLOCKING, WARNING)


def test_columns_are_traced_to_the_examples() -> None:
    lineage = training_dataset.metadata_by_key[dg.AssetKey("training_dataset")]["dagster/column_lineage"]
    columns = lineage.value.deps_by_column if hasattr(lineage, "value") else lineage.deps_by_column
    assert {dep.asset_key.to_user_string() for deps in columns.values() for dep in deps} == {"learning_examples"}
    assert {"input", "target", "split"} <= columns.keys()


def test_a_log_is_told_each_step_once_and_every_hundred_thousand_rows() -> None:
    told: list[str] = []
    log = Log(told.append)
    for doing, rows in (("choose", 5000), ("choose", 9000), ("choose", 100_001), ("inspect", 5000)):
        log(doing, rows)
    assert told == ["choose: 5,000 rows", "choose: 100,001 rows", "inspect: 5,000 rows"]
    assert "nothing to audit" in str(audit(None).value)


def weekly(services: Services, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2026, 11, 22, 3))  # noqa: DTZ001
    found = weekly_datasets(context, services=services)
    return found if isinstance(found, list) else []


def test_every_week_each_kind_an_agent_has_examples_for(
    services: Services, instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    register(connection, "quiet")
    assert weekly(services, instance) == []
    learn(connection, seeds(2, expert=False, split="train", source="vote"))
    assert [each.tags[KIND_TAG] for each in weekly(services, instance)] == ["sft"]
    learn(connection, [Seed("a corrected question", rejected="no")])
    asked = weekly(services, instance)
    assert [(each.partition_key, each.tags[KIND_TAG]) for each in asked] == [
        (AGENT, kind) for kind in ("sft", "preference", "evaluation")
    ]
    assert len({each.run_key for each in asked}) == 3
    assert all(run(services, instance, **each.tags).success for each in asked)
    with services.store.transaction() as t:
        assert {row["kind"] for row in t.datasets.versions(AGENT)} == {"sft", "preference", "evaluation"}


def test_newly_approved_examples_ask_once(
    services: Services, instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    cursor: list[str | None] = [None]

    def tick() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=instance, cursor=cursor[0])
        result = approved_examples(context, services=services)
        if isinstance(result, dg.SkipReason):
            return []
        assert isinstance(result, dg.SensorResult)
        cursor[0] = result.cursor
        return list(result.run_requests or [])

    given = seeds(20)
    learn(connection, [*given[:4], *(replace(each, status="pending") for each in given[4:9])])
    assert tick() == []
    learn(connection, given[9:10])
    (request,) = tick()
    assert request.partition_key == AGENT
    assert tick() == []
    assert run(services, instance).success
    learn(connection, given[10:14])
    assert tick() == []
    learn(connection, given[14:15])
    assert len(tick()) == 1


def test_what_a_build_has_seen_is_not_new(
    services: Services, instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    learn(connection, seeds(8))
    assert run(services, instance).success
    context: Callable[[], Any] = lambda: dg.build_sensor_context(instance=instance)  # noqa: E731
    assert isinstance(approved_examples(context(), services=services), dg.SkipReason)
