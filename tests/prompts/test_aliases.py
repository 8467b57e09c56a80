"""What is in force: moves with their history, and going back."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import psycopg
import pytest

from glow_pipelines.client import Conflict, GlowClient, InvalidValue, NotFound
from glow_pipelines.store import Store
from glow_pipelines.store.prompts import AliasMoved, MoveRefused
from tests.prompts.conftest import AGENT, PROMPT

Worded = Callable[[str], str]


def move(store: Store, version: str, alias: str = "production", by: str = "me", **more: object) -> bool:
    with store.transaction() as t:
        return t.prompts.move_alias(AGENT, alias, version, by, "why", **more)  # type: ignore[arg-type]


def aliases(store: Store) -> dict[str, str]:
    with store.transaction() as t:
        return {name: row["prompt_version"] for row in t.prompts.versions(AGENT) for name in row["aliases"]}


def test_moving_production_keeps_what_was_before(store: Store, worded: Worded) -> None:
    one, two = worded("one"), worded("two")
    move(store, one)
    assert aliases(store) == {"production": one, "previous": PROMPT.sha256}
    assert move(store, one) is False
    move(store, two)
    assert aliases(store) == {"production": two, "previous": one}
    with store.transaction() as t:
        told = [
            (row["alias"], row["previous"], row["prompt_version"], row["revision"]) for row in t.prompts.history(AGENT)
        ]
    assert told == [
        ("previous", PROMPT.sha256, one, 2),
        ("production", one, two, 3),
        ("previous", None, PROMPT.sha256, 1),
        ("production", PROMPT.sha256, one, 2),
        ("production", None, PROMPT.sha256, 1),
    ]


def test_rollback_is_one_call_and_a_second_one_changes_nothing(
    client: GlowClient, store: Store, worded: Worded
) -> None:
    one = worded("one")
    move(store, one, "candidate")
    move(store, one)
    done = client.rollback_prompt(AGENT, "wrong since noon")
    assert (done.prompt_version, done.rolled_back, done.status) == (PROMPT.sha256, one, "rolled_back")
    assert client.resolve_prompt(AGENT).prompt_version == PROMPT.sha256
    # What was taken back is no candidate either, and a second click does not bring it back.
    assert aliases(store) == {"production": PROMPT.sha256}
    with pytest.raises(Conflict, match="no previous prompt"):
        client.rollback_prompt(AGENT, "again")
    assert aliases(store) == {"production": PROMPT.sha256}
    newest = client.prompt_history(AGENT)[:3]
    assert {(row.alias, row.kind, row.reason) for row in newest} == {
        (alias, "rollback", "wrong since noon") for alias in ("production", "previous", "candidate")
    }
    assert [row.prompt_version for row in newest] == [None, None, PROMPT.sha256]


def test_rollback_goes_to_any_version_that_was_in_production_and_to_no_other(
    client: GlowClient, store: Store, worded: Worded
) -> None:
    one, two, never = worded("one"), worded("two"), worded("never")
    move(store, one)
    move(store, two)
    with pytest.raises(NotFound, match="never in production"):
        client.rollback_prompt(AGENT, "bad", never)
    with pytest.raises(Conflict, match="in production already"):
        client.rollback_prompt(AGENT, "bad", two)
    assert client.rollback_prompt(AGENT, "bad", PROMPT.sha256).prompt_version == PROMPT.sha256
    with store.transaction() as t:
        assert t.prompts.rollback(AGENT, "me", "it was good", one)["rolled_back"] == PROMPT.sha256


def test_rollback_is_refused_without_a_reason_without_a_past_and_for_an_unknown_agent(client: GlowClient) -> None:
    with pytest.raises(InvalidValue, match="reason"):
        client.rollback_prompt(AGENT, " ")
    with pytest.raises(Conflict, match="no previous prompt"):
        client.rollback_prompt(AGENT, "bad")
    with pytest.raises(NotFound, match="agent"):
        client.rollback_prompt("nobody", "bad")


def start_experiment(admin: psycopg.Connection, control: str, treatment: str) -> None:
    admin.execute(
        """
        with o as (
          insert into glow.prompt_optimizations (optimization_id, agent, dataset_id, incumbent, feedback_until)
          values ('o1', %(agent)s, 'd1', %(control)s, 0)),
        g as (
          insert into glow.prompt_gates (gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence)
          values ('g1', 'o1', %(agent)s, %(control)s, %(treatment)s, 'promote', '{}'))
        insert into glow.learning_experiments
          (experiment_id, agent, kind, hypothesis, control, treatment, plan, gate_id)
        values ('x1', %(agent)s, 'prompt', 'better', %(control)s, %(treatment)s, '{}', 'g1')
        """,
        {"agent": AGENT, "control": control, "treatment": treatment},
    )


@pytest.fixture
def dataset(admin: psycopg.Connection) -> None:
    admin.execute(
        "insert into glow.training_datasets"
        " (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows, content_hash, statistics)"
        " values ('d1', %s, %s, 'sft', '{}', '', '', now(), 0, '', '{}')",
        (AGENT, [AGENT]),
    )


@pytest.mark.usefixtures("dataset")
def test_rollback_waits_for_the_experiment_that_runs_on_the_prompt(
    client: GlowClient, store: Store, worded: Worded, admin: psycopg.Connection
) -> None:
    one, two = worded("one"), worded("two")
    move(store, one)
    start_experiment(admin, one, two)
    with pytest.raises(Conflict, match=r"experiment x1 .* is running"):
        client.rollback_prompt(AGENT, "bad")
    with pytest.raises(MoveRefused, match="x1"), store.transaction() as t:
        t.prompts.rollback(AGENT, "me", "bad")
    admin.execute("update glow.learning_experiments set state = 'stopped', stopped_at = now()")
    assert client.rollback_prompt(AGENT, "bad").rolled_back == one


@pytest.mark.usefixtures("dataset")
def test_a_move_names_its_gate_and_experiment_and_a_gate_is_over_once_its_prompt_was_rolled_back(
    client: GlowClient, store: Store, worded: Worded, admin: psycopg.Connection
) -> None:
    one = worded("one")
    start_experiment(admin, PROMPT.sha256, one)
    admin.execute("update glow.learning_experiments set state = 'stopped', stopped_at = now()")
    with pytest.raises(MoveRefused, match="experiment_id"):
        move(store, one, gate_id="g1", experiment_id="x2")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        move(store, one, gate_id="g2")
    move(store, one, gate_id="g1", experiment_id="x1")
    moved = client.prompt_history(AGENT)[1]
    assert (moved.alias, moved.gate_id, moved.experiment_id) == ("production", "g1", "x1")
    with store.transaction() as t:
        gate = t.optimizations.latest_gate(AGENT)
        assert gate is not None
        assert gate["finalist"] == one
        t.prompts.rollback(AGENT, "me", "users disagree")
        assert t.optimizations.latest_gate(AGENT) is None


def test_an_unknown_version_is_refused_and_history_cannot_be_rewritten(store: Store, admin: psycopg.Connection) -> None:
    with pytest.raises(MoveRefused, match="prompt_version"):
        move(store, "0" * 64)
    with pytest.raises(psycopg.ProgrammingError, match="immutable"):
        admin.execute("update glow.prompt_alias_history set moved_by = 'somebody else'")


def test_a_revision_is_never_used_twice(store: Store, worded: Worded) -> None:
    """Somebody who saw revision 1 must not move an alias that was taken back and set anew."""
    one, two = worded("one"), worded("two")
    move(store, one, "candidate")
    move(store, one)
    with store.transaction() as t:
        t.prompts.rollback(AGENT, "me", "bad")
    move(store, two, "candidate")
    with pytest.raises(AliasMoved, match="revision 3, not at 1"):
        move(store, one, "candidate", expected=1)
    with pytest.raises(AliasMoved, match="revision 3, not at 0"):
        move(store, one, "candidate", expected=0)


@pytest.mark.usefixtures("dataset")
def test_a_rollback_and_the_start_of_an_experiment_wait_for_each_other(
    store: Store, worded: Worded, admin: psycopg.Connection, database_url: str
) -> None:
    one, two = worded("one"), worded("two")
    move(store, one)
    start_experiment(admin, one, two)
    admin.execute("update glow.learning_experiments set state = 'stopped', stopped_at = now()")
    other = Store(database_url)

    def rolled_back() -> str:
        try:
            with other.transaction() as t:
                return str(t.prompts.rollback(AGENT, "me", "bad")["rolled_back"])
        except MoveRefused as refused:
            return str(refused)

    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as t:
            assert t.experiments.create("x2", AGENT, "better", one, two, {}, "g1")
            waits = pool.submit(rolled_back)
            wait_until_blocked(admin)
        assert "experiment x2" in waits.result(30)
        admin.execute("update glow.learning_experiments set state = 'stopped', stopped_at = now()")
        with store.transaction() as t:
            t.prompts.rollback(AGENT, "me", "bad")
            late = pool.submit(started, other, "x3", one, two)
            wait_until_blocked(admin)
        assert late.result(30) is False
    other.close()


def started(store: Store, name: str, control: str, treatment: str) -> bool:
    with store.transaction() as t:
        return t.experiments.create(name, AGENT, "better", control, treatment, {}, "g1")


def wait_until_blocked(admin: psycopg.Connection) -> None:
    for _ in range(300):
        row = admin.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
        if row == (1,):
            return
        sleep(0.05)
    raise AssertionError("nobody waits")


MOVER = """
import sys
from glow_pipelines.store import Store
from glow_pipelines.store.prompts import AliasMoved
url, version = sys.argv[1:]
store = Store(url)
try:
    with store.transaction() as t:
        seen = t.prompts.in_force("coder")
        print("ready", flush=True)
        sys.stdin.readline()
        t.prompts.move_alias("coder", "production", version, version[:4], "race", expected=seen.revision)
    print("moved")
except AliasMoved as error:
    print(f"refused: {error}")
"""


def test_of_two_processes_that_move_production_at_once_one_wins(
    store: Store, worded: Worded, database_url: str, tmp_path: Path
) -> None:
    program = tmp_path / "mover.py"
    program.write_text(MOVER)
    versions = [worded("one"), worded("two")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    movers = [
        subprocess.Popen(
            [sys.executable, str(program), database_url, version],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for version in versions
    ]  # fmt: skip
    for each in movers:  # both have read the same revision before either writes
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in movers:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    told = [each.communicate(timeout=60)[0].strip() for each in movers]
    assert sorted(each.split(":")[0] for each in told) == ["moved", "refused"]
    assert "coder is" in next(each for each in told if each.startswith("refused"))
    winner = versions[told.index("moved")]
    assert aliases(store) == {"production": winner, "previous": PROMPT.sha256}
    with store.transaction() as t:
        assert sum(row["reason"] == "race" and row["alias"] == "production" for row in t.prompts.history(AGENT)) == 1


def test_who_waited_for_another_mover_is_refused(store: Store, worded: Worded, database_url: str) -> None:
    """The write itself compares: the slow one reads before the fast one commits and writes after."""
    one, two = worded("one"), worded("two")
    other = Store(database_url)
    with store.transaction() as slow:
        assert slow.prompts.in_force(AGENT) is not None
        with other.transaction() as fast:
            fast.prompts.move_alias(AGENT, "production", one, "fast", "first")
        row = slow.prompts._row(
            "move_alias", agent=AGENT, alias="production", prompt_version=two, expected=1, moved_by="slow", reason="",
            gate_id=None, experiment_id=None,
        )  # fmt: skip
        assert row == {"revision": None}
    other.close()
    assert aliases(store)["production"] == one
