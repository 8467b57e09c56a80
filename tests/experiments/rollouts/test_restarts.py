"""A test begun anew: what its new phase keeps, what it draws again, and what nobody may restart."""

from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.client import Conflict, GlowClient, GlowError, InvalidValue
from glow_pipelines.learning.experiments import ExperimentPlan, Traffic, plan_experiment
from glow_pipelines.store import Store
from tests.experiments.rollouts.moving import AGENT, begin, stages

PLAN = plan_experiment("x1#1", Traffic(130, 1, 0.6, 0.0, executions_per_user=2))


def found(store: Store) -> Any:
    with store.transaction() as t:
        return t.experiments.find("x1")


def arms(client: GlowClient, users: int = 60) -> list[str | None]:
    return [client.resolve_prompt(AGENT, f"u-{n}").variant for n in range(users)]


@pytest.fixture
def begun(client: GlowClient, store: Store) -> Store:
    begin(store, design="ab")
    with store.transaction() as t:
        t.connection.execute(
            "update glow.learning_experiments set plan = %s, started_at = started_at - interval '20 days'",
            (Jsonb(PLAN.to_json()),),
        )
    return store


@pytest.mark.parametrize("state", ["running", "paused", "held"])
def test_everybody_is_drawn_anew_and_its_days_begin_again(client: GlowClient, begun: Store, state: str) -> None:
    before = arms(client)
    with begun.transaction() as t:
        if state == "paused":
            t.rollouts.pause_experiment("x1", "pipeline", "corrections are up")
        elif state == "held":
            t.rollouts.hold_experiment("x1", "pipeline", "12 % of units are in the wrong arm")
    seen = client.restart_experiment("x1", "the app asks always now")
    assert (seen.status, seen.state, seen.phase, seen.decision) == ("experiment_restarted", "running", 2, None)
    row = found(begun)
    assert (row["salt"], row["phase"], row["reason"]) == ("x1#2", 2, "the app asks always now")
    assert seen.planned_end is not None
    assert (seen.planned_end - datetime.now(UTC)).days == PLAN.planned_days - 1
    after = arms(client)
    assert after != before
    assert arms(client) == after
    with begun.transaction() as t:
        kept = t.connection.execute(
            "select phase, count(*) from glow.exposures group by phase order by phase"
        ).fetchall()
        assert [tuple(row.values()) for row in kept] == [(1, 60), (2, 60)]
    (listed,) = client.experiments(AGENT)
    assert listed.day < 0.1
    assert (listed.begun_at - listed.started_at).days == 20
    moved = client.rollout_history("x1")[0]
    assert (moved.move, moved.phase, moved.evidence["was"]) == ("experiment_restarted", 2, state)
    assert [each.kind for each in client.notifications(AGENT)].count("experiment_restarted") == 1


def test_the_plan_of_the_new_phase_agrees_with_its_row(client: GlowClient, begun: Store) -> None:
    client.restart_experiment("x1", "fewer of them", treatment_ppm=200_000, enroll_ppm=500_000)
    row = found(begun)
    plan = ExperimentPlan.from_json(row["plan"])
    assert (plan.salt, plan.treatment_ppm, plan.enrolled_ppm) == (row["salt"], row["treatment_ppm"], row["enroll_ppm"])
    assert (row["treatment_ppm"], row["control_ppm"], row["enroll_ppm"]) == (200_000, 800_000, 500_000)
    assert plan.metrics == PLAN.metrics
    was = client.rollout_history("x1")[0].evidence
    told = {"salt": was["salt"], "treatment_ppm": was["treatment_ppm"], "enrolled_ppm": was["enroll_ppm"]}
    assert ExperimentPlan.from_json({**row["plan"], **told}) == PLAN  # by which the looks before it replay


def test_an_extension_after_a_restart_counts_from_there(client: GlowClient, begun: Store) -> None:
    client.restart_experiment("x1", "mended")
    seen = client.extend_experiment("x1", "the fair")
    (listed,) = client.experiments(AGENT)
    assert seen.planned_end is not None
    assert (seen.planned_end - listed.begun_at).days == 2 * PLAN.planned_days


def test_what_a_look_said_before_it_is_not_said_of_it(client: GlowClient, begun: Store) -> None:
    with begun.transaction() as t:
        t.experiments.record_look(
            "x1", 1, "decision", datetime.now(UTC), 20.0, {"units": [70, 50]}, {}, "hold", "Invalid: 70 and 50."
        )
        t.rollouts.hold_experiment("x1", "pipeline", "Invalid: 70 and 50.")
    client.restart_experiment("x1", "mended")
    assert "Invalid" not in client.experiment_decision("x1").sentence
    (listed,) = client.experiments(AGENT)
    assert (listed.said, listed.units) == (None, [])
    assert len(client.experiment_looks("x1")) == 1


def test_who_was_in_an_earlier_phase_has_no_arm_while_the_rollout_of_the_new_one_is_paused(
    client: GlowClient, begun: Store
) -> None:
    client.resolve_prompt(AGENT, "early")
    client.restart_experiment("x1", "mended")
    client.resolve_prompt(AGENT, "late")
    with begun.transaction() as t:
        t.rollouts.open(
            "x1", stages(shares=[(500_000, 500_000, 0), (750_000, 250_000, 1), (1_000_000, 0, 2)]), "me", "won"
        )
        t.rollouts.advance("x1", 1, "me", "well")
        t.rollouts.pause("x1", "me", "a look")
    assert client.resolve_prompt(AGENT, "late").variant is not None
    assert client.resolve_prompt(AGENT, "early").variant is None


def test_only_a_test_that_goes_on_is_restarted(client: GlowClient, begun: Store) -> None:
    for field, value in (("treatment_ppm", 0), ("treatment_ppm", 1_000_000), ("enroll_ppm", 0)):
        with pytest.raises(InvalidValue, match=rf"^{field}: ") as caught:
            client.restart_experiment("x1", "again", **{field: value})
        assert caught.value.remedy
    with pytest.raises(GlowError, match=r"^reason: "):
        client.restart_experiment("x1", " ")
    client.stop_experiment("x1", "no")
    with pytest.raises(Conflict, match=r"has ended.*create_experiment"):
        client.restart_experiment("x1", "again")


def test_a_rollout_is_not_restarted(client: GlowClient, store: Store) -> None:
    begin(store)
    with pytest.raises(Conflict, match="roll_back"):
        client.restart_experiment("x1", "again")
    with store.transaction() as t:
        t.rollouts.open("x1", stages(0), "pipeline", "won")
    with pytest.raises(Conflict, match="roll_back"):
        client.restart_experiment("x1", "again")
