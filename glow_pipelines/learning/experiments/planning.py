"""Before an experiment starts: what it can show in its time, how long it takes, and everything that must be frozen.

Belongs here: one call from traffic to a frozen plan. Does not: the formulas of precision (precision.py), what to say
about a weak plan (feasibility.py), looking at a running experiment (looks.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from glow_pipelines.learning.experiments.always_valid import mixture_tau
from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.feasibility import Course, Precision, assess
from glow_pipelines.learning.experiments.metrics import COST, FEEDBACK_RATE, METRICS, Metric, MetricPlan, Role
from glow_pipelines.learning.experiments.plan import HARM_ALPHA, ExperimentPlan, Objective, Unit
from glow_pipelines.learning.experiments.precision import (
    design_effect,
    information_needed,
    possible,
    standard_error,
    users_needed,
)
from glow_pipelines.learning.experiments.types import Traffic

LONGEST_DAYS = 28
"""A plan never counts on more: users, models and prompts around it do not stand still longer."""


@dataclass(frozen=True)
class Judged:
    """A metric the experiment is judged by. What is None comes from the registry, or is derived from the primary's.

    `cap` and `threshold` must be frozen before the start, from the time before.
    """

    metric: str
    traffic: Traffic | None = None
    role: Role = "signal"
    tolerance: float | None = None
    margin: float | None = None
    cap: float | None = None
    threshold: float | None = None
    key: str | None = None
    cuped: bool = False
    higher_is_better: bool | None = None


def plan_experiment(
    salt: str,
    traffic: Traffic,
    *,
    primary: Judged | str = "thumbs_up_rate",
    judged: Sequence[Judged] = (),
    effect: float = 0.05,
    smallest_worthwhile: float | None = None,
    objective: Objective = "superiority",
    confidence: float = 0.95,
    power: float = 0.8,
    minimum_users: int = 1000,
    minimum_days: int = 7,
    extensions: int | None = None,
    enrolled_ppm: int = MILLION,
    treatment_ppm: int = MILLION // 2,
    unit: Unit = "user",
    hash: Literal["pg1", "gb2"] = "pg1",
    maturation_hours: int = 24,
) -> ExperimentPlan:
    """The frozen plan of an experiment on an agent with this traffic (the primary metric's).

    `effect` is the improvement worth finding, or with objective non_inferiority the loss that still counts as none;
    `minimum_users` counts users of both arms together and is never undercut. The planned time is what the effect needs,
    between `minimum_days` and 28; `extensions` of the same length are bought with it (by default up to day 28, at least
    one), so waiting for slow traffic costs no error. A hopeless plan is made all the same and says so in `warnings`.
    Raises ValueError for numbers outside their range.
    """
    first = Judged(primary, role="primary") if isinstance(primary, str) else replace(primary, role="primary")
    about = _known(first)
    if objective == "non_inferiority":
        first = replace(first, margin=effect)
    _check(about, traffic, effect, objective, confidence, power, minimum_users, enrolled_ppm, treatment_ppm)
    alpha, treated = round(1 - confidence, 12), treatment_ppm / MILLION
    alone = standard_error(traffic, 1, unit=unit, treated=treated, scale=about.scale, cuped=first.cuped)
    daily = traffic.users_per_day * enrolled_ppm / MILLION
    needed, looks = _users(alone, effect, alpha, power, daily, minimum_users, minimum_days)
    users = max(needed, minimum_users)
    days = min(max(minimum_days, math.ceil(users / daily)), max(LONGEST_DAYS, minimum_days))
    bought = max(1, LONGEST_DAYS // days - 1) if extensions is None else extensions
    population = math.inf if traffic.population is None else traffic.population * enrolled_ppm / MILLION
    course = Course(
        needed, minimum_users, minimum_days, daily, population, days, days * (1 + bought), looks, alpha, power
    )
    precision = Precision(traffic, about, unit, treated, first.cuped, effect)
    metrics = _metrics(first, judged, traffic, course.expected, unit, treated, alpha)
    if objective == "non_inferiority" and all(metric.metric != COST for metric in metrics):
        raise ValueError(f"objective non_inferiority asks whether {COST} wins: judge the experiment by it too")
    seen = assess(course, precision, metrics, objective)
    return ExperimentPlan(
        salt=salt,
        unit=unit,
        hash=hash,
        enrolled_ppm=enrolled_ppm,
        treatment_ppm=treatment_ppm,
        objective=objective,
        metrics=metrics,
        effect=effect,
        smallest_worthwhile=effect if smallest_worthwhile is None else smallest_worthwhile,
        alpha=alpha,
        power=power,
        users_per_arm=math.ceil(users * min(treated, 1 - treated)),
        minimum_users=minimum_users,
        minimum_days=minimum_days,
        planned_days=course.planned_days,
        maximum_days=course.maximum_days,
        information_max=information_needed(effect, alpha, power, looks),
        design_effect=design_effect(traffic, unit),
        reachable=seen.reachable,
        detectable=seen.detectable,
        summary=seen.summary,
        maturation_hours=maturation_hours,
        warnings=seen.warnings,
        options=seen.options,
    )


def _users(
    alone: float, effect: float, alpha: float, power: float, daily: float, minimum_users: int, minimum_days: int
) -> tuple[int, int]:
    """Users of both arms that the effect needs, and daily looks of the planned time: more users mean more days, more
    days more looks."""
    looks = 1
    for _ in range(3):
        users = users_needed(alone, information_needed(effect, alpha, power, looks))
        days = min(max(minimum_days, math.ceil(max(users, minimum_users) / daily)), max(LONGEST_DAYS, minimum_days))
        if days - minimum_days + 1 <= looks:
            break
        looks = days - minimum_days + 1
    return users, looks


def _metrics(
    first: Judged, judged: Sequence[Judged], traffic: Traffic, users: float, unit: Unit, treated: float, alpha: float
) -> tuple[MetricPlan, ...]:
    """Every metric frozen; the feedback rate comes along unasked, because nothing else shows a change in who rates."""
    others = [replace(each, role="signal") if each.role == "primary" else each for each in judged]
    if FEEDBACK_RATE not in {first.metric, *(each.metric for each in others)}:
        others.insert(0, Judged(FEEDBACK_RATE))
    if any(each.metric == FEEDBACK_RATE and each.role == "secondary" for each in others):
        raise ValueError(f"{FEEDBACK_RATE} is a guardrail of every experiment: its role is critical or signal")
    watched = 1 + sum(each.role in ("critical", "signal") for each in others)
    found = []
    for each in (first, *others):
        about = _known(each)
        known = each.traffic or (traffic if each is first else _derived(about, traffic))
        error = standard_error(known, users, unit=unit, treated=treated, scale=about.scale, cuped=each.cuped)
        found.append(
            MetricPlan(
                metric=each.metric,
                role=each.role,
                higher_is_better=about.higher_is_better,
                scale=about.scale,
                tolerance=about.tolerance if each.tolerance is None else each.tolerance,
                margin=about.margin if each.margin is None else each.margin,
                tau=mixture_tau(error, alpha),
                tau_harm=mixture_tau(error, HARM_ALPHA / watched, sides=1),
                cap=each.cap,
                threshold=each.threshold,
                key=each.key,
                cuped=each.cuped,
                baseline=known.baseline_rate,
                standard_error=error,
            )
        )
    return tuple(found)


def _derived(about: Metric, traffic: Traffic) -> Traffic:
    """Traffic of a metric nobody measured: the feedback rate follows from ratings, other shares are taken as ½."""
    executions = traffic.executions_per_user or max(1.0, traffic.rated_per_user)
    if not about.share:
        raise ValueError(f"{about.name} needs traffic of its own: its mean and deviation follow from nothing else")
    rate = 0.5
    if about.name == FEEDBACK_RATE and traffic.executions_per_user:
        rate = min(0.99, max(0.01, traffic.rated_per_user / executions))
    return replace(
        traffic,
        rated_per_user=executions,
        baseline_rate=rate,
        deviation=None,
        pre_post_correlation=None,
    )


def _known(judged: Judged) -> Metric:
    if judged.metric not in METRICS:
        raise ValueError(f"metric: one of {', '.join(METRICS)} is needed, got {judged.metric!r:.80}")
    about = METRICS[judged.metric]
    better = judged.higher_is_better
    return about if better is None else replace(about, higher_is_better=better)


def _check(
    about: Metric,
    traffic: Traffic,
    effect: float,
    objective: Objective,
    confidence: float,
    power: float,
    minimum_users: int,
    enrolled_ppm: int,
    treatment_ppm: int,
) -> None:
    base, positive = traffic.baseline_rate, about.share or about.scale == "log_ratio"
    if effect <= 0 or (positive and base <= 0) or (about.share and base >= 1):
        raise ValueError(f"baseline {base} and effect {effect} must leave both rates strictly in (0, 1)")
    if objective == "superiority" and not possible(about, base, effect):
        raise ValueError(f"baseline {base} and effect {effect} must leave both rates strictly in (0, 1)")
    if not about.share and not traffic.deviation:
        raise ValueError(f"{about.name} needs the deviation of one value, got {traffic}")
    if not (0 < treatment_ppm < MILLION and 0 < enrolled_ppm <= MILLION):
        raise ValueError(f"shares in parts per million: got enrolled {enrolled_ppm}, treatment {treatment_ppm}")
    if traffic.users_per_day <= 0 or traffic.rated_per_user <= 0 or not 0 <= traffic.intra_user_correlation <= 1:
        raise ValueError(f"users and ratings must be above 0 and the correlation in [0, 1]: got {traffic}")
    if not (0.5 < confidence < 1 and 0.5 <= power < 1 and minimum_users >= 0):
        raise ValueError(f"confidence and power in (0.5, 1): got {confidence}, {power}, minimum users {minimum_users}")
