"""Starting experiments: by gate and by request the same, with a frozen plan that says first what it cannot find."""

from collections.abc import Mapping

import pytest

from glow_pipelines.client import GlowError
from glow_pipelines.learning.experiments import ExperimentPlan
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import CannotStart, Change, start, start_asked
from glow_pipelines.steps.experiments.freezing import freeze
from glow_pipelines.store.noun import Row
from tests.steps.experimenting import AGENT, OTHER, PROMPT, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import settings as settings
from tests.steps.experimenting import world as world


def begin(world: World, settings: Settings, request_id: int) -> Row:
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request_id, t.requests.parameters(request_id))
        row = t.experiments.find(named)
    assert row is not None
    return row


def asked(world: World, **more: object) -> int:
    given: Mapping[str, object] = {"prompt_version": OTHER.sha256, **more}
    request = world.client.create_experiment(AGENT, **given)  # type: ignore[arg-type]
    world.admin.execute("update glow.requests set state = 'succeeded', finished_at = now()")
    return request.request_id


def test_a_plan_is_frozen_from_the_weeks_before(world: World, settings: Settings) -> None:
    world.before(users=400, per_user=3, up=0.6)
    plan = ExperimentPlan.from_json(begin(world, settings, asked(world))["plan"])
    judged = {metric.metric: metric for metric in plan.metrics}
    assert list(judged)[:2] == ["thumbs_up_rate", "feedback_rate"]
    assert judged["thumbs_up_rate"].role == "primary"
    assert judged["thumbs_up_rate"].baseline == pytest.approx(0.6, abs=0.05)
    assert judged["feedback_rate"].baseline == pytest.approx(0.8, abs=0.05)
    assert {"latency_slo", "cost_mean"} <= set(judged)
    assert {name: judged[name].role for name in judged if name != "thumbs_up_rate"} == {
        "feedback_rate": "signal",
        "latency_slo": "critical",
        "cost_mean": "signal",
    }
    assert "correction_rate" not in judged  # nobody corrected anything: nothing to compare with
    assert judged["latency_slo"].threshold == pytest.approx(1050, abs=40)  # the slowest twentieth of the weeks before
    assert (plan.effect, plan.minimum_users, plan.salt) == (0.05, 200, f"{AGENT}-{OTHER.sha256[:12]}#1")


def test_what_cannot_find_its_effect_starts_and_says_so_beforehand(world: World) -> None:
    world.before(users=20, per_user=2)
    row = begin(world, Settings.from_environment({}), asked(world, effect=0.02))
    plan = ExperimentPlan.from_json(row["plan"])
    assert row["state"] == "running"
    assert not plan.reachable
    assert any(warning.startswith("hopeless") for warning in plan.warnings)
    (told,) = [each for each in world.client.notifications(AGENT) if each.kind == "experiment_warning"]
    assert told.body["warnings"] == list(plan.warnings)


def test_an_agent_that_nobody_used_gets_an_experiment_that_warns(world: World, settings: Settings) -> None:
    plan = ExperimentPlan.from_json(begin(world, settings, asked(world))["plan"])
    assert plan.warnings
    assert [metric.metric for metric in plan.metrics] == ["thumbs_up_rate", "feedback_rate"]


def test_what_was_asked_for_beside_the_effect_is_frozen(world: World, settings: Settings) -> None:
    world.before()
    row = begin(world, settings, asked(world, cuped=True, hash="gb2", approval=True))
    plan = ExperimentPlan.from_json(row["plan"])
    assert (plan.primary.cuped, plan.hash, row["hash"]) == (True, "gb2", "gb2")
    with world.store.transaction() as t:
        assert t.requests.parameters(row["request_id"])["approval"] is True


def test_a_score_in_the_metadata_decides_where_it_is_asked_for(world: World, settings: Settings) -> None:
    world.before()
    world.admin.execute(
        "update glow.executions set metadata = jsonb_build_object('grade', 60 + hashtext(execution_id) % 20)"
    )
    row = begin(world, settings, asked(world, metric="score", score_key="grade", effect=5))
    plan = ExperimentPlan.from_json(row["plan"])
    assert (plan.primary.metric, plan.primary.key, plan.effect) == ("score", "grade", 5.0)
    assert plan.primary.baseline == pytest.approx(60, abs=3)
    with world.store.transaction() as t, pytest.raises(CannotStart, match="score 'mark' never varied"):
        freeze(t, settings, AGENT, "x", {"metric": "score", "score_key": "mark"})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"metric": "score"}, "score_key"),
        ({"score_key": "grade"}, "score_key"),
        ({"metric": "score", "score_key": ""}, "score_key"),
        ({"hash": "md5"}, "hash"),
        ({"effect": 0.6}, "effect"),
    ],
)
def test_what_cannot_be_meant_is_refused(world: World, given: Mapping[str, object], field: str) -> None:
    with pytest.raises(GlowError, match=f"{field}: "):
        asked(world, **given)


def test_an_effect_that_cannot_be_gained_is_lowered_and_said_so(world: World, settings: Settings) -> None:
    world.before(up=0.97)
    with world.store.transaction() as t:
        plan, _ = freeze(t, settings, AGENT, "x", {"effect": 0.1})
    assert plan.effect < 0.04
    assert plan.warnings[0].startswith("10.0 points of thumbs up cannot be gained from 9")
    assert world.client.plan_experiment(AGENT, effect=0.1, minimum_users=200).warnings[0] == plan.warnings[0]


def test_a_request_starts_one_experiment_and_another_request_new_data(world: World, settings: Settings) -> None:
    world.before()
    first = asked(world)
    row = begin(world, settings, first)
    assert begin(world, settings, first)["experiment_id"] == row["experiment_id"]
    world.client.stop_experiment(row["experiment_id"], "enough")
    assert begin(world, settings, first)["state"] == "stopped"
    again = begin(world, settings, asked(world))
    assert again["experiment_id"] == f"{row['experiment_id']}-2"
    assert again["salt"] == f"{row['experiment_id']}-2#1"
    with world.store.transaction() as t, pytest.raises(CannotStart, match="another experiment"):
        start_asked(t, settings, AGENT, 999, {"kind": "prompt", "treatment": OTHER.sha256})


def test_the_pipeline_by_itself_tries_a_candidate_once(world: World, settings: Settings) -> None:
    world.before()
    row = begin(world, settings, asked(world))
    world.client.stop_experiment(row["experiment_id"], "enough")
    change = Change(AGENT, "prompt", PROMPT.sha256, OTHER.sha256)
    with world.store.transaction() as t:
        started = start(t, settings, change, "again", gate_id="a gate")
        assert (started.experiment_id, started.created) == (row["experiment_id"], False)
        assert t.experiments.active(AGENT) == []


def test_experiments_that_vary_different_things_run_beside_each_other(world: World, settings: Settings) -> None:
    world.before()
    begin(world, settings, asked(world))
    model = asked(world, prompt_version=None, kind="model", treatment="large", control="small")
    config = asked(
        world, prompt_version=None, kind="config", config={"steps": 2}, control_config={"steps": 1}, unit="session"
    )
    rows = [begin(world, settings, each) for each in (model, config)]
    assert (rows[0]["kind"], rows[0]["control"], rows[0]["unit"]) == ("model", "small", "user")
    assert rows[1]["treatment_config"] == {"steps": 2}
    with world.store.transaction() as t:
        assert {row["kind"] for row in t.experiments.active(AGENT)} == {"prompt", "model", "config"}


def test_a_rollout_without_a_test_begins_small_and_with_an_equal_control(world: World, settings: Settings) -> None:
    world.before()
    request = world.client.start_rollout(AGENT, "prompt", OTHER.sha256, "a change of wording")
    row = begin(world, settings, request.request_id)
    assert (row["state"], row["design"], row["treatment_ppm"], row["control_ppm"]) == (
        "ramping",
        "ramp",
        50_000,
        50_000,
    )
    given = [world.client.resolve_prompt(AGENT, f"u{n}") for n in range(200)]
    assert 0 < sum(each.variant == "treatment" for each in given) < 30
    assert {each.prompt_version for each in given if each.variant is None} == {PROMPT.sha256}
