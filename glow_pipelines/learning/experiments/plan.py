"""The plan of an experiment: all that is frozen when it starts. A look uses nothing else, so every look replays.

Values only: how they are computed belongs to planning.py, what follows from data under them to looks.py.
"""

from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.experiments.metrics import COST, MetricPlan
from glow_pipelines.learning.experiments.records import Record

Unit = Literal["user", "org", "session", "execution"]
Objective = Literal["superiority", "non_inferiority"]
VERSION = 2
HARM_ALPHA = 0.05
"""Chance that a harmless treatment is stopped or paused for harm, over all watched metrics and all looks together."""


@dataclass(frozen=True)
class Option(Record):
    """Another way to run the experiment: what it is called, and what it would do to the numbers.

    `error_ratio` is its standard error over the plan's, `detectable` the smallest effect it would show in the planned
    time (None where nothing could), `days` how long the wanted effect would take (None where never).
    """

    name: str
    error_ratio: float
    detectable: float | None
    days: int | None
    words: str


@dataclass(frozen=True)
class ExperimentPlan(Record):
    """A frozen experiment. Days count from its start, shares are parts per million, effects are on the primary's scale.

    `metrics[0]` is the primary. `effect` is the difference worth finding (the margin, where the objective is
    non-inferiority), `smallest_worthwhile` the gain below which the treatment is not worth shipping. `information_max`
    is 1/SE² at which the last look spends all of alpha; `maximum_days` is the calendar's end, extensions included:
    they are paid for in advance by both. `detectable` is the smallest effect that the users of the planned time show
    with the planned power, None where no difference could be shown.
    """

    salt: str
    unit: Unit
    hash: Literal["pg1", "gb2"]
    enrolled_ppm: int
    treatment_ppm: int
    objective: Objective
    metrics: tuple[MetricPlan, ...]
    effect: float
    smallest_worthwhile: float
    alpha: float
    power: float
    users_per_arm: int
    minimum_users: int
    minimum_days: int
    planned_days: int
    maximum_days: int
    information_max: float
    design_effect: float
    reachable: bool
    detectable: float | None
    summary: str
    maturation_hours: int = 24
    warnings: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        names = [metric.metric for metric in self.metrics]
        if not names or self.metrics[0].role != "primary" or any(m.role == "primary" for m in self.metrics[1:]):
            raise ValueError(f"metrics: the first and only the first is the primary, got {names}")
        if len(set(names)) != len(names):
            raise ValueError(f"metrics: each may be named once, got {names}")

    @property
    def primary(self) -> MetricPlan:
        """The metric the experiment is about."""
        return self.metrics[0]

    @property
    def guardrails(self) -> tuple[MetricPlan, ...]:
        """Metrics that must not get worse."""
        return tuple(metric for metric in self.metrics if metric.guardrail)

    @property
    def watched(self) -> tuple[MetricPlan, ...]:
        """Metrics whose harm stops or pauses the experiment: the primary and the guardrails."""
        return (self.primary, *self.guardrails)

    @property
    def secondary(self) -> tuple[MetricPlan, ...]:
        """Metrics reported with their false discovery rate controlled; they decide nothing."""
        return tuple(metric for metric in self.metrics if metric.role == "secondary")

    @property
    def cost(self) -> MetricPlan | None:
        """The metric that has to win where the objective is non-inferiority."""
        return next((metric for metric in self.metrics if metric.metric == COST), None)

    @property
    def confidence(self) -> float:
        """1 − alpha."""
        return 1 - self.alpha

    @property
    def experiment_id(self) -> str:
        """The experiment the salt is named after."""
        return self.salt.rpartition("#")[0]
