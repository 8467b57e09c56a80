"""Putting an arm in force: once, whatever it varies, and back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from glow_pipelines.learning.experiments.assignment import Trial
from glow_pipelines.store import Store
from tests.api.calling import one
from tests.experiments.assigning import AGENT, CONFIGS, KINDS, World, made


@pytest.fixture
def world(connection: psycopg.Connection) -> World:
    connection.autocommit = True
    return made(connection)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def put(store: Store, which: str, kind: str = "move") -> int:
    with store.transaction() as t:
        return t.experiments.put_in_force("x", which, "pipeline", "it won", kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_an_arm_is_put_in_force_once_and_taken_back_once(world: World, store: Store, kind: str) -> None:
    world.start(Trial("x", AGENT, "x#1", kind, kind))
    in_force = f"select glow.in_force('{AGENT}', '{kind}')"
    control, treatment = world.versions[kind][:2]
    assert put(store, "control") in ((0, 1) if kind == "retrieval" else (0,))
    assert put(store, "treatment") > 0
    assert put(store, "treatment") == 0
    assert one(world.connection, in_force) == treatment
    assert put(store, "control", "rollback") > 0
    assert put(store, "control", "rollback") == 0
    assert one(world.connection, in_force) == control
    previous = {
        "prompt": "select count(*) from glow.prompt_aliases where alias = 'previous'",
        "retrieval": "select count(*) from glow.retrieval_aliases where alias = 'previous'",
    }.get(kind, "select count(*) from glow.agent_configs where alias = 'previous'")
    assert one(world.connection, previous) == 0, "after a rollback there is nothing to go back to"
    assert put(store, "treatment") > 0
    assert one(world.connection, previous) == 1


def test_what_is_in_force_is_what_everybody_gets_and_its_moves_are_kept(world: World, store: Store) -> None:
    world.start(Trial("x", AGENT, "x#1", "config", "config"))
    put(store, "treatment")
    world.set("x", state="completed", stopped_at="now")
    assert world.resolve()["config"] == CONFIGS[1]
    put(store, "control", "rollback")
    moves = world.connection.execute(
        "select alias, version, previous, revision, move, moved_by, reason, experiment_id"
        "  from glow.agent_config_history order by move_id"
    ).fetchall()
    first, second = world.versions["config"][:2]
    assert moves == [
        ("production", second, None, 1, "move", "pipeline", "it won", "x"),
        ("production", first, second, 2, "rollback", "pipeline", "it won", "x"),
    ]
    with pytest.raises(psycopg.Error, match="immutable"):
        world.connection.execute("update glow.agent_config_history set reason = ''")


def test_two_that_put_the_same_arm_in_force_move_it_once(world: World, database_url: str) -> None:
    world.start(Trial("x", AGENT, "x#1", "model", "model"))
    stores = [Store(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(lambda store: put(store, "treatment"), stores))
    assert told == [0, 0, 0, 1]
    for store in stores:
        store.close()


def test_what_is_no_arm_is_refused(world: World, store: Store) -> None:
    with pytest.raises(psycopg.Error, match="experiment_id") as refused:
        put(store, "treatment")
    assert refused.value.sqlstate == "PT404"
    world.start(Trial("x", AGENT, "x#1"))
    with pytest.raises(psycopg.Error, match="which") as refused:
        put(store, "winner")
    assert refused.value.sqlstate == "PT422"
