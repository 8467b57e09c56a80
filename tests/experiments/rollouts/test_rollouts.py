"""Rollouts on a real database: what each move does to whom, twice, and what is refused."""

from typing import Any

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.store import Store
from glow_pipelines.store.prompts import MoveRefused
from tests.experiments.rollouts.moving import AGENT, NEW, OLD, begin, everything, stages, state

USERS = [f"user-{n}" for n in range(200)]


def given(client: GlowClient, users: list[str] = USERS) -> dict[str, str]:
    """Which users get the new prompt."""
    return {user: client.resolve_prompt(AGENT, user).prompt_version for user in users}


def treated(client: GlowClient, users: list[str] = USERS) -> set[str]:
    return {user for user, version in given(client, users).items() if version == NEW.sha256}


def test_a_rollout_grows_by_stages_until_the_treatment_is_in_force(client: GlowClient, store: Store) -> None:
    begin(store)
    with store.transaction() as t:
        opened = t.rollouts.open("x1", stages(), "pipeline", "the test was won")
    assert (opened["status"], opened["rollout"], opened["stage"], opened["revision"]) == (
        "rollout_started",
        "running",
        0,
        1,
    )
    before: set[str] = set()
    revision = 1
    for stage, (share, phase) in enumerate(((0.05, 1), (0.25, 1), (0.5, 1), (0.75, 2), (1.0, 3))):
        now = treated(client)
        assert before <= now, "nobody leaves the treatment while it grows"
        assert abs(len(now) / len(USERS) - share) < 0.12
        with store.transaction() as t:
            rollout = t.rollouts.current("x1")
        assert rollout is not None
        assert (rollout["stage"], rollout["phase"], rollout["experiment_state"]) == (stage, phase, "ramping")
        before = now
        if stage < 4:
            with store.transaction() as t:
                moved = t.rollouts.advance("x1", revision, "pipeline", "all is well", {"latency": 0.5})
            revision = moved["revision"]
            assert (moved["status"], moved["stage"]) == ("rollout_advanced", stage + 1)
    with store.transaction() as t:
        done = t.rollouts.complete("x1", revision, "pipeline", "nothing got worse")
        assert t.rollouts.complete("x1", 1, "pipeline", "again")["status"] == "unchanged"
        assert t.rollouts.going_on() == []
    assert (done["state"], done["rollout"], done["decision"]) == ("completed", "completed", "ship")
    assert set(given(client).values()) == {NEW.sha256}
    assert state(store) == ("completed", "completed", 4, "new")
    with store.transaction() as t:
        assert [row["move"] for row in t.rollouts.history("x1")] == [
            "rollout_started", *["rollout_advanced"] * 4, "rollout_completed"
        ]  # fmt: skip
        assert {row["kind"] for row in t.notifications.since(AGENT)} == {
            "rollout_started", "rollout_advanced", "rollout_completed"
        }  # fmt: skip
        assert t.prompts.history(AGENT)[0]["experiment_id"] == "x1"


@pytest.mark.parametrize("stage", range(5))
def test_a_rollback_is_at_once_and_a_second_one_changes_nothing(client: GlowClient, store: Store, stage: int) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(), "pipeline", "won")
        for n in range(stage):
            t.rollouts.advance("x1", n + 1, "pipeline", "well")
    assert treated(client)
    with store.transaction() as t:
        first = t.rollouts.roll_back("x1", "pipeline", "twice the errors", {"log_e": 5.0})
    assert first["status"] == "rolled_back"
    written = everything(store)
    with store.transaction() as t:
        second = t.rollouts.roll_back("x1", "somebody", "I see errors too")
    assert {**first, "status": "unchanged"} == second
    assert everything(store) == written
    assert state(store) == ("rolled_back", "rolled_back", stage, "old")
    assert treated(client) == set()
    with store.transaction() as t:
        (told, *_) = t.notifications.since(AGENT)
        last = t.rollouts.history("x1")[-1]
    assert (told["kind"], told["body"]["reason"]) == ("rolled_back", "twice the errors")
    assert (last["move"], last["moved_by"], last["evidence"]) == ("rolled_back", "pipeline", {"log_e": 5.0})


def completed(store: Store) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(shares=[(1_000_000, 0, 0)]), "pipeline", "won")
        t.rollouts.complete("x1", 1, "pipeline", "well")


def test_a_completed_rollout_is_taken_back_while_its_version_is_in_force(client: GlowClient, store: Store) -> None:
    completed(store)
    assert state(store) == ("completed", "completed", 0, "new")
    with store.transaction() as t:
        assert t.rollouts.roll_back("x1", "ann", "wrong since noon")["rollout"] == "rolled_back"
        assert t.rollouts.roll_back("x1", "ann", "wrong since noon")["status"] == "unchanged"
    assert state(store) == ("completed", "rolled_back", 0, "old")
    assert treated(client) == set()


def test_it_is_not_taken_back_from_under_another_experiment_or_another_version(
    client: GlowClient, store: Store
) -> None:
    completed(store)
    with store.transaction() as t:
        assert t.experiments.create("x2", AGENT, "", NEW.sha256, OLD.sha256, {}, None, 2)
    with store.transaction() as t, pytest.raises(MoveRefused, match=r"x2.*stop_experiment\('x2'\)"):
        t.rollouts.roll_back("x1", "ann", "wrong")
    with store.transaction() as t:
        t.rollouts.stop_experiment("x2", "keep", "ann", "in the way")
        t.prompts.rollback(AGENT, "ann", "by hand")
    with store.transaction() as t, pytest.raises(MoveRefused, match="not in force any more"):
        t.rollouts.roll_back("x1", "ann", "wrong")


def test_what_was_rolled_back_is_not_rolled_out_again(client: GlowClient, store: Store) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(), "pipeline", "won")
        t.rollouts.roll_back("x1", "pipeline", "harm")
        assert t.rollouts.rolled_back_before(AGENT, "prompt", NEW.sha256) == "x1"
        assert t.rollouts.rolled_back_before(AGENT, "prompt", OLD.sha256) is None
    begin(store, "x2")
    with store.transaction() as t, pytest.raises(MoveRefused, match=r"rolled back in x1.*a new version"):
        t.rollouts.open("x2", stages(), "pipeline", "won again")
    with store.transaction() as t, pytest.raises(MoveRefused, match=r"rolled_back.*a new version"):
        t.rollouts.resume("x1", "ann", "I want it")


def test_a_paused_rollout_lets_nobody_new_in_and_keeps_who_is(client: GlowClient, store: Store) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(shares=[(500_000, 500_000, 0), (1_000_000, 0, 1)]), "pipeline", "won")
    early, late = USERS[:100], USERS[100:]
    inside = treated(client, early)
    with store.transaction() as t:
        assert t.rollouts.pause("x1", "ann", "a look first")["state"] == "paused"
        assert t.rollouts.pause("x1", "ann", "a look first")["status"] == "unchanged"
    with store.transaction() as t, pytest.raises(MoveRefused, match="resume_rollout"):
        t.rollouts.advance("x1", 2, "pipeline", "well")
    assert inside
    assert treated(client, early) == inside
    assert treated(client, late) == set()
    with store.transaction() as t:
        begun = t.connection.execute(
            "update glow.rollouts set paused_at = paused_at - interval '3 hours', revision = revision + 1"
            " returning stage_started_at"
        ).fetchone()
        t.rollouts.resume("x1", "ann", "all is well")
        assert t.rollouts.resume("x1", "ann", "all is well")["status"] == "unchanged"
        rollout = t.rollouts.current("x1")
    assert begun is not None
    assert rollout is not None
    assert 10_800 <= (rollout["stage_started_at"] - begun["stage_started_at"]).total_seconds() < 10_830
    assert treated(client, early) == inside
    assert treated(client, late)


def test_a_stage_that_asks_waits_for_a_person_and_one_word_lets_one_stage_begin(
    client: GlowClient, store: Store
) -> None:
    begin(store)
    with store.transaction() as t:
        assert t.rollouts.open("x1", stages(0, 1, 3), "pipeline", "won")["rollout"] == "pending"
    with store.transaction() as t, pytest.raises(MoveRefused, match="approve_rollout"):
        t.rollouts.advance("x1", 1, "pipeline", "well")
    assert treated(client) == set()
    assert state(store) == ("paused", "pending", 0, "old")
    with store.transaction() as t:
        assert t.rollouts.approve("x1", "ann", "go")["rollout"] == "running"
        assert t.rollouts.approve("x1", "ann", "go")["status"] == "unchanged"
        waiting = t.rollouts.advance("x1", 2, "pipeline", "a day went by")
        assert (waiting["status"], waiting["stage"]) == ("rollout_awaits_approval", 0)
        assert t.rollouts.advance("x1", waiting["revision"], "pipeline", "an hour later") == waiting
        approved = t.rollouts.approve("x1", "ann", "go on")
        assert t.rollouts.advance("x1", approved["revision"], "pipeline", "well")["stage"] == 1
        assert t.rollouts.advance("x1", approved["revision"] + 1, "pipeline", "well")["stage"] == 2
    with store.transaction() as t, pytest.raises(MoveRefused, match="stage => 3"):
        t.rollouts.approve("x1", "ann", "and on")
    with store.transaction() as t, pytest.raises(MoveRefused, match="stage: '4'"):
        t.rollouts.approve("x1", "ann", "and on", stage=4)
    with store.transaction() as t:
        t.rollouts.approve("x1", "ann", "and on", stage=3)
        assert t.rollouts.advance("x1", approved["revision"] + 3, "pipeline", "well")["stage"] == 3
    with store.transaction() as t:
        told = [row["kind"] for row in t.notifications.since(AGENT)]
    assert told.count("rollout_awaits_approval") == 2


def test_after_a_test_whoever_was_promised_an_arm_keeps_it(client: GlowClient, store: Store) -> None:
    begin(store, design="ab", treatment_ppm=500_000)
    inside = treated(client)
    with store.transaction() as t:
        plan = stages(shares=[(500_000, 500_000, 0), (750_000, 250_000, 1), (1_000_000, 0, 2)])
        opened = t.rollouts.open("x1", plan, "pipeline", "won")
    assert (opened["phase"], opened["decision"]) == (1, "ship")
    assert treated(client) == inside


def test_a_test_with_other_shares_or_fewer_users_begins_its_rollout_in_a_new_phase(
    client: GlowClient, store: Store
) -> None:
    begin(store, design="ab", treatment_ppm=200_000, enroll_ppm=500_000)
    treated(client)
    with store.transaction() as t:
        plan = stages(shares=[(500_000, 500_000, 0), (1_000_000, 0, 1)])
        assert t.rollouts.open("x1", plan, "pipeline", "won")["phase"] == 2
        t.rollouts.advance("x1", 1, "pipeline", "well")
    assert treated(client) == set(USERS)


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ({}, "plan.stages"),
        ({"stages": []}, "plan.stages"),
        ({"stages": 3}, "plan.stages"),
        (stages(shares=[(500_000, 500_000, 0)]), "to everybody"),
        (stages(shares=[(600_000, 500_000, 0), (1_000_000, 0, 1)]), "a million"),
        (stages(shares=[(500_000, 500_000, 0), (400_000, 400_000, 0), (1_000_000, 0, 1)]), "fewer"),
        (stages(shares=[(500_000, 500_000, 0), (750_000, 250_000, 0), (1_000_000, 0, 1)]), "a phase of its own"),
        (stages(shares=[(500_000, 500_000, 1), (1_000_000, 0, 0)]), "goes back"),
        ({"stages": [{"treatment_ppm": 1_000_000}]}, "lacks"),
    ],
)
def test_stages_that_would_bias_or_break_the_rollout_are_refused(
    client: GlowClient, store: Store, plan: dict[str, Any], problem: str
) -> None:
    begin(store)
    with store.transaction() as t, pytest.raises(MoveRefused, match=problem):
        t.rollouts.open("x1", plan, "pipeline", "won")
    assert state(store) == ("running", None, None, "old")


def test_no_other_way_of_writing_makes_an_illegal_state(client: GlowClient, store: Store) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(), "pipeline", "won")
    for statement in (
        "update glow.rollouts set stage = 2, revision = revision + 1",
        "update glow.rollouts set stage = 1",
        "update glow.rollouts set state = 'completed', ended_at = now(), revision = revision + 1",
        "update glow.rollouts set state = 'paused', paused_at = now(), revision = revision + 1",
        "update glow.rollouts set plan = '{\"stages\": [1]}', revision = revision + 1",
        "delete from glow.rollouts",
        "update glow.rollout_moves set reason = ''",
        "update glow.learning_experiments set state = 'running'",
        "update glow.learning_experiments set state = 'paused'",
        "update glow.learning_experiments set state = 'stopped', stopped_at = now()",
    ):
        before = everything(store)
        with pytest.raises(psycopg.Error), store.transaction() as t:
            t.connection.execute(statement.encode())
        assert everything(store) == before, statement
