"""What an erasure leaves to the pipeline: killed anywhere it is finished later, and late writers are waited for."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.database import connect
from glow_pipelines.defs.erasures import erasures, open_erasures
from glow_pipelines.erasure import files, finish, finish_erasures
from glow_pipelines.learning.prompts.types import Demonstration, Prompt
from glow_pipelines.store.erasure import Erasures
from glow_pipelines.store.foreign import ForeignTexts
from tests.api.calling import one
from tests.erasure.world import AGENT, MARK, World

OTHER_TENANT = {"agent_feedback", "current_feedback", "executions"}


def left(world: World) -> set[str]:
    return {each.removeprefix("glow:glow.").partition("_2026")[0] for each in world.marked()}


def finished(world: World) -> list[finish.Finished]:
    services = world.services()
    try:
        return finish_erasures(services, world.project)
    finally:
        services.store.close()


# Where a process may die, by what it is about to do: (module or class, name, how many calls before).
POINTS: dict[str, tuple[Any, str, int]] = {
    "before the exports": (finish, "delete_exports", 0),
    "before the successor": (finish, "rebuild", 0),
    "after the successor, before it is told": (Erasures, "settle", 1),
    "before our own tables": (Erasures, "sweep", 0),
    "among our own tables": (Erasures, "_replace", 1),
    "before Dagster's tables": (ForeignTexts, "change", 0),
    "among Dagster's tables": (ForeignTexts, "_change_batch", 2),
    "before the files": (finish, "scrub_files", 0),
    "among the files": (files, "_scrub", 1),
    "before it says so": (Erasures, "settle", 2),
    "before it forgets": (Erasures, "finish", 0),
}


def die_at(place: Any, name: str, calls: int) -> None:
    """Let this process be killed when it comes to that point."""
    real: Callable[..., Any] = getattr(place, name)
    seen = iter(range(10**6))

    def deadly(*arguments: Any, **named: Any) -> Any:
        if next(seen) >= calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(place, name, deadly)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_killed_anywhere_it_is_finished_by_the_next(world: World) -> None:
    world.erase()
    for point, (place, name, calls) in POINTS.items():
        child = os.fork()
        if child == 0:
            die_at(place, name, calls)
            finished(world)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        # What is done once is not done again: later points may not be met any more, and never by an error.
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, point
    finished(world)
    assert left(world) == OTHER_TENANT
    with connect(world.url) as connection:
        assert one(connection, "select count(*) from glow.erasures where finished_at is null") == 0
        assert (
            one(
                connection,
                "select count(*) from glow.training_datasets where revoked_at is not null and successor is null",
            )
            == 0
        )


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize(
    "point", ["after the successor, before it is told", "among Dagster's tables", "among the files"]
)
def test_each_kill_alone(world: World, point: str) -> None:
    world.erase()
    child = os.fork()
    if child == 0:
        die_at(*POINTS[point])
        finished(world)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert any(each.state == "done" for each in finished(world))
    assert left(world) == OTHER_TENANT


def run_of_dagster(world: World, status: str, since: datetime) -> None:
    with connect(world.dagster_url) as connection:
        connection.execute("update runs set status = %s, start_time = %s", (status, since.timestamp()))


def test_what_a_run_writes_that_had_read_before_is_erased_when_it_has_ended(world: World) -> None:
    with connect(world.url) as connection:
        shown = connection.execute(
            "select x.example_id, x.input, x.target, x.example_version from glow.learning_examples x"
            " where x.superseded_at is null and x.input like %s and x.status = 'approved' limit 1", (f"%{MARK}%",)
        ).fetchone()  # fmt: skip
    assert shown is not None
    run_of_dagster(world, "STARTED", datetime.now(UTC) - timedelta(minutes=5))
    world.erase()
    (scrub,) = [each for each in finished(world) if each.task.kind == "scrub"]
    assert scrub.state == "waiting"
    assert scrub.outcome["runs that may still write"] == 2
    with connect(world.url) as connection:
        assert one(connection, "select count(*) from glow.erasure_probes where value like %s", f"%{MARK}%") > 0

    late = Prompt("Which account?", demonstrations=(Demonstration(shown[0], shown[1], shown[2]),), choices=("travel",))
    services = world.services()
    with services.store.transaction() as t:
        t.connection.execute(
            "insert into glow.prompt_versions (agent, prompt_version, prompt, operator)"
            " select %s, encode(sha256(convert_to(p::text, 'UTF8')), 'hex'), p, 'late' from (select %s::jsonb as p) x",
            (AGENT, psycopg.types.json.Jsonb(late.content())),
        )
        t.connection.execute(
            "insert into glow.responses values ('k', 'm', %s, 1, 1, 1, 1)", (f"You asked: {shown[1]}",)
        )
        t.connection.execute(
            "insert into glow.evaluations (agent, prompt_version, example_id, metric, model, output, score, stage)"
            " values (%s, %s, 'another', 'label', 'm', %s, 0, 'race')",
            (AGENT, late.sha256, f"I was shown {shown[1]}"),
        )
    with connect(world.dagster_url) as connection:
        connection.execute(
            "insert into event_logs (run_id, event) select run_id, %s from runs", (f'{{"user_message": "{shown[1]}"}}',)
        )
    run_of_dagster(world, "STARTED", datetime.now(UTC) - timedelta(minutes=5))
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(open_erasures(context, services=services), dg.SkipReason)
        run_of_dagster(world, "SUCCESS", datetime.now(UTC) - timedelta(minutes=5))
        assert isinstance(open_erasures(context, services=services), dg.RunRequest)
    services.store.close()
    finished(world)
    assert left(world) == OTHER_TENANT


def test_the_asset_does_what_is_left(world: World) -> None:
    world.erase()
    services = world.services()
    with world.instance() as instance:
        result = dg.materialize([erasures], instance=instance, resources={"services": services})
        (check,) = result.get_asset_check_evaluations()
        assert check.passed
        assert isinstance(open_erasures(dg.build_sensor_context(instance=instance), services=services), dg.SkipReason)
        again = dg.materialize([erasures], instance=instance, resources={"services": services})
        assert again.asset_materializations_for_node("erasures")[0].metadata["done"].value == 0
        # Dagster can still read what it wrote.
        for key in instance.all_asset_keys():
            assert instance.get_latest_materialization_event(key) is not None
        for record in instance.get_run_records():
            assert instance.all_logs(record.dagster_run.run_id)
    services.store.close()
    assert left(world) == OTHER_TENANT


def test_a_task_that_fails_is_told_and_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.erase()

    def broken(*_: object, **__: object) -> None:
        raise PermissionError(f"no right to write {MARK}")

    with monkeypatch.context() as patch:
        patch.setattr(finish, "scrub_files", broken)
        found = finished(world)
    assert [each.error for each in found] == [None, None, "PermissionError"]
    with connect(world.url) as connection:
        assert (
            one(connection, "select outcome ->> 'error' from glow.erasure_tasks where kind = 'scrub'")
            == "PermissionError"
        )
        assert one(connection, "select outcome::text from glow.erasure_tasks where kind = 'scrub'").count(MARK) == 0
    assert all(each.error is None for each in finished(world))
    assert left(world) == OTHER_TENANT
