"""Ticks of a rollout: one stage at most, back where it does harm, watched also where learning is off."""

from datetime import UTC, datetime, timedelta

import pytest

from glow_pipelines.learning.experiments import ExperimentPlan, RampPlan, default_stages
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import Ticked, start_asked, tick
from glow_pipelines.steps.experiments.rollout import ramp_of
from tests.steps.experimenting import AGENT, OTHER, PROMPT, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import settings as settings
from tests.steps.experimenting import world as world

DAY = timedelta(days=1)
BEGAN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=40)


@pytest.fixture
def ramping(world: World, settings: Settings) -> str:
    """A rollout without a test before, that began forty days ago at 5 %."""
    world.before()
    request = world.client.start_rollout(AGENT, "prompt", OTHER.sha256, "a change of wording")
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
    set_back(world, named, BEGAN)
    return named


def set_back(world: World, experiment_id: str, stage_began: datetime) -> None:
    """Let the experiment and its stage have begun earlier: the database writes its own time."""
    world.begin(experiment_id, BEGAN)
    world.admin.execute(
        "update glow.rollouts set stage_started_at = %s, revision = revision + 1 where experiment_id = %s",
        (stage_began, experiment_id),
    )


def test_a_late_scheduler_moves_one_stage_a_tick_up_to_everybody(world: World, ramping: str) -> None:
    """Of 1,200 users a twentieth are 60: nobody sees harm at 5 % nor in the hold-back, and a person is asked."""
    shares, phases = [50_000], [1]
    asked: list[int] = []
    for hour in range(12):
        since = BEGAN + 5 * len(set(shares)) * DAY
        if not asked or asked[-1] != shares[-1]:
            world.during(ramping, users=1200, per_user=2, up=(0.6, 0.65), days=4, since=since, entering=1)
        done = tick(world.store, ramping, BEGAN + 40 * DAY + timedelta(hours=hour))
        shares.append(done.experiment["treatment_ppm"])
        phases.append(done.experiment["phase"])
        assert done.moved in ("rollout_advanced", "rollout_completed", "rollout_awaits_approval"), done.move
        if done.rollout["state"] == "completed":
            break
        if done.moved == "rollout_awaits_approval":
            assert done.move is not None
            assert "was watched by nobody" in done.move.reason
            assert done.rollout["reason"] == done.move.reason
            asked.append(shares[-1])
            world.client.approve_rollout(ramping, "looked at by hand")
        set_back(world, ramping, BEGAN + timedelta(days=20))
    assert done.rollout["state"] == "completed", done.move
    assert done.experiment["state"] == "completed"
    assert asked == [50_000, 950_000]
    assert list(dict.fromkeys(shares)) == [50_000, 100_000, 250_000, 500_000, 750_000, 950_000, 1_000_000]
    assert phases == sorted(phases)
    assert world.client.resolve_prompt(AGENT, "u1").prompt_version == OTHER.sha256
    again = tick(world.store, ramping, BEGAN + timedelta(days=60))
    assert (again.new, again.moved) == (False, "")


def test_who_was_asked_because_nobody_could_see_is_told_once_and_not_needed_any_more(
    world: World, ramping: str
) -> None:
    world.during(ramping, users=600, per_user=2, days=4, entering=1)
    when = BEGAN + 5 * DAY
    asked = [tick(world.store, ramping, when + timedelta(hours=hour)) for hour in range(3)]
    assert [each.moved for each in asked] == ["rollout_awaits_approval"] * 3
    assert [each.rollout["awaiting_stage"] for each in asked] == [1] * 3
    kinds = [each.kind for each in world.client.notifications(AGENT)]
    assert kinds.count("rollout_awaits_approval") == 1
    world.during(ramping, users=6000, per_user=2, days=4, entering=1, again="more")
    on = tick(world.store, ramping, when + timedelta(hours=4))
    assert (on.moved, on.rollout["stage"], on.rollout["awaiting_stage"]) == ("rollout_advanced", 1, None)


def test_ticks_of_one_hour_are_one_also_where_the_first_began_a_phase(world: World, ramping: str) -> None:
    with world.store.transaction() as t:
        t.connection.execute("set local session_replication_role = replica")  # no way of a rollout is so short
        t.connection.execute("update glow.rollouts set stage = 5")
    set_back(world, ramping, BEGAN)
    world.admin.execute(
        "update glow.learning_experiments set phase = 3, treatment_ppm = 950000, control_ppm = 50000,"
        " started_at = clock_timestamp() - interval '30 days'"
    )
    now = datetime.now(UTC) + timedelta(seconds=20)
    world.during(ramping, users=2600, per_user=2, days=4, since=now - 9 * DAY, entering=1)
    first = tick(world.store, ramping, now)
    assert (first.moved, first.experiment["treatment_ppm"]) == ("rollout_advanced", 1_000_000), first.move
    assert (tick(world.store, ramping, now).new, tick(world.store, ramping, now).moved) == (False, "")
    assert tick(world.store, ramping, now + timedelta(hours=1)).moved == "rollout_completed"


def test_harm_of_the_last_hours_of_a_stage_is_seen_in_the_next_one(world: World, ramping: str) -> None:
    """What matures after another phase began belongs to the one in which it happened."""
    for _ in range(3):
        with world.store.transaction() as t:
            rollout = t.rollouts.current(ramping)
            assert rollout is not None
            t.rollouts.advance(ramping, rollout["revision"], "pipeline", "on")
    set_back(world, ramping, BEGAN)
    world.during(ramping, users=3000, per_user=2, up=(0.6, 0.6), days=2, entering=1)
    world.during(ramping, users=3000, per_user=2, up=(0.8, 0.2), days=1, since=BEGAN + 3 * DAY, again="late")
    world.admin.execute(
        "update glow.executions set started_at = started_at + interval '3 days',"
        " recorded_at = recorded_at + interval '3 days' where execution_id like '%late%'"
    )
    world.admin.execute(
        "update glow.agent_feedback set recorded_at = recorded_at + interval '3 days' where execution_id like '%late%'"
    )
    on = tick(world.store, ramping, BEGAN + 3 * DAY + timedelta(hours=12))
    assert (on.moved, on.experiment["phase"]) == ("rollout_advanced", 2), on.move
    set_back(world, ramping, BEGAN + 3 * DAY + timedelta(hours=12))
    world.during(ramping, users=300, per_user=1, days=1, since=BEGAN + 5 * DAY, entering=1)
    back = tick(world.store, ramping, BEGAN + 6 * DAY)
    assert back.moved == "rolled_back", back.move
    assert back.move is not None
    assert "thumbs up" in back.move.reason


def test_harm_rolls_back_in_one_tick_and_never_again(world: World, ramping: str) -> None:
    world.during(ramping, users=6000, per_user=3, up=(0.8, 0.3), days=3, entering=1)
    for hour in range(1, 24 * 5):
        done = tick(world.store, ramping, BEGAN + timedelta(hours=hour))
        if done.rollout["state"] == "rolled_back":
            break
        set_back(world, ramping, BEGAN + timedelta(hours=hour))  # the stage does not end
    assert done.moved == "rolled_back"
    assert (done.experiment["state"], done.experiment["decision"]) == ("rolled_back", "harm")
    assert {world.client.resolve_prompt(AGENT, f"u{n}").prompt_version for n in range(60)} == {PROMPT.sha256}
    (told,) = [each for each in world.client.notifications(AGENT) if each.kind == "rolled_back"]
    assert told.body["reason"].startswith("Rolled back")
    again = tick(world.store, ramping, BEGAN + timedelta(hours=hour + 1))
    assert (again.new, again.moved) == (False, "")


def test_where_learning_is_off_a_rollout_is_watched_and_goes_no_further(world: World, ramping: str) -> None:
    world.during(ramping, users=6000, per_user=2, up=(0.6, 0.6), days=3, entering=1)
    held = tick(world.store, ramping, BEGAN + 5 * DAY, onward=False)
    assert held.move is not None
    assert (held.new, held.moved, held.move.action) == (True, "", "wait")
    assert "LEARNING_ENABLED" in held.move.reason
    assert held.rollout["stage"] == 0
    assert tick(world.store, ramping, BEGAN + 5 * DAY + timedelta(hours=1)).moved == "rollout_advanced"


def test_where_learning_is_off_harm_is_taken_back_all_the_same(world: World, ramping: str) -> None:
    world.during(ramping, users=6000, per_user=3, up=(0.8, 0.3), days=3, entering=1)
    done = tick(world.store, ramping, BEGAN + 5 * DAY, onward=False)
    assert done.moved == "rolled_back"


def test_a_paused_rollout_stays_and_an_alarm_seen_by_a_person_holds_it_once(world: World, ramping: str) -> None:
    world.during(ramping, users=6000, per_user=3, up=(0.6, 0.6), rated=(0.9, 0.5), days=3, entering=1)
    held = tick(world.store, ramping, BEGAN + 5 * DAY)
    assert (held.moved, held.rollout["state"]) == ("rollout_paused", "paused")
    still = tick(world.store, ramping, BEGAN + 5 * DAY + timedelta(hours=1))
    assert (still.moved, still.rollout["state"]) == ("", "paused")
    world.client.resume_rollout(ramping, "the question is asked less often on purpose")
    with world.store.transaction() as t:
        experiment, rollout, moves = (
            t.experiments.find(ramping),
            t.rollouts.current(ramping),
            t.rollouts.history(ramping),
        )
    assert experiment is not None
    assert rollout is not None
    assert ramp_of(experiment, rollout, moves).acknowledged == ("feedback_rate",)
    on = tick(world.store, ramping, BEGAN + 5 * DAY + timedelta(hours=2))
    assert on.rollout["state"] == "running"


def test_a_stage_that_asks_waits_for_a_person_who_is_told_once(world: World, settings: Settings) -> None:
    world.before()
    request = world.client.start_rollout(AGENT, "prompt", OTHER.sha256, "a change of wording", approval=True)
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
        rollout = t.rollouts.current(named)
    assert rollout is not None
    set_back(world, named, BEGAN)
    world.during(named, users=6000, per_user=2, up=(0.6, 0.6), days=3, entering=1)
    waits: list[Ticked] = [tick(world.store, named, BEGAN + 5 * DAY + timedelta(hours=n)) for n in range(3)]
    assert [each.rollout["stage"] for each in waits] == [0, 0, 0]
    kinds = [each.kind for each in world.client.notifications(AGENT)]
    assert kinds.count("rollout_awaits_approval") == 1
    world.client.approve_rollout(named, "go on")
    assert tick(world.store, named, BEGAN + 5 * DAY + timedelta(hours=4)).rollout["stage"] == 1


def test_what_a_test_has_shown_is_not_counted_against_its_rollout(world: World, settings: Settings) -> None:
    world.before()
    request = world.client.create_experiment(AGENT, OTHER.sha256)
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
        row = t.experiments.find(named)
        assert row is not None
        plan = RampPlan.of(ExperimentPlan.from_json(row["plan"]), default_stages(after_test=True))
        t.rollouts.open(named, plan.to_json(), "pipeline", "won", {"carried": {"feedback_rate": -1.5}})
        experiment, rollout, moves = t.experiments.find(named), t.rollouts.current(named), t.rollouts.history(named)
    assert experiment is not None
    assert rollout is not None
    assert ramp_of(experiment, rollout, moves).carried == {"feedback_rate": -1.5}
    asks = {"move": "rollout_awaits_approval", "evidence": {}}
    assert ramp_of(experiment, rollout, [*moves, asks]).carried == {"feedback_rate": -1.5}
