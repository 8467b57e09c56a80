"""Looks and what follows: made once for a moment, recorded with the move in one transaction, in words for people."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from glow_pipelines.learning.experiments import ExperimentPlan, Look, Stage, Statistics, default_stages, replay
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import Seen, due, look_at, start_asked
from glow_pipelines.store.noun import Row
from tests.steps.experimenting import AGENT, BEGAN, OTHER, PROMPT, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import settings as settings
from tests.steps.experimenting import world as world

DAY = timedelta(days=1)


@pytest.fixture
def begun(world: World, settings: Settings) -> str:
    """An experiment that began forty days ago; what its users did comes with the test."""
    world.before()
    request = world.client.create_experiment(AGENT, OTHER.sha256, effect=0.1)
    with world.store.transaction() as t:
        asked = t.requests.parameters(request.request_id)
        named = start_asked(t, settings, AGENT, request.request_id, asked)
    world.begin(named)
    return named


def days(world: World, experiment_id: str, first: int, last: int, kind: str = "decision") -> list[Seen]:
    """A look a day, up to the one something follows from."""
    seen = []
    for day in range(first, last + 1):
        seen.append(look_at(world.store, experiment_id, kind, BEGAN + day * DAY + timedelta(minutes=7)))  # type: ignore[arg-type]
        if seen[-1].moved not in ("", "experiment_extended"):
            break
    return seen


def recorded(world: World, experiment_id: str) -> list[Row]:
    with world.store.transaction() as t:
        return t.connection.execute(
            "select kind, as_of, day, statistics, result, decision, reason from glow.experiment_looks"
            " where experiment_id = %s order by look_id",
            (experiment_id,),
        ).fetchall()


def test_a_win_is_shipped_into_a_rollout_with_its_sentence(world: World, begun: str) -> None:
    world.during(begun, up=(0.55, 0.75))
    seen = days(world, begun, 6, 20)
    last = seen[-1]
    assert last.look is not None
    assert (last.look.action, last.moved) == ("ship", "rollout_started")
    assert last.look.day >= 7
    assert (last.experiment["state"], last.experiment["decision"]) == ("ramping", "ship")
    assert last.rollout is not None
    assert last.rollout["plan"]["stages"][0]["treatment_ppm"] == 500_000
    assert last.experiment["phase"] == 1  # who has an arm keeps it
    (told,) = [each for each in world.client.notifications(AGENT) if each.kind == "rollout_started"]
    assert told.body["reason"] == last.look.reason
    rows = recorded(world, begun)
    assert [row["decision"] for row in rows] == [each.look.action for each in seen if each.look is not None]


def test_a_win_whose_stages_were_to_be_approved_asks_for_each(world: World, settings: Settings) -> None:
    world.before()
    request = world.client.create_experiment(AGENT, OTHER.sha256, effect=0.1, approval=True)
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
    world.begin(named)
    world.during(named, up=(0.55, 0.75))
    last = days(world, named, 7, 20)[-1]
    assert last.rollout is not None
    assert [stage["approval"] for stage in last.rollout["plan"]["stages"]] == [False, True, True, True]


def test_no_stage_ends_before_a_day_of_its_own_users_has_matured(world: World, begun: str) -> None:
    world.during(begun, up=(0.55, 0.75))
    last = days(world, begun, 6, 20)[-1]
    assert last.rollout is not None
    *stages, everybody = last.rollout["plan"]["stages"]
    maturation = ExperimentPlan.from_json(last.experiment["plan"]).maturation_hours
    assert [stage["hours"] for stage in stages] == [24 + maturation, 24 + maturation, 168]
    assert everybody["hours"] == 0


def test_looks_replay_bit_for_bit(world: World, begun: str) -> None:
    world.during(begun, up=(0.6, 0.6), days=21)
    days(world, begun, 5, 9)
    days(world, begun, 6, 8, "guardrail")
    rows = recorded(world, begun)
    with world.store.transaction() as t:
        row = t.experiments.find(begun)
    assert row is not None
    looks = [(Statistics.from_json(each["statistics"]), Look.from_json(each["result"])) for each in rows]
    looks.sort(key=lambda pair: pair[1].day)
    assert replay(ExperimentPlan.from_json(row["plan"]), looks) == []


def test_the_same_moment_is_one_look_and_moves_once(world: World, begun: str) -> None:
    world.during(begun, up=(0.55, 0.75))
    last = days(world, begun, 6, 20)[-1]
    assert last.look is not None
    at = BEGAN + last.look.day * DAY
    moves, told = len(recorded(world, begun)), len(world.client.notifications(AGENT))
    for late in (timedelta(minutes=8), timedelta(hours=5), timedelta(hours=23)):
        again = look_at(world.store, begun, "decision", at + late)
        assert (again.new, again.moved, again.look) == (False, "", last.look)
    assert (len(recorded(world, begun)), len(world.client.notifications(AGENT))) == (moves, told)


def test_harm_is_stopped_by_an_hourly_look_and_everybody_is_back_at_once(world: World, begun: str) -> None:
    world.during(begun, up=(0.8, 0.3))
    for hour in range(30, 24 * 7, 3):
        seen = look_at(world.store, begun, "guardrail", BEGAN + timedelta(hours=hour))
        if seen.moved:
            break
    assert seen.look is not None
    assert (seen.look.action, seen.moved) == ("stop_harm", "experiment_stopped")
    assert (seen.experiment["state"], seen.experiment["decision"]) == ("stopped", "harm")
    assert hour < 24 * 5  # not at the end of the week
    assert {world.client.resolve_prompt(AGENT, f"u{n}").prompt_version for n in range(50)} == {PROMPT.sha256}
    later = look_at(world.store, begun, "guardrail", BEGAN + timedelta(hours=hour + 1))
    assert (later.new, later.look) == (False, seen.look)


def test_units_that_do_not_fall_as_planned_hold_it(world: World, begun: str) -> None:
    world.during(begun, up=(0.55, 0.75))
    world.admin.execute(
        "delete from glow.exposures where experiment_id = %s and variant = 'control' and bucket %% 3 = 0", (begun,)
    )
    last = days(world, begun, 3, 20, "guardrail")[-1]
    assert (last.moved, last.experiment["state"]) == ("experiment_held", "held")
    assert last.look is not None
    assert last.look.row == 1
    # It cannot ship, whatever its numbers say.
    after = look_at(world.store, begun, "decision", BEGAN + 12 * DAY)
    assert (after.new, after.moved, after.experiment["state"]) == (False, "", "held")
    with world.store.transaction() as t:
        t.rollouts.stop_experiment(begun, "invalid", "somebody", "the cause is a proxy")


def test_a_null_is_extended_within_its_plan_and_then_kept(world: World, begun: str) -> None:
    world.during(begun, users=500, up=(0.6, 0.6), days=34)
    seen = days(world, begun, 6, 38)
    last = seen[-1]
    assert last.look is not None
    assert (last.look.action, last.experiment["state"], last.experiment["decision"]) == ("keep", "stopped", "keep")
    plan = ExperimentPlan.from_json(last.experiment["plan"])
    assert last.look.day <= plan.maximum_days
    extended = [each for each in seen if each.moved == "experiment_extended"]
    if last.look.day > plan.planned_days:
        assert extended
    for each in extended:
        assert each.experiment["planned_end"] <= BEGAN + plan.maximum_days * DAY + timedelta(seconds=1)
    assert world.client.resolve_prompt(AGENT, "u1").prompt_version == PROMPT.sha256


def test_feedback_given_more_rarely_lets_nobody_new_in(world: World, begun: str) -> None:
    world.during(begun, up=(0.6, 0.6), rated=(0.9, 0.5))
    last = days(world, begun, 3, 20, "guardrail")[-1]
    assert last.look is not None
    assert (last.look.action, last.experiment["state"]) == ("pause", "paused")
    assert "feedback" in last.look.reason


def test_what_a_person_paused_wins_nothing_before_it_is_resumed(world: World, begun: str) -> None:
    world.during(begun, up=(0.55, 0.75))
    world.client.pause_experiment(begun, "the model is out of order")
    (won,) = days(world, begun, 8, 8)
    assert won.look is not None
    assert (won.look.action, won.moved, won.experiment["state"], won.rollout) == ("ship", "", "paused", None)
    world.client.resume_experiment(begun, "it is back")
    (then,) = days(world, begun, 9, 9)
    assert (then.moved, then.experiment["state"]) == ("rollout_started", "ramping")


def test_an_alarm_that_a_person_has_seen_pauses_no_more(world: World, begun: str) -> None:
    world.during(begun, up=(0.6, 0.6), rated=(0.9, 0.5))
    paused = days(world, begun, 3, 20, "guardrail")[-1]
    assert paused.look is not None
    world.client.resume_experiment(begun, "people are asked less often, as wanted")
    again = look_at(world.store, begun, "guardrail", BEGAN + paused.look.day * DAY + timedelta(hours=1, minutes=7))
    assert again.new
    assert (again.moved, again.experiment["state"]) == ("", "running")
    # Another guardrail is another alarm.
    world.admin.execute(
        "update glow.executions e set cost_usd = 0.01 + 0.001 * random() from glow.exposures x"
        " where x.unit_id = e.user_id and x.variant = 'treatment'"
    )
    world.admin.execute("update glow.experiment_folds set counted_until = null, horizon = null")
    other = look_at(world.store, begun, "guardrail", BEGAN + paused.look.day * DAY + timedelta(hours=2, minutes=7))
    assert other.look is not None
    assert (other.moved, other.experiment["state"]) == ("experiment_paused", "paused"), other.look.reason


def test_a_change_that_waits_for_approval_is_taken_back_when_it_does_harm(
    world: World, begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asking(*arguments: object, **options: object) -> tuple[Stage, ...]:
        first, *others = default_stages(*arguments, **options)  # type: ignore[arg-type]
        return replace(first, approval=True), *others

    monkeypatch.setattr("glow_pipelines.steps.experiments.moves.default_stages", asking)
    world.during(begun, users=600, up=(0.55, 0.8))
    shipped = days(world, begun, 6, 20)[-1]
    assert shipped.moved == "rollout_awaits_approval"
    assert shipped.look is not None
    world.admin.execute(
        "update glow.agent_feedback f set thumbs = -1 from glow.exposures x"
        " where x.unit_id = f.user_id and x.variant = 'treatment'"
    )
    world.admin.execute("update glow.experiment_folds set counted_until = null, horizon = null")
    hurt = look_at(world.store, begun, "guardrail", BEGAN + (shipped.look.day + 1) * DAY)
    assert (hurt.moved, hurt.experiment["state"]) == ("rolled_back", "rolled_back"), hurt.look


def test_a_person_who_was_faster_wins(world: World, begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from glow_pipelines.steps.experiments import look

    world.during(begun, up=(0.55, 0.75))
    taken = look.take_look

    def slow(*arguments: object, **options: object) -> Look:
        found = taken(*arguments, **options)  # type: ignore[arg-type]
        if found.action == "ship":
            world.client.abandon_experiment(begun, "the prompt has a typo")
        return found

    monkeypatch.setattr(look, "take_look", slow)
    last = days(world, begun, 6, 20)[-1]
    assert (last.new, last.experiment["state"], last.experiment["decision"]) == (False, "stopped", "abandoned")
    assert last.rollout is None


def test_a_look_is_due_at_whole_hours_after_the_start_and_a_decision_once_a_day(world: World, begun: str) -> None:
    row: Row = {"begun_at": datetime.fromisoformat("2026-11-01T10:20:30+00:00")}
    now = row["begun_at"] + timedelta(days=3, hours=4, minutes=59)
    assert due(row, now) == row["begun_at"] + timedelta(days=3, hours=4)
    assert due(row, row["begun_at"] - timedelta(seconds=2)) == row["begun_at"]  # clocks differ
    at = BEGAN + 2 * DAY
    looks = [look_at(world.store, begun, "decision", at + timedelta(hours=n)) for n in (1, 9, 23, 25)]
    assert [each.new for each in looks] == [True, False, False, True]
    assert [each.look.day if each.look else None for each in looks] == pytest.approx([49 / 24] * 3 + [73 / 24])


def test_a_restart_begins_the_count_and_the_evidence_anew(world: World, begun: str) -> None:
    """Users of the treatment are lost, so it is held; once that is mended its new phase is not held for the old one."""
    world.during(begun)
    world.admin.execute(
        "delete from glow.exposures"
        " where variant = 'treatment' and right(unit_id, 1) in ('1', '2', '3') and experiment_id = %s",
        (begun,),
    )
    assert look_at(world.store, begun, "guardrail", BEGAN + 9 * DAY).moved == "experiment_held"
    world.client.restart_experiment(begun, "answers that fail are logged now")
    again = BEGAN + 10 * DAY
    world.admin.execute(
        "update glow.learning_experiments"
        " set planned_end = planned_end + (%(at)s - restarted_at), restarted_at = %(at)s",
        {"at": again},
    )
    world.during(begun, since=again)
    seen = [look_at(world.store, begun, "decision", again + day * DAY + timedelta(minutes=7)) for day in (5, 8)]
    looks = [each.look for each in seen]
    assert [each.day for each in looks if each] == [5, 8]
    assert next(each.row for each in looks if each) == 4  # too early: seven days of its own
    assert all(
        each.look and each.look.sample_ratio_log_e is not None and each.look.sample_ratio_log_e < 3 for each in seen
    )
    assert seen[-1].experiment["phase"] == 2
    with world.store.transaction() as t:
        plan = ExperimentPlan.from_json(t.experiments.find(begun)["plan"])  # type: ignore[index]
        counted = t.experiment_statistics.statistics(begun, again + 8 * DAY, plan)
    assert (counted.day, counted.earlier_log_e) == (8, 0.0)


def test_a_restart_of_what_was_valid_carries_its_evidence_on(world: World, begun: str) -> None:
    world.during(begun)
    world.client.restart_experiment(begun, "another share", treatment_ppm=250_000)
    with world.store.transaction() as t:
        plan = ExperimentPlan.from_json(t.experiments.find(begun)["plan"])  # type: ignore[index]
        counted = t.experiment_statistics.statistics(begun, BEGAN + 41 * DAY, plan)
    assert counted.earlier_log_e < 0  # 1,500 users who fell as planned speak for the assignment


def test_an_app_that_loses_answers_of_the_treatment_is_called_out_once(world: World, begun: str) -> None:
    """Whoever was exposed and got no answer recorded is there with nothing."""
    world.during(begun, per_user=4, days=5)
    world.admin.execute(
        "delete from glow.agent_feedback f using glow.executions x where x.execution_id = f.execution_id"
        " and x.prompt_version = %(it)s and hashtext(x.execution_id) %% 5 < 2",
        {"it": OTHER.sha256},
    )
    world.admin.execute(
        "delete from glow.executions where prompt_version = %(it)s and hashtext(execution_id) %% 5 < 2",
        {"it": OTHER.sha256},
    )
    seen = look_at(world.store, begun, "guardrail", BEGAN + 6 * DAY)
    assert seen.moved == "experiment_paused", seen.look
    assert seen.look is not None
    assert "executions for each unit exposed to the treatment against" in seen.look.reason
    (told,) = [each for each in world.client.notifications(AGENT) if each.kind == "experiment_paused"]
    assert told.body["reason"] == seen.look.reason
    world.client.resume_experiment(begun, "the app was mended")
    assert look_at(world.store, begun, "guardrail", BEGAN + 6 * DAY + timedelta(hours=1)).moved == ""


@pytest.mark.parametrize("harm", [True, False])
def test_units_of_a_held_test_go_back_for_harm_or_when_it_is_stopped(world: World, begun: str, harm: bool) -> None:
    world.during(begun, users=1500, days=3, entering=1)
    world.admin.execute(
        "delete from glow.exposures where experiment_id = %s and variant = 'control' and hashtext(unit_id) %% 5 < 2",
        (begun,),
    )
    held = look_at(world.store, begun, "guardrail", BEGAN + 5 * DAY)
    assert (held.moved, held.experiment["state"]) == ("experiment_held", "held"), held.look
    (treated,) = world.admin.execute(
        "select min(unit_id) from glow.exposures where experiment_id = %s and variant = 'treatment'", (begun,)
    ).fetchone() or ("",)
    assert world.client.resolve_prompt(AGENT, treated).prompt_version == OTHER.sha256
    if harm:
        world.during(begun, users=1500, days=1, up=(0.8, 0.2), entering=1, again="late")
        world.admin.execute(
            "update glow.executions set recorded_at = recorded_at + interval '5 days',"
            " started_at = started_at + interval '5 days' where execution_id like '%late%'"
        )
        world.admin.execute(
            "update glow.agent_feedback set recorded_at = recorded_at + interval '5 days'"
            " where execution_id like '%late%'"
        )
        stopped = look_at(world.store, begun, "guardrail", BEGAN + 8 * DAY)
        assert (stopped.moved, stopped.experiment["decision"]) == ("experiment_stopped", "harm"), stopped.look
    else:
        world.client.stop_experiment(begun, "the app lost users")
    assert world.client.resolve_prompt(AGENT, treated).prompt_version == PROMPT.sha256
