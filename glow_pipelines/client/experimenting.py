"""The calls about an agent's experiments: planning and asking for one, how it goes, ending it, and holdouts.

Belongs here: names, arguments and results of these functions. Does not: gradual rollouts (`rolling`), which arm a unit
gets (`reading.resolve_prompt`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from glow_pipelines.client.call import Call, given, one, read_request, table
from glow_pipelines.client.results import Request


@dataclass(frozen=True, slots=True)
class WayToTest:
    """What an experiment would show if it randomised by `way` (user, session, execution), or adjusted for what users
    said before (cuped). `error_ratio`: its standard error over the plan's. `days_needed`: None where there are too few
    users. `variance_left`: what cuped leaves of the variance."""

    way: str
    design_effect: float
    users_needed: int
    error_ratio: float
    detectable: float | None = None
    days_needed: int | None = None
    variance_left: float = 1.0


@dataclass(frozen=True, slots=True)
class ExperimentForecast:
    """What an experiment on `metric` would show with the agent's traffic of four weeks.

    `days`: the planned time, as many as `effect` needs, up to 28; `maximum_days`: with extensions. `detectable`: the
    smallest difference found in them with 80 % power, None where no difference could be; `users`: who will have come.
    `users_needed`: by the effect; `days_needed`: for them and for `minimum_users`. `warnings`: why it may find nothing.
    """

    agent: str
    metric: str
    effect: float
    unit: str
    days: int
    maximum_days: int
    confidence: float
    minimum_users: int
    users: int
    users_in_28_days: int
    executions: int
    votes: int
    baseline: float
    intra_user_correlation: float
    design_effect: float
    reachable: bool
    summary: str
    detectable: float | None = None
    users_needed: int = 0
    days_needed: int = 0
    warnings: list[str] = field(default_factory=list)
    options: tuple[WayToTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """`state`: running, paused, held, ramping, completed, rolled_back, stopped. `decision`: ship, keep, harm, invalid,
    abandoned; None while open. `day`: since `begun_at`, the start or the last restart. `units`: control and
    treatment at the last look, and what that `said`. `rollout`: the state of its gradual rollout."""

    experiment_id: str
    agent_name: str
    kind: str
    design: str
    state: str
    hypothesis: str
    control: str
    treatment: str
    unit: str
    layer: str
    slot_from: int
    slot_to: int
    phase: int
    treatment_ppm: int
    enroll_ppm: int
    day: float
    started_at: datetime
    begun_at: datetime
    reason: str = ""
    decision: str | None = None
    units: list[int] = field(default_factory=list)
    said: str | None = None
    rollout: str | None = None
    planned_end: datetime | None = None
    stopped_at: datetime | None = None
    plan: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentLook:
    """One look. `kind`: decision, guardrail, ramp. `result`: differences, intervals, boundaries."""

    look_id: int
    kind: str
    phase: int
    as_of: datetime
    day: float
    decision: str
    reason: str
    result: dict[str, Any]
    looked_at: datetime


@dataclass(frozen=True, slots=True)
class ExperimentDecision:
    """Where an experiment stands, in a `sentence`, and the look that says so."""

    experiment_id: str
    agent: str
    state: str
    sentence: str
    decision: str | None = None
    rollout: str | None = None
    look_id: int | None = None
    as_of: datetime | None = None
    day: float | None = None


@dataclass(frozen=True, slots=True)
class ExperimentMove:
    """What an experiment and its rollout are now. `status`: the move that was made, or unchanged."""

    experiment_id: str
    agent: str
    state: str
    phase: int
    treatment_ppm: int
    control_ppm: int
    status: str
    decision: str | None = None
    planned_end: datetime | None = None
    rollout: str | None = None
    stage: int | None = None
    stages: int | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Holdout:
    """A share of units in no experiment. `agent_name`: None for all agents."""

    holdout: str
    holdout_ppm: int
    starts_at: datetime
    agent_name: str | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldoutReceipt:
    """`status`: created, ended, unchanged."""

    holdout: str
    status: str


def plan_experiment(
    agent: str,
    effect: float | None = None,
    unit: str | None = None,
    days: int | None = None,
    enroll_ppm: int | None = None,
    treatment_ppm: int | None = None,
    confidence: float | None = None,
    minimum_users: int | None = None,
) -> Call[ExperimentForecast]:
    """What an experiment would show, before anybody starts it. `effect`: the smallest difference in the share of
    thumbs up that is worth finding (0.05: five points). `days`: at least. `confidence`, `minimum_users`: what the
    pipeline is set to, where it is not 0.95 and 1000."""
    return Call("plan_experiment", given(locals()), one(ExperimentForecast))


def create_experiment(
    agent: str,
    prompt_version: str | None = None,
    hypothesis: str | None = None,
    effect: float | None = None,
    reason: str | None = None,
    *,
    kind: str | None = None,
    treatment: str | None = None,
    config: Mapping[str, Any] | None = None,
    unit: str | None = None,
    layer: str | None = None,
    slot_from: int | None = None,
    slot_to: int | None = None,
    objective: str | None = None,
    treatment_ppm: int | None = None,
    enroll_ppm: int | None = None,
    control: str | None = None,
    control_config: Mapping[str, Any] | None = None,
    metric: str | None = None,
    days: int | None = None,
    score_key: str | None = None,
    cuped: bool | None = None,
    hash: str | None = None,
    approval: bool | None = None,
) -> Call[Request]:
    """Ask for an experiment of a version against the one in production. `effect`: the smallest difference in `metric`
    (the share of thumbs up) that is worth finding (0.05: five points). `days`: at least. `kind`: prompt, model,
    retrieval or config. `score_key`: the number in the metadata of executions that metric score reads. `cuped`: take
    off what users said before. `hash`: gb2 draws as GrowthBook's SDKs do. `approval`: after a win a person lets each
    stage of the rollout begin. The answer's `warnings` say why it may find nothing."""
    return Call("create_experiment", given(locals()), read_request)


def experiments(agent: str | None = None, most: int | None = None) -> Call[tuple[Experiment, ...]]:
    """The experiments of an agent or of all of them, the newest first."""
    return Call("experiments", given(locals()), table(Experiment))


def experiment_looks(experiment_id: str, most: int | None = None) -> Call[tuple[ExperimentLook, ...]]:
    """Every look at an experiment, the newest first."""
    return Call("experiment_looks", given(locals()), table(ExperimentLook))


def experiment_decision(experiment_id: str) -> Call[ExperimentDecision]:
    """Where an experiment stands or what came of it, in a sentence."""
    return Call("experiment_decision", given(locals()), one(ExperimentDecision))


def stop_experiment(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """End an experiment and keep what is in force: everybody gets it, at once."""
    return Call("stop_experiment", given(locals()), one(ExperimentMove))


def abandon_experiment(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """End an experiment that went wrong: its numbers count as no result."""
    return Call("abandon_experiment", given(locals()), one(ExperimentMove))


def pause_experiment(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """Nobody new enters; who is in keeps the arm."""
    return Call("pause_experiment", given(locals()), one(ExperimentMove))


def resume_experiment(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """New units enter a paused experiment again."""
    return Call("resume_experiment", given(locals()), one(ExperimentMove))


def extend_experiment(experiment_id: str, reason: str, until_day: int | None = None) -> Call[ExperimentMove]:
    """Let an experiment run to a day from its start (None: the planned days once more), within what its plan bought."""
    return Call("extend_experiment", given(locals()), one(ExperimentMove), repeatable=until_day is not None)


def restart_experiment(
    experiment_id: str, reason: str, treatment_ppm: int | None = None, enroll_ppm: int | None = None
) -> Call[ExperimentMove]:
    """Begin a test anew as another phase: everybody is drawn again, by other shares where given, and its days count
    from now. What was seen before counts no more."""
    return Call("restart_experiment", given(locals()), one(ExperimentMove), repeatable=False)


def create_holdout(
    holdout: str, holdout_ppm: int, agent: str | None = None, ends_at: datetime | None = None
) -> Call[HoldoutReceipt]:
    """Keep a share of units out of all experiments, of an agent or of all."""
    return Call("create_holdout", given(locals()), one(HoldoutReceipt))


def end_holdout(holdout: str) -> Call[HoldoutReceipt]:
    """Let the units of a holdout take part again."""
    return Call("end_holdout", given(locals()), one(HoldoutReceipt))


def holdouts(agent: str | None = None) -> Call[tuple[Holdout, ...]]:
    """Holdouts of an agent or of all, the newest first."""
    return Call("holdouts", given(locals()), table(Holdout))
