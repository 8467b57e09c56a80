"""The request queue: every request gets one run at most, and every one gets an outcome."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from glow_pipelines.client import GlowClient, GlowError
from glow_pipelines.database import connect
from glow_pipelines.definitions import defs
from glow_pipelines.defs.request_outcomes import RETRY_WITHIN, ended_as
from glow_pipelines.defs.requests import MOST_PER_TICK, MOST_TRIES, requests
from glow_pipelines.demo.company import CODER, cases
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

Tick = Callable[[], Sequence[dg.RunRequest]]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        for agent in ("tax", "travel"):
            client.register_agent(agent)
        yield client


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def tick(database_url: str, instance: dg.DagsterInstance, **environment: str) -> dg.SensorResult | dg.SkipReason:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url, **environment}))
    try:
        result = requests(dg.build_sensor_context(instance=instance), services=services)
    finally:
        services.store.close()
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


@pytest.fixture
def asked_for(database_url: str, instance: dg.DagsterInstance, client: GlowClient) -> Tick:
    """One tick; answers the runs it asks for."""

    def run() -> Sequence[dg.RunRequest]:
        result = tick(database_url, instance)
        return result.run_requests or [] if isinstance(result, dg.SensorResult) else []

    return run


def create(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
) -> dg.DagsterRun:
    """The run as the daemon has it, without doing anything."""
    job = definitions.resolve_job_def(str(request.job_name))
    return instance.create_run_for_job(job, tags=dict(request.tags), status=status)


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest, url: str) -> bool:
    """The run, for real."""
    instance.add_dynamic_partitions("agent", [str(request.partition_key)])
    result = definitions.resolve_job_def(str(request.job_name)).execute_in_process(
        instance=instance,
        partition_key=request.partition_key,
        tags=dict(request.tags),
        run_config={"resources": {"services": {"config": {"database_url": url}}}},
        raise_on_error=False,
    )
    return result.success


def later(url: str, request_id: int) -> None:
    """Let the request have been taken long ago."""
    with connect(url) as connection:
        moved = "update glow.requests set started_at = started_at - interval '1 hour' where request_id = %s"
        connection.execute(moved, (request_id,))


def test_requests_become_runs_in_their_order_and_once(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick
) -> None:
    first = client.request_training_run("travel")
    second = client.request_prompt_optimization("tax", reason="complaints")
    third = client.request_dataset("tax")
    assert client.request_dataset("tax").request_id == third.request_id  # the open one is answered
    instance.add_dynamic_partitions("agent", ["tax"])
    result = tick(database_url, instance)
    assert isinstance(result, dg.SensorResult)
    assert [(each.run_key, each.job_name, each.partition_key) for each in result.run_requests or []] == [
        (f"request-{first.request_id}", "training", "travel"),
        (f"request-{second.request_id}", "turn", "tax"),
        (f"request-{third.request_id}", "curation", "tax"),
    ]
    assert (result.run_requests or [])[0].tags == {
        "glow/request": str(first.request_id),
        "glow/agent": "travel",
    }
    assert [list(each.partition_keys) for each in result.dynamic_partitions_requests or []] == [["travel"]]
    assert client.request_status(second.request_id).status == "started"
    assert asked_for() == []


def test_ticks_at_the_same_moment_never_ask_twice(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance
) -> None:
    for number in range(MOST_PER_TICK):
        client.register_agent(f"agent-{number}")
        client.request_dataset(f"agent-{number}")
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: tick(database_url, instance), range(3)))
    keys = [r.run_key for each in results if isinstance(each, dg.SensorResult) for r in each.run_requests or []]
    assert len(keys) == len(set(keys)) == MOST_PER_TICK


def test_a_tick_takes_so_many_and_no_more(client: GlowClient, asked_for: Tick) -> None:
    for number in range(MOST_PER_TICK + 2):
        client.register_agent(f"agent-{number}")
        client.request_dataset(f"agent-{number}")
    assert [len(asked_for()), len(asked_for()), len(asked_for())] == [MOST_PER_TICK, 2, 0]


def test_a_dataset_of_the_kind_asked_for_comes_of_it_even_if_nobody_watched(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    for case in cases(CODER)[:12]:
        client.log_execution(case.id, "tax", case.input, "meals")
        client.submit_annotation(case.id, "expert", "correct", output="travel")
    asked = client.request_dataset("tax", kind="evaluation")
    (request,) = asked_for()
    assert execute(definitions, instance, request, database_url)  # begins and ends without a tick in between
    asked_for()
    status = client.request_status(asked.request_id)
    assert status.status == "succeeded"
    assert status.outcome is not None
    (dataset,) = client.datasets("tax")
    assert (dataset.kind, dataset.dataset_id) == ("evaluation", status.outcome["dataset_id"])
    assert status.outcome["rows"] > 0
    assert status.outcome["run_id"] == status.run_id
    assert status.outcome["seconds"] > 0


def test_the_base_model_asked_for_is_the_one_planned(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    for case in cases(CODER)[:12]:
        client.log_execution(case.id, "tax", case.input, "meals")
        client.submit_annotation(case.id, "expert", "correct", output="travel")
    asked = client.request_training_run("tax", base_model="small-2")
    (request,) = asked_for()
    assert execute(definitions, instance, request, database_url)
    asked_for()
    status = client.request_status(asked.request_id)
    assert status.outcome is not None
    assert (status.status, status.outcome["training_state"]) == ("succeeded", "disabled")
    with connect(database_url) as connection:
        planned = connection.execute("select run_key, base_model from glow.training_runs").fetchall()
    assert planned == [(status.outcome["run_key"], "small-2")]


def test_a_goal_that_nothing_serves_fails_before_a_run(client: GlowClient, database_url: str, asked_for: Tick) -> None:
    served = client.request_prompt_optimization("tax", goals=["accuracy", "brevity"])
    other = client.request_prompt_optimization("travel", goals=["accuracy"])
    with connect(database_url) as connection:  # of a version whose face took it
        connection.execute(
            """update glow.requests set parameters = '{"goals": ["wit"]}' where request_id = %s""", (other.request_id,)
        )
    assert [request.run_key for request in asked_for()] == [f"request-{served.request_id}"]
    status = client.request_status(other.request_id)
    assert status.status == "failed"
    assert status.outcome is not None
    assert status.outcome["field"] == "goals"
    assert "wit" in status.outcome["value"]
    assert "accuracy, clarity" in status.outcome["value"]


def test_a_failure_tells_the_step_and_the_class_of_the_error_and_quotes_nobody(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    (request,) = asked_for()
    with connect(database_url) as connection:
        connection.execute("alter table glow.execution_inputs rename to moved_for_a_test")
    client.log_execution("e", "tax", "secret words", "out")
    client.submit_feedback("tax", "e", "u", thumbs=1)
    assert not execute(definitions, instance, request, database_url)
    asked_for()
    status = client.request_status(asked.request_id)
    assert status.status == "failed"
    assert status.outcome is not None
    assert (status.outcome["step"], status.outcome["error"]) == ("learning_examples", "UndefinedTable")
    assert status.outcome.keys() == {"run_id", "seconds", "step", "error"}


def test_a_blocking_check_is_named(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("leakage", asset="torn", blocking=True)])
    def torn() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="leakage", passed=False)])

    asked = client.request_dataset("tax")
    (request,) = asked_for()
    dg.materialize([torn], instance=instance, tags=dict(request.tags), raise_on_error=False)
    asked_for()
    outcome = client.request_status(asked.request_id).outcome
    assert outcome is not None
    assert outcome["checks"] == ["torn.leakage"]
    assert outcome["step"] == "torn"


def test_what_is_cancelled_while_queued_never_starts(client: GlowClient, asked_for: Tick) -> None:
    asked = client.request_dataset("tax")
    client.cancel_request(asked.request_id, "a mistake")
    assert asked_for() == []
    assert client.request_status(asked.request_id).status == "cancelled"
    again = client.request_dataset("tax")
    asked_for()
    with pytest.raises(GlowError):
        client.cancel_request(again.request_id)  # taken: its run is ended in Dagster


def test_a_run_is_shown_while_it_goes_and_its_end_in_dagster_cancels(
    client: GlowClient, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    (request,) = asked_for()
    run = create(definitions, instance, request)
    asked_for()
    status = client.request_status(asked.request_id)
    assert (status.status, status.run_id) == ("started", run.run_id)
    instance.report_run_canceled(run)
    asked_for()
    status = client.request_status(asked.request_id)
    assert status.status == "cancelled"
    assert status.outcome is not None
    assert status.outcome["run_id"] == run.run_id


def test_a_run_that_is_deleted_ends_its_request(
    client: GlowClient, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    (request,) = asked_for()
    run = create(definitions, instance, request)
    asked_for()
    instance.delete_run(run.run_id)
    assert asked_for() == []
    status = client.request_status(asked.request_id)
    assert status.status == "failed"
    assert status.outcome is not None
    assert "deleted" in status.outcome["error"]
    assert client.request_dataset("tax").request_id != asked.request_id  # and does not stand in the way of the next


def test_a_request_without_a_run_is_asked_for_again_and_not_for_ever(
    client: GlowClient, database_url: str, asked_for: Tick
) -> None:
    asked = client.request_dataset("tax")
    for _ in range(MOST_TRIES):
        assert [request.run_key for request in asked_for()] == [f"request-{asked.request_id}"]
        assert asked_for() == []  # a run may be on its way
        later(database_url, asked.request_id)
    assert asked_for() == []
    status = client.request_status(asked.request_id)
    assert status.status == "failed"
    assert status.outcome is not None
    assert "no run came of it" in status.outcome["error"]


def test_a_run_that_was_only_written_down_is_asked_for_again(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    (request,) = asked_for()
    create(definitions, instance, request, status=dg.DagsterRunStatus.NOT_STARTED)
    assert asked_for() == []
    later(database_url, asked.request_id)
    assert [each.run_key for each in asked_for()] == [request.run_key]  # the daemon launches the run of this key


def test_a_failed_run_that_dagster_runs_again_has_not_failed_yet(
    client: GlowClient, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    (request,) = asked_for()
    lost = create(definitions, instance, request)
    instance.report_run_failed(lost)
    instance.add_run_tags(lost.run_id, {"dagster/will_retry": "true"})
    asked_for()
    assert client.request_status(asked.request_id).status == "started"
    (record,) = instance.get_run_records()
    assert ended_as([record], datetime.now(UTC) + 2 * RETRY_WITHIN) == "failed"  # nobody ran it again
    instance.add_run_tags(lost.run_id, {"dagster/auto_retry_run_id": "the next"})
    retry = create(definitions, instance, request, status=dg.DagsterRunStatus.NOT_STARTED)
    asked_for()
    assert client.request_status(asked.request_id).status == "started"
    instance.report_run_failed(retry)
    asked_for()
    status = client.request_status(asked.request_id)
    assert (status.status, status.run_id) == ("failed", retry.run_id)


def test_a_run_of_an_older_database_answers_no_request_of_this_one(
    client: GlowClient, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    asked = client.request_dataset("tax")
    tags = {"glow/request": str(asked.request_id)}
    old = dg.DagsterRun("curation", status=dg.DagsterRunStatus.SUCCESS, tags=tags)
    instance.run_storage.add_historical_run(old, datetime.now(UTC) - timedelta(days=3))
    asked_for()
    asked_for()
    assert client.request_status(asked.request_id).status == "started"


def test_learning_switched_off_starts_nothing_and_still_tells_what_ended(
    client: GlowClient, database_url: str, instance: dg.DagsterInstance, asked_for: Tick, definitions: dg.Definitions
) -> None:
    running = client.request_dataset("tax")
    (request,) = asked_for()
    instance.report_run_failed(create(definitions, instance, request))
    waiting = client.request_dataset("travel")
    result = tick(database_url, instance, LEARNING_ENABLED="false")
    assert isinstance(result, dg.SkipReason)
    assert "LEARNING_ENABLED" in str(result.skip_message)
    assert client.request_status(waiting.request_id).status == "queued"
    assert client.request_status(running.request_id).status == "failed"


def test_no_row_can_be_ended_twice(client: GlowClient, database_url: str, connection: psycopg.Connection) -> None:
    client.request_dataset("tax")
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    with services.store.transaction() as t:
        (request,) = t.requests.claim(1)
        assert t.requests.claim(1) == []
        assert t.requests.finish(request.request_id, "succeeded", {})
        assert not t.requests.finish(request.request_id, "failed", {})
    services.store.close()
    assert connection.execute("select state from glow.requests").fetchall() == [("succeeded",)]
