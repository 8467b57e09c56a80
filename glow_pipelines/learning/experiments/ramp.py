"""The gradual rollout as a state machine: stages, hold times, a monitor over the whole ramp's error, and one way back.

Belongs here: which move is legal now. Does not: making it (one transaction in the store), what a stage does to
assignment (sql/), the evidence of one moment (observations.py).

Stages up to 50 % have an equal-size control and share one stratum (phase): pooling over stages is unbiased only at a
constant ratio. Above, each stage is a stratum of its own, and the evidence of strata multiplies. The error of 5 % is
for the whole ramp and never begins anew at a stage. Stages themselves are in stages.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from glow_pipelines.learning.experiments.activity import LOST, activity
from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.gates import MINUTE
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.observations import Arrival, arrived, blind, harm_threshold, observe
from glow_pipelines.learning.experiments.records import Record
from glow_pipelines.learning.experiments.sentences import both, harmed
from glow_pipelines.learning.experiments.stages import RampPlan, Stage
from glow_pipelines.learning.experiments.types import Activity, Look, MetricLook, Statistics

State = Literal["pending", "running", "paused", "rolled_back", "completed"]
Move = Literal["wait", "advance", "complete", "roll_back", "await_approval", "hold"]
FINAL: frozenset[str] = frozenset({"rolled_back", "completed"})
SAMPLE_RATIO = "sample_ratio"


@dataclass(frozen=True)
class Ramp(Record):
    """Where a ramp stands. Days count from the experiment's start.

    `carried` is ln e by metric that finished strata had left when the last of them ended; `opened` is the part of it
    that is from before the ramp. `approved_stage` is the last stage a person let begin,
    `acknowledged` are alarms a person has looked at before resuming: they do not hold the ramp again.
    """

    state: State
    stage: int
    stage_started_day: float
    carried: Mapping[str, float] = field(default_factory=dict)
    approved_stage: int = -1
    paused_day: float | None = None
    acknowledged: tuple[str, ...] = ()
    opened: Mapping[str, float] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether it is over; a new ramp then needs a new version."""
        return self.state in FINAL


@dataclass(frozen=True)
class RampMove(Record):
    """What is to be done now, the ramp after it, and why. `evidence` is ln e of harm by metric over the whole ramp."""

    action: Move
    ramp: Ramp
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    metrics: tuple[MetricLook, ...] = ()


def open_ramp(plan: RampPlan, day: float, statistics: Statistics | None = None) -> Ramp:
    """A ramp that begins now; pending where its first stage asks for approval.

    Where the first stratum goes on with the phase of a test, `statistics` of that phase are what the monitor starts
    from: evidence since then is e(now)/e(then), so the test's past harm alarms are not paid for twice.
    """
    carried = {}
    if statistics is not None and plan.stages[0].phase_offset == 0:
        seen = observe(plan.metrics, statistics, (), plan.alpha)
        carried = {look.metric: -look.harm_log_e for look in seen if look.harm_log_e is not None}
    return Ramp("pending" if plan.stages[0].approval else "running", 0, day, carried, opened=carried)


def advance(
    plan: RampPlan, ramp: Ramp, day: float, statistics: Statistics | None = None, history: Sequence[Look] = ()
) -> RampMove:
    """The one move that is due at `day`, at most one stage however late the scheduler is. Equal input, equal move.

    `statistics` are those of the current stratum (phase), with the ended ones as they are by now, `history` looks of
    it. Where `statistics.strata` are not given, `ramp.carried` counts as they were left. A final ramp waits for ever,
    so a repeated tick changes nothing.
    """
    if ramp.final:
        return RampMove("wait", ramp, f"The rollout is {ramp.state.replace('_', ' ')}: nothing moves any more.")
    if ramp.state == "pending":
        if ramp.approved_stage < 0:
            return RampMove("await_approval", ramp, "The rollout waits for a person to approve its first stage.")
        begun = replace(ramp, state="running", stage_started_day=day)
        return RampMove("advance", begun, f"The rollout begins at {_share(plan.stages[0])} of the users.")
    watch = _watch(plan, ramp, statistics, history)
    if watch.hurt:
        reason = f"Rolled back: {harmed(watch.hurt)}, {watch.units}. Everybody is back on what was in force before."
        return watch.move("roll_back", replace(ramp, state="rolled_back", paused_day=None), reason)
    if ramp.state == "paused":
        return watch.move("wait", ramp, f"Paused at {_share(plan.stages[ramp.stage])}: a person resumes or rolls back.")
    if fresh := [alarm for alarm in watch.alarms if alarm not in ramp.acknowledged]:
        reason = f"Paused: {_alarming(watch, fresh)}, {watch.units}. A person resumes or rolls back."
        return watch.move("hold", replace(ramp, state="paused", paused_day=day), reason)
    return _next(plan, ramp, day, statistics, watch)


def pause(ramp: Ramp, day: float) -> Ramp:
    """Nobody new enters. Raises ValueError for a ramp that is not running (paused again is the same)."""
    if ramp.state == "paused":
        return ramp
    if ramp.state != "running":
        raise ValueError(f"state: only a running rollout can be paused, this one is {ramp.state}")
    return replace(ramp, state="paused", paused_day=day)


def resume(ramp: Ramp, day: float, acknowledged: Sequence[str] = ()) -> Ramp:
    """Go on at the stage it was in, which lasts as much longer as the pause did; `acknowledged` alarms were seen."""
    if ramp.state == "running":
        return ramp
    if ramp.state != "paused":
        raise ValueError(f"state: only a paused rollout can be resumed, this one is {ramp.state}")
    away = 0.0 if ramp.paused_day is None else max(0.0, day - ramp.paused_day)
    known = tuple(sorted({*ramp.acknowledged, *acknowledged}))
    return replace(
        ramp,
        state="running",
        stage_started_day=ramp.stage_started_day + away,
        paused_day=None,
        acknowledged=known,
    )


def approve(ramp: Ramp, stage: int) -> Ramp:
    """A person lets `stage` begin (0 is the first). It also stands in for units that a stage before it lacks."""
    if ramp.final:
        raise ValueError(f"state: the rollout is {ramp.state}, there is nothing to approve")
    return replace(ramp, approved_stage=max(ramp.approved_stage, stage))


def roll_back(ramp: Ramp) -> Ramp:
    """Back to what was in force before; the same when repeated. Raises ValueError for a completed ramp."""
    if ramp.state == "completed":
        raise ValueError("state: the rollout is completed; put the version before in force instead")
    return replace(ramp, state="rolled_back", paused_day=None)


@dataclass(frozen=True)
class _Watch:
    """What the monitor sees: evidence over the whole ramp, harm that ends it, alarms that hold it."""

    arrival: Arrival | None
    units: str
    metrics: tuple[MetricLook, ...]
    evidence: Mapping[str, float]
    hurt: tuple[tuple[MetricPlan, MetricLook], ...]
    signals: tuple[tuple[MetricPlan, MetricLook], ...]
    alarms: tuple[str, ...]
    blind: str | None
    activity: Activity | None = None

    def move(self, action: Move, ramp: Ramp, reason: str) -> RampMove:
        return RampMove(action, ramp, reason, self.evidence, self.alarms, self.metrics)


def _watch(plan: RampPlan, ramp: Ramp, statistics: Statistics | None, history: Sequence[Look]) -> _Watch:
    stage = plan.stages[ramp.stage]
    if statistics is None:
        return _Watch(None, "nobody measured yet", (), dict(ramp.carried), (), (), (), blind(plan.metrics, None, ()))
    arrival = arrived(statistics, (float(stage.control_ppm), float(stage.treatment_ppm)))
    earlier = [look for look in history if look.day < statistics.day]
    seen = observe(plan.metrics, statistics, earlier, plan.alpha)
    carried = _carried(plan, ramp, statistics)
    evidence = {m.metric: carried.get(m.metric, 0.0) + (m.harm_log_e or 0.0) for m in seen}
    edge = harm_threshold(len(plan.metrics), plan.alpha)
    over = [
        (metric, replace(_shown(plan, metric, look, statistics), harm_log_e=evidence[metric.metric]))
        for metric, look in zip(plan.metrics, seen, strict=True)
        if evidence[metric.metric] >= edge
    ]
    hurt = tuple(pair for pair in over if pair[0].role != "signal")
    signals = tuple(pair for pair in over if pair[0].role == "signal")
    active = activity(statistics)
    lost = [LOST] if active is not None and active.lost else []
    alarms = ([SAMPLE_RATIO] if arrival.invalid else []) + lost + [metric.metric for metric, _ in signals]
    unseen = blind(plan.metrics, statistics, seen)
    return _Watch(arrival, both(statistics.units), seen, evidence, hurt, signals, tuple(alarms), unseen, active)


def _shown(plan: RampPlan, metric: MetricPlan, look: MetricLook, statistics: Statistics) -> MetricLook:
    """The levels to tell of: where this stratum has none yet, those of the newest one before that has."""
    for stratum in reversed(statistics.strata):
        if look.control is not None:
            break
        (look,) = observe((metric,), stratum, (), plan.alpha)
    return look


def _carried(plan: RampPlan, ramp: Ramp, statistics: Statistics) -> dict[str, float]:
    """ln e of the strata that ended. Half of what happens in a stage's last day matures in the next one's."""
    if not statistics.strata:
        return dict(ramp.carried)
    carried = dict(ramp.opened)
    for stratum in statistics.strata:
        for look in observe(plan.metrics, stratum, (), plan.alpha):
            carried[look.metric] = carried.get(look.metric, 0.0) + (look.harm_log_e or 0.0)
    return carried


def _alarming(watch: _Watch, fresh: Sequence[str]) -> str:
    words = ["users do not arrive in the planned shares, so nothing measured can be trusted"]
    signals = [pair for pair in watch.signals if pair[0].metric in fresh]
    lost = [watch.activity.words] if LOST in fresh and watch.activity is not None else []
    return "; ".join((words if SAMPLE_RATIO in fresh else []) + lost + ([harmed(signals)] if signals else []))


def _next(plan: RampPlan, ramp: Ramp, day: float, statistics: Statistics | None, watch: _Watch) -> RampMove:
    stage, last = plan.stages[ramp.stage], ramp.stage == len(plan.stages) - 1
    passed = 24 * (day - ramp.stage_started_day)
    if passed < stage.hours - 24 * MINUTE:
        return watch.move("wait", ramp, f"{_share(stage)}: hour {max(0.0, passed):.0f} of at least {stage.hours:g}.")
    units = 0 if statistics is None else sum(statistics.units)
    unseen = watch.blind if stage.control_ppm else None
    if (units < stage.units or unseen) and ramp.approved_stage <= ramp.stage:
        few = f"{units:,} of at least {stage.units:,} exposed users"
        lacks = few if units < stage.units else f"harm would not be seen yet: {unseen}"
        if passed < stage.longest and (units < stage.units or not stage.blind):
            reason = f"{_share(stage)}: {lacks}; approving the next stage stands in. At most {stage.longest:g} hours."
            return watch.move("wait", ramp, reason)
        why = f" ({stage.blind})" if stage.blind else f" after {passed:.0f} hours"
        reason = f"{_share(stage)} was watched by nobody: {lacks}{why}. A person approves what is next, or rolls back."
        return watch.move("await_approval", ramp, reason)
    if watch.arrival is not None and watch.arrival.suspicious and not watch.arrival.invalid:
        return watch.move("wait", ramp, f"{_share(stage)}: users do not quite arrive as planned, so it stays here.")
    if last:
        reason = "Completed: everybody has the treatment, and it is in force."
        return watch.move("complete", replace(ramp, state="completed"), reason)
    there = plan.stages[ramp.stage + 1]
    if there.approval and ramp.approved_stage <= ramp.stage:
        return watch.move("await_approval", ramp, f"{_share(there)} waits for a person to approve it.")
    # A stratum that ends leaves its evidence to the next; inside one the moments themselves go on growing.
    ends = there.phase_offset != stage.phase_offset
    moved = replace(
        ramp,
        stage=ramp.stage + 1,
        stage_started_day=day,
        carried=dict(watch.evidence) if ends else ramp.carried,
    )
    return watch.move("advance", moved, f"From {_share(stage)} to {_share(there)} of the users: no alarm so far.")


def _share(stage: Stage) -> str:
    return f"{100 * stage.treatment_ppm / MILLION:g} %"
