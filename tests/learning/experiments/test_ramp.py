"""The gradual rollout: every legal way through it, one stage a tick, one error for all of it, and always a way back."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from glow_pipelines.learning.experiments import (
    ArmMoments,
    Judged,
    Moments,
    Ramp,
    RampMove,
    RampPlan,
    Stage,
    Statistics,
    Traffic,
    advance,
    always_valid,
    default_stages,
    open_ramp,
    plan_experiment,
)
from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.metrics import FEEDBACK_RATE
from glow_pipelines.learning.experiments.ramp import SAMPLE_RATIO, approve, pause, resume, roll_back

TEST = plan_experiment(
    "e#1", Traffic(400, 1, 0.6, 0.0, executions_per_user=2), judged=[Judged("correction_rate", role="critical")]
)
AFTER = RampPlan.of(TEST, default_stages(True))
FRESH = RampPlan.of(TEST, default_stages(False))
RUNNING = Ramp("running", 0, 0.0)


def share(users: int, rate: float) -> Moments:
    spread = users * rate * (1 - rate)
    return Moments(users, ("s", "n"), (rate, 1.0), ((spread, 0.0), (0.0, 0.0)))


def seen(
    day: float, stage: Stage, users: int = 2000, corrections: float = 0.0, feedback: float = 0.0, **more: Any
) -> Statistics:
    """Users in the stage's proportions; `corrections` and `feedback` are what the treatment adds."""
    both = stage.treatment_ppm + stage.control_ppm
    c, t = (round(users * ppm / both) for ppm in (stage.control_ppm, stage.treatment_ppm))
    metrics = {
        "thumbs_up_rate": ArmMoments(share(c, 0.6), share(t, 0.6)),
        FEEDBACK_RATE: ArmMoments(share(c, 0.5), share(t, 0.5 + feedback)),
        "correction_rate": ArmMoments(share(c, 0.1), share(t, 0.1 + corrections)),
    }
    return Statistics(day, (c, t), **({"metrics": metrics} | more))


def tick(plan: RampPlan, ramp: Ramp, day: float, **more: Any) -> RampMove:
    return advance(plan, ramp, day, seen(day, plan.stages[ramp.stage], **more))


@pytest.mark.parametrize(("plan", "shares"), [(AFTER, [50, 75, 95, 100]), (FRESH, [5, 10, 25, 50, 75, 95, 100])])
def test_a_healthy_ramp_goes_through_every_stage(plan: RampPlan, shares: list[int]) -> None:
    ramp, day, moves = RUNNING, 0.0, []
    while not ramp.final:
        day += 1 / 24
        move = tick(plan, ramp, day)
        moves += [move] if move.action != "wait" else []
        ramp = Ramp.from_json(json.loads(json.dumps(move.ramp.to_json())))
        assert ramp == move.ramp
    assert [move.action for move in moves] == ["advance"] * (len(shares) - 1) + ["complete"]
    assert [stage.treatment_ppm // 10_000 for stage in plan.stages] == shares
    assert day == pytest.approx(len(shares) - 2 + 7, abs=0.6)  # a day each, a week at 95 %


def test_up_to_half_the_control_is_as_large_and_the_stratum_one() -> None:
    below = [stage for stage in FRESH.stages if stage.treatment_ppm <= MILLION // 2]
    assert all(stage.control_ppm == stage.treatment_ppm for stage in below)
    assert {stage.phase_offset for stage in below} == {0}
    above = [stage for stage in FRESH.stages if stage.treatment_ppm > MILLION // 2]
    assert all(stage.control_ppm == MILLION - stage.treatment_ppm for stage in above)
    assert [stage.phase_offset for stage in above] == [1, 2, 3]
    # A test at another split cannot share its stratum with a 50 % stage.
    assert [stage.phase_offset for stage in default_stages(True, tested_ppm=200_000)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("tested", "shares", "offsets"),
    [
        (600_000, [75, 95, 100], [1, 2, 3]),
        (750_000, [75, 95, 100], [0, 1, 2]),
        (800_000, [95, 100], [1, 2]),
        (950_000, [95, 100], [0, 1]),
        (990_000, [100], [1]),
    ],
)
def test_a_rollout_never_begins_below_what_was_tested(tested: int, shares: list[int], offsets: list[int]) -> None:
    stages = default_stages(True, tested_ppm=tested)
    assert [stage.treatment_ppm // 10_000 for stage in stages] == shares
    assert [stage.phase_offset for stage in stages] == offsets
    RampPlan.of(TEST, stages)


def test_a_late_scheduler_moves_one_stage_a_tick() -> None:
    move = tick(FRESH, RUNNING, 90.0)
    assert (move.action, move.ramp.stage, move.ramp.stage_started_day) == ("advance", 1, 90.0)
    assert tick(FRESH, move.ramp, 90.0).action == "wait"


def test_a_stage_waits_for_hours_and_for_users() -> None:
    assert tick(FRESH, RUNNING, 23 / 24).action == "wait"
    few = tick(FRESH, RUNNING, 3.0, users=150)
    assert few.action == "wait"
    assert "150 of at least 200 exposed users" in few.reason
    assert advance(FRESH, RUNNING, 3.0).action == "wait"
    assert tick(FRESH, approve(RUNNING, 1), 3.0, users=150).action == "advance"


def test_small_agents_are_asked_for_users_they_have() -> None:
    stages = default_stages(False, users=300)
    assert [stage.units for stage in stages] == [15, 30, 75, 150, 150, 150, 0]
    assert [bool(stage.blind) for stage in stages] == [True, True, True, False, True, True, False]
    assert "of 300 users in 28 days about 15 come into its smaller arm in time" in stages[0].blind
    # Of 4,000 who come once in four weeks 994 come in the eight days that count; at 95 % 1,486 in thirteen.
    rare = default_stages(False, users=4000, visits=1.0, hours=48)
    assert [stage.treatment_ppm // 10_000 for stage in rare if stage.blind] == [5, 10, 95]
    assert not any(stage.blind for stage in default_stages(False, users=4000, visits=10.0, hours=48))


def test_a_stage_in_which_harm_could_not_be_seen_lasts_longer_and_then_a_person_is_asked() -> None:
    at_95 = replace(RUNNING, stage=5, stage_started_day=0.0)  # of 1,200 users 60 are in control
    held = tick(FRESH, at_95, 8.0, users=1200)
    assert held.action == "wait"
    assert "harm would not be seen yet: 60 of 100 units in the smaller arm" in held.reason
    asked = tick(FRESH, at_95, 14.0, users=1200)
    assert (asked.action, asked.ramp) == ("await_approval", at_95)
    assert "95 % was watched by nobody: harm would not be seen yet: 60 of 100 units" in asked.reason
    assert tick(FRESH, approve(at_95, 6), 14.0, users=1200).action == "advance"
    assert tick(FRESH, at_95, 14.0, users=2400).action == "advance"  # they came after all


def test_where_waiting_would_not_help_a_person_is_asked_at_once() -> None:
    small = RampPlan.of(TEST, default_stages(False, users=300))
    assert tick(small, RUNNING, 0.5, users=30).action == "wait"
    asked = tick(small, RUNNING, 1.0, users=30)
    assert asked.action == "await_approval"
    assert "of 300 users in 28 days about 15" in asked.reason
    assert tick(small, RUNNING, 1.0, users=600).action == "advance"  # more came than before


def test_a_monitor_without_values_that_could_roll_back_sees_nothing() -> None:
    data = seen(2.0, FRESH.stages[0], users=4000)
    unheard = {**data.metrics, "correction_rate": ArmMoments(share(50, 0.1), share(50, 0.1))}
    unheard |= {"thumbs_up_rate": ArmMoments(*[Moments(2000, ("s", "n"), (0.0, 0.0), ((0.0, 0.0), (0.0, 0.0)))] * 2)}
    move = advance(FRESH, RUNNING, 2.0, replace(data, metrics=unheard))
    assert move.action == "wait"
    assert "thumbs up worth 0 of 30 users" in move.reason


def test_harm_rolls_back_at_any_stage_and_for_good() -> None:
    for stage in range(len(FRESH.stages) - 1):
        move = tick(FRESH, replace(RUNNING, stage=stage), 0.1, users=8000, corrections=0.15)
        assert (move.action, move.ramp.state) == ("roll_back", "rolled_back")
        assert "corrections 25.0 % with the treatment against 10.0 % in control is worse" in move.reason
        again = advance(FRESH, move.ramp, 0.2, seen(0.2, FRESH.stages[stage]))
        assert (again.action, again.ramp) == ("wait", move.ramp)
    paused = pause(RUNNING, 0.1)
    assert tick(FRESH, paused, 0.2, users=8000, corrections=0.15).action == "roll_back"


def test_evidence_of_strata_multiplies_over_the_whole_ramp() -> None:
    at_95 = replace(RUNNING, stage=5, stage_started_day=0.0)
    mild = tick(FRESH, at_95, 1.0, users=6000, corrections=0.05)
    assert mild.action == "wait"
    evidence = mild.evidence["correction_rate"]
    assert 0 < evidence < np.log(3 / 0.05)
    carried = replace(at_95, carried={"correction_rate": np.log(3 / 0.05) - evidence + 1e-9})
    assert tick(FRESH, carried, 1.0, users=6000, corrections=0.05).action == "roll_back"
    left = tick(FRESH, replace(at_95, stage=4, carried={"correction_rate": 1.0}), 2.0, corrections=0.01)
    assert left.ramp.carried["correction_rate"] == pytest.approx(left.evidence["correction_rate"])
    same = tick(FRESH, replace(RUNNING, carried={"correction_rate": 1.0}), 2.0, corrections=0.01)
    assert same.ramp.carried == {"correction_rate": 1.0}  # 5 → 10 % is the same stratum


def test_what_matures_after_a_stage_ended_counts_for_its_stratum() -> None:
    at_95 = replace(RUNNING, stage=5, carried={"correction_rate": -2.0}, opened={"correction_rate": -0.5})
    late = seen(1.0, FRESH.stages[4], users=8000, corrections=0.15)
    data = seen(1.0, FRESH.stages[5], users=150)
    assert advance(FRESH, at_95, 1.0, data).action == "wait"
    back = advance(FRESH, at_95, 1.0, replace(data, strata=(late,)))
    assert back.action == "roll_back"
    unmeasured = replace(data, metrics={}, strata=(late,))
    assert "corrections 25.0 % with the treatment" in advance(FRESH, at_95, 1.0, unmeasured).reason
    mild = replace(data, strata=(seen(1.0, FRESH.stages[3], corrections=0.01), seen(1.0, FRESH.stages[4])))
    each = [advance(FRESH, RUNNING, 1.0, stratum).evidence["correction_rate"] for stratum in mild.strata]
    assert advance(FRESH, at_95, 1.0, mild).evidence["correction_rate"] == pytest.approx(sum(each) - 0.5)
    assert Statistics.from_json(json.loads(json.dumps(mild.to_json()))) == mild


def test_a_stage_that_goes_on_with_the_data_of_a_test_is_as_sure_as_one_that_begins_anew() -> None:
    """e(now)/e(then) given what the test showed, whatever that was: at most α, though both pool the same units."""
    metric, rng, reps = AFTER.metrics[-1], np.random.default_rng(11), 4000
    edge = np.log(len(AFTER.metrics) / AFTER.alpha)
    looks = np.arange(1, 15)
    for then in (-3.0, 0.0, 2.5):  # standard errors of harm at the end of the test, of as much information as a plan's
        noise = rng.normal(size=(reps, len(looks))).cumsum(axis=1) * np.sqrt(1 / 7)
        information = 1 + looks / 7
        se = metric.standard_error / np.sqrt(information)
        evidence = always_valid.log_e((then + noise) / np.sqrt(information), (metric.tau_harm / se) ** 2, sides=1)
        before = always_valid.log_e(then, (metric.tau_harm / metric.standard_error) ** 2, sides=1)
        crossed = (evidence - before >= edge).any(axis=1).mean()
        assert crossed <= AFTER.alpha / len(AFTER.metrics) + 0.005


def test_a_small_hold_back_without_errors_is_no_proof_of_harm() -> None:
    """At 95 : 5 the six errors expected of a hundred users may be one, and its own spread then says that it is sure."""
    rng, back = np.random.default_rng(5), 0
    at_95 = replace(RUNNING, stage=5)
    for _ in range(400):
        rates = rng.binomial((1900, 100), 0.05) / (1900, 100)
        data = seen(1.0, FRESH.stages[5], users=2000)
        arms = ArmMoments(share(100, rates[1]), share(1900, rates[0]))
        data = replace(data, metrics={**data.metrics, "correction_rate": arms})
        back += advance(FRESH, at_95, 1.0, data).action == "roll_back"
    assert back <= 400 * FRESH.alpha / len(FRESH.metrics)


def test_a_ramp_after_a_test_starts_its_evidence_anew() -> None:
    past = seen(7.0, AFTER.stages[0], corrections=0.02)
    ramp = open_ramp(AFTER, 7.0, past)
    now = advance(AFTER, ramp, 7.1, past)
    assert now.evidence == {name: pytest.approx(0.0) for name in now.evidence}
    assert open_ramp(AFTER, 7.0).carried == {}


def test_a_signal_holds_until_a_person_has_looked() -> None:
    move = tick(FRESH, RUNNING, 2.0, users=4000, feedback=-0.2)
    assert (move.action, move.ramp.state, move.alarms) == ("hold", "paused", (FEEDBACK_RATE,))
    assert tick(FRESH, move.ramp, 2.1, users=4000, feedback=-0.2).action == "wait"
    known = resume(move.ramp, 3.0, move.alarms)
    assert known.stage_started_day == pytest.approx(1.0)  # the stage lasts as much longer as the pause did
    assert tick(FRESH, known, 3.0, users=4000, feedback=-0.2).action == "advance"
    assert tick(FRESH, resume(move.ramp, 3.0), 3.1, users=4000, feedback=-0.2).action == "hold"


def test_wrong_arrivals_hold_and_suspicious_ones_stay() -> None:
    broken = replace(seen(2.0, FRESH.stages[0]), units=(1000, 1400))
    assert advance(FRESH, RUNNING, 2.0, broken).alarms == (SAMPLE_RATIO,)
    leak = replace(seen(2.0, FRESH.stages[-1]), units=(3, 2000))
    assert advance(FRESH, replace(RUNNING, stage=6), 2.0, leak).action == "hold"
    odd = replace(seen(2.0, FRESH.stages[0]), earlier_log_e=6.0)
    assert advance(FRESH, RUNNING, 2.0, odd).action == "wait"


def test_approval_is_asked_for_before_a_stage_begins() -> None:
    plan = RampPlan.of(TEST, default_stages(True, approval=True))
    asked = tick(plan, RUNNING, 2.0)
    assert asked.action == "await_approval"
    assert asked.ramp == RUNNING
    allowed = tick(plan, approve(RUNNING, 1), 2.0)
    assert (allowed.action, allowed.ramp.stage) == ("advance", 1)
    assert tick(plan, allowed.ramp, 4.0).action == "await_approval"
    first = replace(plan, stages=(replace(plan.stages[0], approval=True), *plan.stages[1:]))
    pending = open_ramp(first, 1.0)
    assert pending.state == "pending"
    assert advance(first, pending, 2.0).action == "await_approval"
    begun = advance(first, approve(pending, 0), 2.0)
    assert (begun.action, begun.ramp.state, begun.ramp.stage) == ("advance", "running", 0)


def test_moves_of_a_person_are_idempotent_and_refused_where_they_make_no_sense() -> None:
    paused = pause(RUNNING, 1.0)
    assert pause(paused, 2.0) == paused
    assert resume(RUNNING, 2.0) == RUNNING
    back = roll_back(paused)
    assert roll_back(back) == back
    completed = replace(RUNNING, state="completed")
    for refused in (
        lambda: pause(back, 1.0),
        lambda: resume(back, 1.0),
        lambda: roll_back(completed),
        lambda: approve(back, 1),
    ):
        with pytest.raises(ValueError, match="state: "):
            refused()


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (Stage(500_000, 500_000, 0, 1, 1),),
        (Stage(500_000, 500_000, 0, 1, 1), Stage(100_000, 100_000, 0, 1, 1), Stage(MILLION, 0, 1, 0, 0)),
        (Stage(500_000, 500_000, 0, 1, 1), Stage(750_000, 250_000, 0, 1, 1), Stage(MILLION, 0, 1, 0, 0)),
        (Stage(500_000, 500_000, 1, 1, 1), Stage(MILLION, 0, 0, 0, 0)),
    ],
)
def test_impossible_stages_are_refused(stages: tuple[Stage, ...]) -> None:
    with pytest.raises(ValueError, match="stages: "):
        RampPlan(stages, TEST.watched)


ORDER = {"pending": 0, "running": 1, "paused": 1, "rolled_back": 2, "completed": 2}


class Life(RuleBasedStateMachine):
    """Ticks, people, good and bad data in any order: one stage a move, ends are final, nothing is taken back."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = RampPlan.of(TEST, default_stages(False, approval=True))
        self.plan = replace(self.plan, stages=(replace(self.plan.stages[0], approval=True), *self.plan.stages[1:]))
        self.ramp, self.day = open_ramp(self.plan, 0.0), 0.0

    def become(self, ramp: Ramp) -> None:
        was = self.ramp
        assert 0 <= ramp.stage - was.stage <= 1
        assert ramp.stage < len(self.plan.stages)
        assert ORDER[ramp.state] >= ORDER[was.state]
        assert not was.final or ramp == was
        assert ramp.approved_stage >= was.approved_stage
        if ramp.stage > was.stage:
            assert ramp.approved_stage >= ramp.stage
            assert self.day - was.stage_started_day >= self.plan.stages[was.stage].hours / 24 - 0.001
        self.ramp = ramp

    @rule(
        hours=st.floats(0.1, 400),
        users=st.sampled_from([0, 150, 3000]),
        corrections=st.sampled_from([0.0, 0.0, 0.02, 0.3]),
        feedback=st.sampled_from([0.0, 0.0, -0.3]),
        multiple=st.sampled_from([0, 0, 500]),
    )
    def tick(self, hours: float, users: int, corrections: float, feedback: float, multiple: int) -> None:
        self.day += hours / 24
        stage = self.plan.stages[self.ramp.stage]
        data = seen(self.day, stage, users, corrections=corrections, feedback=feedback, multiple=multiple)
        move = advance(self.plan, self.ramp, self.day, data)
        assert advance(self.plan, self.ramp, self.day, data) == move
        assert move.action != "advance" or corrections < 0.3 or users < 3000 or self.ramp.state == "pending"
        if move.action in ("wait", "await_approval"):
            assert move.ramp == self.ramp
        self.become(move.ramp)

    @rule(hours=st.floats(0.1, 400))
    def tick_without_data(self, hours: float) -> None:
        self.day += hours / 24
        self.become(advance(self.plan, self.ramp, self.day).ramp)

    @precondition(lambda self: self.ramp.state in ("running", "paused"))
    @rule()
    def pause(self) -> None:
        self.become(pause(self.ramp, self.day))

    @precondition(lambda self: self.ramp.state in ("running", "paused"))
    @rule(known=st.sampled_from([(), (FEEDBACK_RATE,), (SAMPLE_RATIO, FEEDBACK_RATE)]))
    def resume(self, known: tuple[str, ...]) -> None:
        self.become(resume(self.ramp, self.day, known))

    @precondition(lambda self: not self.ramp.final)
    @rule()
    def approve_next(self) -> None:
        ahead = self.ramp.stage + (self.ramp.state != "pending")
        self.become(approve(self.ramp, min(ahead, len(self.plan.stages) - 1)))

    @precondition(lambda self: self.ramp.state != "completed")
    @rule(sure=st.sampled_from([False] * 9 + [True]))
    def roll_back(self, sure: bool) -> None:
        if sure:
            self.become(roll_back(self.ramp))

    @invariant()
    def survives_json(self) -> None:
        assert Ramp.from_json(json.loads(json.dumps(self.ramp.to_json()))) == self.ramp


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_a_harmless_treatment_is_rarely_rolled_back_and_a_harmful_one_caught() -> None:
    """Hourly looks over 5 → 10 → 25 → 50 % with a doubled rate of corrections or the same; the benchmark has 10 000."""
    for factor, low, high in ((1.0, 0.0, 0.06), (2.0, 0.97, 1.0)):
        rng, stopped = np.random.default_rng(3), 0
        for _ in range(60):
            ramp, rows = RUNNING, np.zeros(4)
            for hour in range(6, 169, 6):
                stage = FRESH.stages[ramp.stage]
                fresh = rng.poisson(2000 / 4 * stage.treatment_ppm / MILLION, 2)
                hurt = rng.binomial(fresh, [0.05, 0.05 * factor])
                rows += [fresh[0], fresh[1], hurt[0], hurt[1]]
                arms = ArmMoments(*(share(int(rows[i]), rows[2 + i] / max(1, rows[i])) for i in (0, 1)))
                data = Statistics(hour / 24, (int(rows[0]), int(rows[1])), metrics={"correction_rate": arms})
                ramp = advance(FRESH, ramp, hour / 24, data).ramp
                if ramp.final or ramp.stage > 3:
                    break
            stopped += ramp.state == "rolled_back"
        assert low <= stopped / 60 <= high
