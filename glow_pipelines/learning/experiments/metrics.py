"""The metrics an experiment can be judged by: what each means, which way is better, on which scale it is compared.

Belongs here: the registry and how one metric is frozen in a plan. Does not: reading it from the store (its SQL),
estimating it (estimates.py), choosing margins for one agent (planning.py).
"""

import math
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.experiments.estimates import Scale
from glow_pipelines.learning.experiments.records import Record

Role = Literal["primary", "critical", "signal", "secondary"]
FEEDBACK_RATE = "feedback_rate"
COST = "cost_mean"


@dataclass(frozen=True)
class Metric:
    """One metric of the store. `S` over `N` is what it divides; `share` says that it is a rate in [0, 1].

    `tolerance` is the harm that raises no alarm, `margin` the harm a guardrail must be shown to stay below before a
    ship; both on the comparison's scale (absolute, or the log of the ratio).
    """

    name: str
    words: str
    numerator: str
    denominator: str
    higher_is_better: bool
    scale: Scale
    share: bool
    tolerance: float
    margin: float
    unit: str = ""


_ALL = (
    Metric("thumbs_up_rate", "thumbs up", "ups", "rated executions", True, "absolute", True, 0.0, 0.03),
    Metric("mean_rating", "mean rating", "sum of ratings", "rated executions", True, "absolute", False, 0.0, 0.15),
    Metric("low_rating_rate", "low ratings", "ratings <= 2", "rated executions", False, "absolute", True, 0.0, 0.03),
    Metric("correction_rate", "corrections", "corrected", "executions", False, "absolute", True, 0.0, 0.02),
    Metric("score", "score", "sum of scores", "scored executions", True, "absolute", False, 0.0, 0.05),
    Metric("latency_slo", "slow answers", "above threshold", "executions", False, "absolute", True, 0.005, 0.03),
    Metric("latency_mean", "latency", "milliseconds", "executions", False, "log_ratio", False, 0.05, 0.2, " ms"),
    Metric(COST, "cost", "cost", "executions", False, "log_ratio", False, 0.05, 0.25),
    Metric(FEEDBACK_RATE, "feedback given", "rated", "executions", True, "absolute", True, 0.01, 0.05),
    Metric("net_score", "net score", "+1, -1 or 0", "executions", True, "absolute", False, 0.0, 0.03),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name. `feedback_rate` is a guardrail of every experiment: a treatment that changes who rates biases
every rate over ratings, and nothing else would show it."""


@dataclass(frozen=True)
class MetricPlan(Record):
    """One metric frozen in a plan. A look uses these numbers and never re-tunes them.

    `tolerance`, `margin`, `tau`, `tau_harm` and `standard_error` are on the comparison's scale; `tau` is the
    scale of the two-sided normal mixture, `tau_harm` of the one-sided one. `baseline` is the value before, `cap` the
    winsorising cap from the time before, `threshold` the limit of an SLO in milliseconds, `key` the name of a score
    in the execution's metadata. `standard_error` is what the planned sample is expected to give.
    """

    metric: str
    role: Role
    higher_is_better: bool
    scale: Scale
    tolerance: float
    margin: float
    tau: float
    tau_harm: float
    cap: float | None
    threshold: float | None
    key: str | None
    cuped: bool
    baseline: float
    standard_error: float

    @property
    def about(self) -> Metric:
        """What the metric means."""
        return METRICS[self.metric]

    @property
    def sign(self) -> int:
        """+1 where a higher value is better, −1 where a lower one is."""
        return 1 if self.higher_is_better else -1

    @property
    def guardrail(self) -> bool:
        """Whether it can stop or pause an experiment without being what the experiment is about."""
        return self.role in ("critical", "signal")


def written_difference(metric: Metric, difference: float) -> str:
    """A difference of a metric as a person reads it: points of a share, per cent of a ratio, or the plain number."""
    if metric.scale == "log_ratio":
        return f"{100 * math.expm1(difference):+.1f} %"
    return f"{100 * difference:+.1f} points" if metric.share else f"{difference:+.3g}{metric.unit}"


def written_level(metric: Metric, value: float) -> str:
    """A value of a metric as a person reads it."""
    return f"{100 * value:.1f} %" if metric.share else f"{value:.4g}{metric.unit}"
