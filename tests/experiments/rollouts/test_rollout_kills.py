"""Moves that are interrupted at any statement, and moves that meet: what is left is one of the legal states.

Belongs here: real kills, faults and races. Does not: what each move does (test_rollouts).
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.store import Store
from glow_pipelines.store.prompts import MoveRefused
from tests.experiments.rollouts.moving import AGENT, NEW, OLD, begin, everything, stages, state

Move = Callable[[Any], Any]
LAST = stages(shares=[(1_000_000, 0, 0)])
# What is open before the move, the move, and what it comes to.
MOVES: dict[str, tuple[dict[str, Any] | None, Move, tuple[str, str | None, int | None, str]]] = {
    "open": (None, lambda r: r.open("x1", stages(), "me", "won"), ("ramping", "running", 0, "old")),
    "advance": (stages(), lambda r: r.advance("x1", 1, "me", "well"), ("ramping", "running", 1, "old")),
    "complete": (LAST, lambda r: r.complete("x1", 1, "me", "well"), ("completed", "completed", 0, "new")),
    "pause": (stages(), lambda r: r.pause("x1", "me", "a look"), ("paused", "paused", 0, "old")),
    "hold": (stages(), lambda r: r.hold_experiment("x1", "me", "skewed"), ("held", "paused", 0, "old")),
    "approve": (stages(0), lambda r: r.approve("x1", "me", "go"), ("ramping", "running", 0, "old")),
    "roll_back": (stages(), lambda r: r.roll_back("x1", "me", "harm"), ("rolled_back", "rolled_back", 0, "old")),
    "stop": (None, lambda r: r.stop_experiment("x1", "keep", "me", "enough"), ("stopped", None, None, "old")),
}
FAULT = """
create function public.fault() returns trigger language plpgsql as $$ begin raise exception 'killed here'; end $$;
create trigger fault after insert or update on glow.{table} for each row execute function public.fault()
"""
WRITTEN = ["learning_experiments", "rollouts", "rollout_moves", "notifications"]
WRITTEN += ["prompt_aliases", "prompt_alias_history"]


def prepare(store: Store, move: str) -> Move:
    begin(store)
    plan, made, _ = MOVES[move]
    if plan is not None:
        with store.transaction() as t:
            t.rollouts.open("x1", plan, "me", "won")
    return made


@pytest.mark.parametrize("move", MOVES)
def test_a_fault_at_any_write_leaves_what_was_and_the_next_try_goes_through(
    client: GlowClient, store: Store, database_url: str, move: str
) -> None:
    made = prepare(store, move)
    before, struck = everything(store), 0
    with connect(database_url, autocommit=True) as admin:
        for table in WRITTEN:
            admin.execute(FAULT.format(table=table).encode())
            try:
                with store.transaction() as t:
                    t.connection.execute("select 1")
                    made(t.rollouts)
                    raise RuntimeError("killed before the commit")  # where this table is not written by the move
            except RuntimeError:
                pass
            except psycopg.errors.RaiseException:
                struck += 1
            admin.execute(f"drop trigger fault on glow.{table}; drop function public.fault()".encode())
            assert everything(store) == before, table
    assert struck >= 3
    with store.transaction() as t:
        made(t.rollouts)
    assert state(store) == MOVES[move][2]


def waits(admin: psycopg.Connection, least: int = 1) -> list[int]:
    """The sessions that wait for a lock."""
    query = (
        b"select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' order by 1"
    )
    deadline = time.monotonic() + 20
    while True:
        pids = [pid for (pid,) in admin.execute(query).fetchall()]
        if len(pids) >= least:
            return pids
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)


def test_a_session_killed_in_the_middle_of_completing_leaves_the_rollout_running(
    client: GlowClient, store: Store, database_url: str
) -> None:
    """It has written experiment and rollout and waits for the alias: the last of its locks."""
    made = prepare(store, "complete")
    before = everything(store)
    with connect(database_url, autocommit=True) as admin, connect(database_url) as holder:
        holder.execute("select from glow.prompt_aliases for update")
        with ThreadPoolExecutor(1) as threads:

            def complete() -> None:
                with store.transaction() as t:
                    made(t.rollouts)

            running = threads.submit(complete)
            (pid,) = waits(admin)
            admin.execute("select pg_terminate_backend(%s)", (pid,))
            with pytest.raises(psycopg.OperationalError):
                running.result(30)
        holder.rollback()
    assert everything(store) == before
    with store.transaction() as t:
        assert made(t.rollouts)["status"] == "rollout_completed"
    assert state(store) == ("completed", "completed", 0, "new")


def together(store: Store, database_url: str, *moves: Move) -> list[str]:
    """The statuses of moves that start at the same moment: all wait for the experiment until it is let go."""

    def run(move: Move) -> str:
        try:
            with store.transaction() as t:
                return str(move(t.rollouts)["status"])
        except MoveRefused as refused:
            return str(refused)

    with connect(database_url, autocommit=True) as admin, connect(database_url) as holder:
        holder.execute("select from glow.learning_experiments for update")
        with ThreadPoolExecutor(len(moves)) as threads:
            running = [threads.submit(run, move) for move in moves]
            waits(admin, len(moves))
            holder.rollback()
            return [each.result(30) for each in running]


def test_of_schedulers_that_tick_together_one_moves_by_one_stage(
    client: GlowClient, store: Store, database_url: str
) -> None:
    made = prepare(store, "advance")
    statuses = together(store, database_url, *[made] * 4)
    assert sorted(statuses) == ["moved_before"] * 3 + ["rollout_advanced"]
    assert state(store) == ("ramping", "running", 1, "old")


def test_a_rollback_wins_whoever_is_first(client: GlowClient, store: Store, database_url: str) -> None:
    made = prepare(store, "advance")
    back = MOVES["roll_back"][1]
    statuses = together(store, database_url, made, back, back)
    assert sorted(statuses[1:]) == ["rolled_back", "unchanged"]
    assert statuses[0] in ("rollout_advanced", "moved_before")
    assert state(store)[0:2] == ("rolled_back", "rolled_back")


def test_completing_and_taking_back_meet_and_one_version_is_in_force_for_all(
    client: GlowClient, store: Store, database_url: str
) -> None:
    made = prepare(store, "complete")
    statuses = together(store, database_url, made, MOVES["roll_back"][1])
    assert statuses[1] == "rolled_back"
    assert state(store)[1:] == ("rolled_back", 0, "old")
    assert client.resolve_prompt(AGENT, "u-1").prompt_version == OLD.sha256


def test_nobody_gets_the_treatment_once_it_is_taken_back(client: GlowClient, store: Store, database_url: str) -> None:
    prepare(store, "complete")
    with ThreadPoolExecutor(3) as threads:

        def resolve(name: str) -> list[tuple[float, str]]:
            seen = []
            with GlowClient(database_url, 1) as own:
                for n in range(60):
                    begun = time.monotonic()
                    seen.append((begun, own.resolve_prompt(AGENT, f"{name}-{n}").prompt_version))
            return seen

        running = [threads.submit(resolve, name) for name in ("a", "b")]
        time.sleep(0.1)
        with store.transaction() as t:
            t.rollouts.roll_back("x1", "me", "harm")
        committed = time.monotonic()
        seen = [each for thread in running for each in thread.result(60)]
    assert {version for begun, version in seen if begun > committed} <= {OLD.sha256}
    assert {version for _, version in seen} <= {OLD.sha256, NEW.sha256}
