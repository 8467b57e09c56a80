"""What goes into the experiment engine and what comes out: traffic, the statistics of a moment, a look.

Values only: plans are in plan.py, how looks are computed in looks.py, who draws a variant in assignment.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.metrics import Role
from glow_pipelines.learning.experiments.records import Record

Kind = Literal["decision", "guardrail", "ramp"]
Action = Literal["hold", "stop_harm", "pause", "continue", "ship", "keep", "ask", "extend"]
TERMINAL: frozenset[str] = frozenset({"hold", "stop_harm", "ship", "keep", "ask"})
"""Actions that end what an experiment can say: later looks of the same phase repeat them."""


@dataclass(frozen=True)
class Traffic(Record):
    """What is known of an agent's users and one metric before an experiment, measured over about the planned time.

    `rated_per_user` is the mean of the metric's denominator per user who comes, users without any included (rated
    executions for a rate over ratings, executions for cost), `rated_per_user_cv` its coefficient of variation: a few
    heavy users make votes worth less. `baseline_rate` is the metric's value, `deviation` the standard deviation of one
    value (None for a share: √(p(1−p))). `intra_user_correlation` says how alike two values of one user are (0
    independent, 1 always equal), `pre_post_correlation` how alike the same user's value is before and after (what CUPED
    can use), `population` how many users there are, where that is known.
    """

    users_per_day: float
    rated_per_user: float
    baseline_rate: float
    intra_user_correlation: float
    rated_per_user_cv: float = 0.0
    population: int | None = None
    deviation: float | None = None
    executions_per_user: float | None = None
    sessions_per_user: float | None = None
    pre_post_correlation: float | None = None


@dataclass(frozen=True)
class Statistics(Record):
    """All that a look reads: who was exposed by `day` (days since the start), and the moments of every metric.

    `units` are exposed units, control then treatment, without the `multiple` ones that saw both variants.
    `earlier_log_e` is the evidence on the sample ratio that earlier phases left, `strata` are those of a rollout that
    ended, as they are by now: what matured after the end of one belongs to it.
    """

    day: float
    units: tuple[int, int]
    multiple: int = 0
    earlier_log_e: float = 0.0
    metrics: Mapping[str, ArmMoments | CrossedMoments] = field(default_factory=dict)
    strata: "tuple[Statistics, ...]" = ()


@dataclass(frozen=True)
class MetricLook(Record):
    """One metric at one look. `difference` is treatment minus control on the metric's scale; positive `z` is better.

    `low` and `high` are the running intersection of its confidence sequence (low > high: the sequence is empty, the
    metric has drifted), `p_value` is always-valid; `log_e` is the two-sided evidence now, `harm_log_e` the one-sided
    evidence that harm exceeds the tolerance. `edge` is what a planned look asked of |z|, its boundary widened to
    Student's t with `planned_df` degrees of freedom; `repeated_low` and `repeated_high` are the group-sequential
    interval, difference ± edge standard errors. `effective` is how many clusters of equal activity each arm is worth.
    None: not known yet.
    `non_inferior` says whether harm is shown to stay below the margin, `found` whether a secondary metric differs with
    the false discovery rate controlled.
    """

    metric: str
    role: Role
    control: float | None = None
    treatment: float | None = None
    difference: float | None = None
    standard_error: float | None = None
    z: float | None = None
    low: float | None = None
    high: float | None = None
    log_e: float | None = None
    p_value: float | None = None
    harm_log_e: float | None = None
    effective: tuple[float, float] | None = None
    planned_df: float | None = None
    edge: float | None = None
    repeated_low: float | None = None
    repeated_high: float | None = None
    non_inferior: bool | None = None
    found: bool = False


LOSING = 100.0
"""Evidence of lost executions at which somebody is called: in one of a hundred experiments that lose none."""


@dataclass(frozen=True)
class Activity(Record):
    """Executions per exposed unit of each arm; `log_e` is the evidence that the treatment has fewer than tolerated."""

    control: float
    treatment: float
    log_e: float | None = None

    @property
    def lost(self) -> bool:
        """Whether executions of the treatment are missing."""
        return self.log_e is not None and self.log_e >= math.log(LOSING)

    @property
    def words(self) -> str:
        """What is wrong."""
        return (
            f"{self.treatment:.3g} executions for each unit exposed to the treatment against {self.control:.3g} in "
            f"control: the app loses answers or is used less, and what is left may not compare"
        )


@dataclass(frozen=True)
class Look(Record):
    """One look at an experiment: an append-only row that says what was seen, which row of the table held, and why.

    `row` is 1…10, or 0 where no row held and the experiment goes on. `information` is 1/SE² of the primary, `t` its
    fraction of the plan's maximum, `boundary` and `guardrail_boundary` what a normal z had to reach (None where nothing
    was spent at this look); what was asked of a metric with its few clusters is its `edge`. `missing` are the gates
    not met, `alarms` what a person should see though it decides nothing, `activity` executions per exposed unit.
    """

    kind: Kind
    day: float
    units: tuple[int, int]
    multiple_share: float
    sample_ratio_log_e: float | None
    sample_ratio_p: float
    metrics: tuple[MetricLook, ...]
    row: int
    action: Action
    reason: str
    information: float | None = None
    t: float | None = None
    boundary: float | None = None
    guardrail_boundary: float | None = None
    missing: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    activity: Activity | None = None

    @property
    def primary(self) -> MetricLook:
        """The metric the experiment is about."""
        return self.metrics[0]

    @property
    def terminal(self) -> bool:
        """Whether the experiment's question is answered by this look."""
        return self.action in TERMINAL

    def metric(self, name: str) -> MetricLook:
        """One metric by name. Raises KeyError."""
        return next(metric for metric in self.metrics if metric.metric == name)
