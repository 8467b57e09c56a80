"""Experiments at once: the database keeps their units apart, whoever starts them, and exposures belong to a person."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import sleep

import psycopg
import pytest

from glow_pipelines.database import connect
from glow_pipelines.learning.experiments.assignment import MILLION, Trial
from glow_pipelines.store import Store
from tests.api.calling import call, execution, one
from tests.experiments.assigning import AGENT, CONFIGS, World, made

TEST = Trial("one", AGENT, "one#1")
LOW, HIGH = (0, 500_000), (500_000, MILLION)


@pytest.fixture
def world(connection: psycopg.Connection) -> World:
    connection.autocommit = True
    return made(connection)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def wait_until_blocked(world: World) -> None:
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    for _ in range(300):
        if one(world.connection, waiting) == 1:
            return
        sleep(0.05)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Trial("two", AGENT, "two#1"), "slots of layer 'prompt' that are free; one has 0 to 500000"),
        (Trial("two", AGENT, "two#1", layer="other"), "layer 'prompt'"),
        (Trial("two", AGENT, "two#1", slots=HIGH, unit="session"), "layer 'prompt', which are user and pg1"),
        (Trial("two", AGENT, "two#1", slots=HIGH, hash="gb2"), "units and hash"),
        (Trial("two", AGENT, "two#1", kind="model", layer="prompt", slots=(499_999, MILLION)), "slots of layer"),
    ],
)  # fmt: skip
def test_what_would_share_units_is_refused_and_names_what_stands_in_the_way(
    world: World, other: Trial, why: str
) -> None:
    for state in ("running", "paused", "held", "ramping"):
        world.start(replace(TEST, experiment_id="one", slots=LOW, state=state))
        with pytest.raises(psycopg.Error, match="'one' stands in the way of 'two'") as refused:
            world.start(other)
        assert refused.value.sqlstate == "PT409"
        assert why in (refused.value.diag.message_hint or "")
        world.connection.execute("delete from glow.learning_experiments")


def test_disjoint_slots_layers_of_other_kinds_and_ended_experiments_are_free(world: World) -> None:
    world.start(replace(TEST, experiment_id="over", state="stopped"))
    world.start(replace(TEST, slots=LOW))
    world.start(replace(TEST, experiment_id="two", salt="two#1", slots=HIGH))
    world.start(Trial("three", AGENT, "three#1", "model", "model", unit="session"))
    seen = {who: world.resolve(who)["experiments"] for who in (f"u{n}" for n in range(40))}
    assert {len(each) for each in seen.values()} == {1}
    assert {each[0]["experiment_id"] for each in seen.values()} == {"one", "two"}


def test_of_two_sessions_that_start_at_once_the_second_waits_and_is_refused(world: World, database_url: str) -> None:
    with connect(database_url) as first, connect(database_url) as second, ThreadPoolExecutor(1) as pool:
        World(first, world.versions).start(TEST)
        late = pool.submit(World(second, world.versions).start, replace(TEST, experiment_id="two"))
        wait_until_blocked(world)
        first.commit()
        with pytest.raises(psycopg.Error, match="'one' stands in the way of 'two'"):
            late.result(30)


def test_a_transaction_that_would_not_see_the_other_is_refused(world: World, database_url: str) -> None:
    with connect(database_url) as blind:
        blind.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.Error, match="repeatable read") as refused:
            World(blind, world.versions).start(TEST)
        assert refused.value.sqlstate == "PT409"


@pytest.mark.parametrize(
    "changed",
    [
        {"treatment": "f" * 64},
        {"slot_to": 400_000},
        {"unit": "session"},
        {"hash": "gb2"},
        {"salt": "other"},
        {"phase": 1},
    ],
)
def test_what_a_phase_promised_does_not_change(world: World, changed: dict[str, object]) -> None:
    world.start(replace(TEST, slots=LOW, phase=2))
    with pytest.raises(psycopg.Error) as refused:
        world.set("one", **changed)
    assert refused.value.sqlstate == "PT409"
    if "treatment" not in changed and "phase" not in changed:
        world.set("one", **changed, phase=3)


def test_nobody_stops_an_experiment_between_the_choice_and_its_exposure(world: World, database_url: str) -> None:
    world.start(TEST)
    with connect(database_url) as app, ThreadPoolExecutor(1) as pool:
        told = World(app, world.versions).resolve("u1")
        stopped = pool.submit(world_stopped, database_url, world)
        wait_until_blocked(world)
        assert world.exposures() == []
        app.commit()
        stopped.result(30)
    assert [row[4] for row in world.exposures()] == [told["variant"]]


def test_who_was_exposed_before_or_takes_no_part_writes_nothing_and_waits_for_nobody(
    world: World, database_url: str
) -> None:
    """A lock is a write: each call would wait for the disk."""
    world.start(replace(TEST, slots=LOW))
    people = [f"u{n}" for n in range(10)]
    told = {who: world.resolve(who)["variant"] for who in people}
    assert len(set(told.values())) == 3
    with connect(database_url) as stopping, connect(database_url, autocommit=True) as app:
        World(stopping, world.versions).set("one", state="stopped", stopped_at="now")
        app.execute("set default_transaction_read_only = on")
        assert {who: World(app, world.versions).resolve(who)["variant"] for who in people} == told


def world_stopped(url: str, world: World) -> None:
    with connect(url, autocommit=True) as other:
        World(other, world.versions).set("one", state="stopped", stopped_at="now")


def test_a_unit_asked_for_twice_at_once_has_one_exposure(world: World, database_url: str) -> None:
    world.start(TEST)
    with connect(database_url) as first, connect(database_url) as second, ThreadPoolExecutor(1) as pool:
        told = World(first, world.versions).resolve("u1")
        late = pool.submit(World(second, world.versions).resolve, "u1")
        wait_until_blocked(world)
        first.commit()
        assert late.result(30)["variant"] == told["variant"]
    assert len(world.exposures()) == 1


def test_the_store_starts_what_fits_in_the_transaction_at_hand(world: World, store: Store) -> None:
    prompts, configs = world.versions["prompt"], world.versions["config"]
    with store.transaction() as t:
        assert t.experiments.create("one", AGENT, "", prompts[0], prompts[1], {}, None, 1, slots=LOW)
        assert not t.experiments.create("one", AGENT, "", prompts[0], prompts[1], {}, None, 1, slots=LOW)
        assert not t.experiments.create("two", AGENT, "", prompts[0], prompts[2], {}, None, 1)
        assert t.experiments.create("two", AGENT, "", prompts[0], prompts[2], {}, None, 1, slots=HIGH, salt="seed")
        arms = (CONFIGS[0], CONFIGS[1])
        assert t.experiments.create("three", AGENT, "", *configs[:2], {}, None, 1, kind="config", configs=arms)
        assert not t.experiments.create("four", AGENT, "", prompts[1], prompts[2], {}, None, 1, kind="prompt")
        assert [row["experiment_id"] for row in t.experiments.active(AGENT)] == ["one", "two", "three"]
        found = t.experiments.find("two")
        assert found is not None
        assert (found["layer"], found["salt"], found["control_ppm"]) == ("prompt", "seed", 500_000)
        assert one(world.connection, "select count(*) from glow.learning_experiments") == 0
    assert one(world.connection, "select count(*) from glow.learning_experiments") == 3


def test_erasing_a_person_takes_the_exposures_of_all_their_units(world: World) -> None:
    for kind, unit in (("prompt", "user"), ("model", "session"), ("config", "execution"), ("retrieval", "org")):
        world.start(Trial(kind, AGENT, f"{kind}#1", kind, kind, unit=unit))  # type: ignore[arg-type]
    for who in ("ann", "ben"):
        world.resolve(who, session=f"{who}-s", org="o", execution=f"{who}-e")
    world.resolve(session="ann-alone", execution="ann-loose")
    world.resolve("ann", tenant="acme")
    said = {"agent": AGENT, "user_id": "ann", "conversation_id": "ann-alone"}
    call(world.connection, "log_execution", **{**execution(1), **said, "execution_id": "ann-loose"})
    told = call(world.connection, "erase_subject", tenant="default", subject="ann")["confirm"]
    call(world.connection, "erase_subject", tenant="default", subject="ann", dry_run=False, confirm=told)
    assert {row[2] for row in world.exposures()} == {"o", "ben", "ben-s", "ben-e", "acme\x1fann"}


def test_exposures_go_with_the_executions_of_an_experiment_that_is_over(world: World) -> None:
    world.start(TEST)
    world.resolve("u1")
    later = "select glow.expire(now() + interval '40 days')"
    world.connection.execute(later)
    assert len(world.exposures()) == 1
    world.set("one", state="stopped", stopped_at="now")
    world.connection.execute("select glow.expire(now() - interval '1 day')")
    assert len(world.exposures()) == 1
    world.connection.execute(later)
    assert world.exposures() == []
