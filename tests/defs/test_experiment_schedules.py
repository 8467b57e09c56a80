"""When experiments are looked at: nightly without a whole turn, hourly whatever LEARNING_ENABLED says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from glow_pipelines.defs.experiments.decisions import experiment
from glow_pipelines.defs.schedules import decisions, nightly, watching
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import look_at, start_asked
from tests.steps.experimenting import AGENT, OTHER, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import world as world

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture
def asked(world: World, tmp_path: Path) -> Callable[..., list[dg.RunRequest] | dg.SkipReason]:
    """What a schedule asks for, of a world in which `tax` runs an experiment and nobody has news."""
    request = world.client.create_experiment(AGENT, OTHER.sha256)
    with world.store.transaction() as t:
        start_asked(
            t, Settings.from_environment({}), AGENT, request.request_id, t.requests.parameters(request.request_id)
        )

    def run(schedule: dg.ScheduleDefinition, **environment: str) -> list[dg.RunRequest] | dg.SkipReason:
        services = Services(Settings.from_environment({"DATABASE_URL": world.url, **environment}))
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            found = schedule(
                dg.build_schedule_context(instance=instance, scheduled_execution_time=AT), services=services
            )
            if isinstance(found, list):
                assert instance.get_dynamic_partitions("agent") == [AGENT]
        services.close()
        assert isinstance(found, list | dg.SkipReason)
        return found

    return run


def test_an_agent_with_only_an_experiment_pays_for_no_turn(
    asked: Callable[..., list[dg.RunRequest] | dg.SkipReason],
) -> None:
    assert isinstance(asked(nightly), dg.SkipReason)
    requests = asked(decisions)
    assert isinstance(requests, list)
    assert [(each.run_key, each.partition_key) for each in requests] == [(f"{AGENT}@2026-11-22", AGENT)]
    assert decisions.job_name == "experimentation"


def test_experiments_asked_for_are_decided_where_nothing_is_optimized_by_itself(
    asked: Callable[..., list[dg.RunRequest] | dg.SkipReason],
) -> None:
    assert isinstance(asked(decisions, LEARNING_AUTO_OPTIMIZE="false"), list)


def test_what_is_on_users_is_watched_also_where_learning_is_off(
    asked: Callable[..., list[dg.RunRequest] | dg.SkipReason], world: World
) -> None:
    assert isinstance(asked(decisions, LEARNING_ENABLED="false"), dg.SkipReason)
    requests = asked(watching, LEARNING_ENABLED="false")
    assert isinstance(requests, list)
    assert [(each.run_key, each.partition_key) for each in requests] == [(f"{AGENT}@2026-11-22T02", AGENT)]
    # Not by the agent's own limit: it would wait behind that agent's turn.
    assert "glow/agent" not in requests[0].tags
    with world.store.transaction() as t:
        (running,) = t.experiments.active(AGENT)
    world.client.stop_experiment(running["experiment_id"], "enough")
    assert isinstance(asked(watching), dg.SkipReason)
    assert isinstance(asked(decisions), dg.SkipReason)


def test_an_agent_whose_turns_fail_is_decided_all_the_same(
    asked: Callable[..., list[dg.RunRequest] | dg.SkipReason], world: World
) -> None:
    assert isinstance(asked(watching), list)  # from now on it is known
    world.before(users=20)
    assert isinstance(asked(nightly), list)
    assert isinstance(asked(decisions), dg.SkipReason)  # the turn ends with the look
    with world.store.transaction() as t:
        (running,) = t.experiments.active(AGENT)
    named = running["experiment_id"]
    world.begin(named, datetime.now(UTC) - timedelta(days=9))
    assert isinstance(asked(decisions), list)
    look_at(world.store, named, "guardrail", datetime.now(UTC))
    assert isinstance(asked(decisions), list)
    look_at(world.store, named, "decision", datetime.now(UTC))
    assert isinstance(asked(decisions), dg.SkipReason)


@pytest.mark.parametrize(("job", "learned"), [("turn", "7"), ("experimentation", "0")])
def test_only_a_turn_ends_with_its_feedback_learned(world: World, job: str, learned: str) -> None:
    with world.store.transaction() as t:
        t.operations.set_watermark("training_dataset", "7", AGENT)
    services = Services(Settings.from_environment({"DATABASE_URL": world.url}))
    definitions = dg.Definitions(
        assets=[experiment, dg.AssetSpec("candidate_prompt")],
        jobs=[dg.define_asset_job(job, selection=["experiment"])],
        resources={"services": services},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", [AGENT])
        assert definitions.resolve_job_def(job).execute_in_process(partition_key=AGENT, instance=instance).success
    services.close()
    with world.store.transaction() as t:
        assert t.operations.watermark("turn", AGENT) == learned
