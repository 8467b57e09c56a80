"""What engineers may ask of experiments and rollouts: faces, refusals with their remedy, and the numbers of a plan."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from glow_pipelines.client import Conflict, ExperimentMove, GlowClient, GlowError, InvalidValue, NotFound
from glow_pipelines.database import connect
from glow_pipelines.learning.prompts.types import Candidate
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import CannotStart
from glow_pipelines.steps.experiments.freezing import freeze
from glow_pipelines.store import Store
from tests.experiments.rollouts.moving import AGENT, NEW, OLD, PLAN, begin, stages

OLDER = replace(OLD, instruction="Which?")


@pytest.fixture
def admin(client: GlowClient, database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def newer(store: Store) -> str:
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
    return NEW.sha256


def parameters(store: Store, request_id: int) -> dict[str, Any]:
    with store.transaction() as t:
        return dict(t.requests.parameters(request_id))


def test_an_experiment_of_every_kind_can_be_asked_for(client: GlowClient, store: Store, newer: str) -> None:
    prompt = client.create_experiment(AGENT, newer, "shorter", unit="session", slot_to=500_000)
    asked = parameters(store, prompt.request_id)
    assert (asked["kind"], asked["treatment"], asked["prompt_version"]) == ("prompt", newer, newer)
    assert (asked["unit"], asked["layer"], asked["slot_to"], asked["design"]) == ("session", "prompt", 500_000, "ab")
    assert "hopeless" in prompt.warnings[0]
    client.cancel_request(prompt.request_id)
    model = client.create_experiment(
        AGENT, kind="model", treatment="large", control="small", metric="correction_rate", days=14
    )
    asked = parameters(store, model.request_id)
    assert (asked["control"], asked["metric"], asked["days"]) == ("small", "correction_rate", 14)
    client.cancel_request(model.request_id)
    config = client.create_experiment(AGENT, kind="config", config={"k": 5}, control_config={"k": 3})
    assert parameters(store, config.request_id)["config"] == {"k": 5}
    client.cancel_request(config.request_id)
    ramp = client.start_rollout(AGENT, "model", "large", "cheaper", control="small", approval=True)
    asked = parameters(store, ramp.request_id)
    assert (asked["design"], asked["treatment"], asked["approval"]) == ("ramp", "large", True)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"kind": "colour"}, "kind"),
        ({"kind": "model", "prompt_version": "x"}, "prompt_version"),
        ({"prompt_version": "x", "treatment": "y"}, "treatment"),
        ({"kind": "model", "treatment": "large"}, "control"),
        ({"kind": "model", "treatment": "large", "control": "large"}, "treatment"),
        ({"kind": "model", "treatment": "\n", "control": "small"}, "treatment"),
        ({"kind": "model", "config": {}}, "config"),
        ({"kind": "config", "treatment": "x"}, "treatment"),
        ({"kind": "config", "config": {"k": 1}}, "control_config"),
        ({"kind": "config", "config": {"k": 1}, "control_config": {"k": 1}}, "treatment"),
        ({"kind": "config", "config": {"k": 1}, "control": "x"}, "control"),
        ({"kind": "retrieval", "treatment": "x"}, "treatment"),
        ({"control": "x"}, "control"),
        ({"control_config": {}}, "control_config"),
        ({"unit": "planet"}, "unit"),
        ({"layer": "A"}, "layer"),
        ({"slot_from": -1}, "slot_from"),
        ({"slot_from": 10, "slot_to": 10}, "slot_to"),
        ({"objective": "fame"}, "objective"),
        ({"objective": "non_inferiority"}, "objective"),
        ({"metric": "joy"}, "metric"),
        ({"metric": "score"}, "score_key"),
        ({"days": 6}, "days"),
        ({"days": 29}, "days"),
        ({"treatment_ppm": 1_000_000}, "treatment_ppm"),
        ({"enroll_ppm": 0}, "enroll_ppm"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_its_field(
    client: GlowClient, newer: str, asked: dict[str, Any], field: str
) -> None:
    given = asked if "kind" in asked or "prompt_version" in asked else {"prompt_version": newer, **asked}
    with pytest.raises(GlowError, match=rf"^{field}: ") as caught:
        client.create_experiment(AGENT, **given)
    assert caught.value.remedy


def test_units_that_another_experiment_has_are_refused_by_its_name(
    client: GlowClient, store: Store, newer: str
) -> None:
    begin(store, design="ab", slots=(0, 500_000))
    with pytest.raises(Conflict, match="x1") as caught:
        client.create_experiment(AGENT, newer)
    assert "stop_experiment" in str(caught.value)
    with pytest.raises(Conflict, match="x1"):
        client.create_experiment(AGENT, newer, layer="other")
    client.create_experiment(AGENT, newer, slot_from=500_000)


def test_a_version_that_was_rolled_back_is_neither_tested_nor_rolled_out_again(
    client: GlowClient, store: Store, newer: str
) -> None:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(), "pipeline", "won")
    client.roll_back("x1", "wrong accounts")
    with pytest.raises(Conflict, match=r"rolled back.*x1.*register it as a new one"):
        client.create_experiment(AGENT, newer)
    with pytest.raises(Conflict, match=r"rolled back.*x1.*register it as a new one"):
        client.start_rollout(AGENT, "prompt", newer, "again")


def test_a_test_is_paused_resumed_extended_and_stopped_with_reasons(client: GlowClient, store: Store) -> None:
    begin(store, design="ab")
    assert client.pause_experiment("x1", "the provider is down").status == "experiment_paused"
    assert client.pause_experiment("x1", "the provider is down").status == "unchanged"
    assert client.resolve_prompt(AGENT, "u-1").experiment_id is None
    assert client.resume_experiment("x1", "it is back").state == "running"
    assert client.resolve_prompt(AGENT, "u-1").experiment_id == "x1"
    ended = client.stop_experiment("x1", "the price went up")
    assert (ended.state, ended.decision) == ("stopped", "keep")
    assert client.stop_experiment("x1", "the price went up") == replace(ended, status="unchanged")
    assert client.resolve_prompt(AGENT, "u-1").experiment_id is None
    with pytest.raises(Conflict, match=r"has ended \(stopped, keep\)"):
        client.abandon_experiment("x1", "no")
    with pytest.raises(Conflict, match="a new experiment"):
        client.resume_experiment("x1", "no")
    history = client.rollout_history("x1")
    assert [(each.move, each.reason) for each in reversed(history)] == [
        ("experiment_paused", "the provider is down"),
        ("experiment_resumed", "it is back"),
        ("experiment_stopped", "the price went up"),
    ]
    decided = client.experiment_decision("x1")
    assert decided.sentence == "It has ended: what was in force stays. the price went up"
    (listed,) = client.experiments(AGENT)
    assert (listed.decision, listed.reason, listed.plan) == ("keep", "the price went up", PLAN)


def test_an_extension_is_what_the_plan_bought_and_no_day_more(client: GlowClient, store: Store) -> None:
    begin(store, design="ab")
    first = client.extend_experiment("x1", "the fair was this week")
    assert isinstance(first, ExperimentMove)
    (listed,) = client.experiments()
    assert first.planned_end is not None
    assert (first.planned_end - listed.started_at).days == 14
    assert client.extend_experiment("x1", "again", 14).status == "unchanged"
    with pytest.raises(InvalidValue, match="until_day"):
        client.extend_experiment("x1", "shorter", 10)
    with pytest.raises(Conflict, match=r"until_day: '29'.*28"):
        client.extend_experiment("x1", "longer", 29)
    client.extend_experiment("x1", "to the end", 28)
    with pytest.raises(Conflict, match="the last day the plan bought"):
        client.extend_experiment("x1", "and more")


def test_what_is_rolled_out_is_ended_by_its_own_words(client: GlowClient, store: Store) -> None:
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(OLDER, "clarify", OLD.sha256))
        for version in (OLDER, OLD):
            t.prompts.move_alias(AGENT, "production", version.sha256, "me", "by hand")
    begin(store)
    with pytest.raises(Conflict, match="stop_experiment"):
        client.roll_back("x1", "it is a test still")
    with store.transaction() as t:
        t.rollouts.open("x1", stages(1), "pipeline", "won")
    for ask, remedy in (
        (client.stop_experiment, "roll_back"),
        (client.abandon_experiment, "roll_back"),
        (client.pause_experiment, "pause_rollout"),
        (client.resume_experiment, "resume_rollout"),
        (client.extend_experiment, "running or paused"),
    ):
        with pytest.raises(Conflict, match=remedy):
            ask("x1", "no")
    with pytest.raises(Conflict, match=r"roll_back\('x1', reason\) first"):
        client.rollback_prompt(AGENT, "bad", OLDER.sha256)
    (listed,) = client.rollouts(AGENT)
    assert (listed.state, listed.stage, listed.stages, listed.treatment_ppm) == ("running", 0, 5, 50_000)
    assert client.approve_rollout("x1", "read the figures", 1).status == "rollout_approved"
    assert client.pause_rollout("x1", "a holiday").rollout == "paused"
    assert client.resume_rollout("x1", "back at work").rollout == "running"
    assert client.roll_back("x1", "wrong since noon").rollout == "rolled_back"


def test_a_rollback_by_alias_names_what_ends_a_test(client: GlowClient, store: Store, newer: str) -> None:
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "production", newer, "me", "better")
        t.experiments.create("x1", AGENT, "", newer, OLD.sha256, PLAN, None, 1)
    with pytest.raises(Conflict, match=r"stop_experiment\('x1', reason\) first"):
        client.rollback_prompt(AGENT, "bad")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_move_needs_a_reason(client: GlowClient, store: Store, reason: str) -> None:
    begin(store)
    with pytest.raises(GlowError, match=r"^reason: "):
        client.stop_experiment("x1", reason)
    with pytest.raises(NotFound, match=r"^experiment_id: "):
        client.stop_experiment("x2", "a reason")


def test_a_held_experiment_neither_goes_on_nor_ships(client: GlowClient, store: Store) -> None:
    begin(store, design="ab")
    with store.transaction() as t:
        t.rollouts.hold_experiment("x1", "pipeline", "12 % of units are in the wrong arm")
    with pytest.raises(Conflict, match=r"held.*stop_experiment"):
        client.resume_experiment("x1", "go on")
    with pytest.raises(Exception, match="cannot ship"), store.transaction() as t:
        t.rollouts.open("x1", stages(), "pipeline", "won")
    assert client.stop_experiment("x1", "skewed").state == "stopped"


def test_a_holdout_is_made_between_experiments_and_keeps_its_units_out(client: GlowClient, store: Store) -> None:
    assert client.create_holdout("2027-h1", 500_000, AGENT).status == "created"
    assert client.create_holdout("2027-h1", 500_000, AGENT).status == "unchanged"
    with pytest.raises(Conflict, match=r"^holdout: "):
        client.create_holdout("2027-h1", 400_000, AGENT)
    begin(store, design="ab")
    inside = [client.resolve_prompt(AGENT, f"u-{n}").experiment_id for n in range(60)]
    assert 10 < inside.count(None) < 50
    with pytest.raises(Conflict, match="x1"):
        client.create_holdout("2027-h2", 5, AGENT)
    assert [(each.holdout, each.agent_name) for each in client.holdouts()] == [("2027-h1", AGENT)]
    assert client.end_holdout("2027-h1").status == "ended"
    assert client.end_holdout("2027-h1").status == "unchanged"
    assert client.resolve_prompt(AGENT, f"u-{inside.index(None)}").experiment_id == "x1"


def test_a_login_of_one_tenant_makes_no_holdout_of_all(client: GlowClient, admin: psycopg.Connection) -> None:
    with pytest.raises(NotFound):
        client.end_holdout("nothing")
    name = "holdout_engineer"
    admin.execute(f"drop role if exists {name}".encode())
    admin.execute(f"create role {name} login in role glow_engineer".encode())
    try:
        admin.execute("select glow_api.bind_login(%s, tenant => 'acme')", (name,))
        admin.execute(f"set session authorization {name}".encode())
        with pytest.raises(psycopg.Error, match="agent: a missing value"):
            admin.execute("select glow_api.create_holdout('all', 5)")
    finally:
        admin.execute("reset session authorization")
        admin.execute(f"drop role {name}".encode())


def test_whether_cost_falls_is_asked_only_where_costs_are_known(
    client: GlowClient, store: Store, newer: str, admin: psycopg.Connection
) -> None:
    def spend(*costs: float) -> None:
        admin.execute("set glow.tenant = '*'")
        for cost in costs:
            admin.execute(
                "insert into glow.executions"
                " (tenant, execution_id, agent, input, output, user_id, cost_usd, started_at, recorded_at)"
                " select 'default', gen_random_uuid(), %s, 'q', 'a', 'u', %s, at, at"
                "   from (select now() - interval '2 days') t(at)",
                (AGENT, cost),
            )

    spend(0.01, 0.01)
    settings = Settings.from_environment({})
    with pytest.raises(Conflict, match=r"^objective: 'non_inferiority'.*cost_usd"):
        client.create_experiment(AGENT, newer, objective="non_inferiority")
    with pytest.raises(CannotStart, match=r"objective: .*cost_usd"), store.transaction() as t:
        freeze(t, settings, AGENT, "x1", {"objective": "non_inferiority"})
    spend(0.02)
    with pytest.raises(Conflict, match=r"^objective: .*superiority in cost_mean"):
        client.create_experiment(AGENT, newer, objective="non_inferiority", metric="cost_mean")
    client.create_experiment(AGENT, newer, objective="non_inferiority")
    with store.transaction() as t:
        plan, _ = freeze(t, settings, AGENT, "x1", {"objective": "non_inferiority"})
    assert plan.cost is not None
