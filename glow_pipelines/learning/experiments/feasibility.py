"""Whether a plan can answer its question with the traffic there is, and what would help: said before the start.

Belongs here: the smallest effect that shows, days needed, warnings, and what other units or CUPED would buy. Does not:
the formulas (precision.py), freezing the plan (planning.py). Low traffic is what kills tests of agents: an experiment
of 600 users sees 10 points, not 5, and must say so before it starts rather than after its last day.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from glow_pipelines.learning.experiments.metrics import Metric, MetricPlan, written_difference
from glow_pipelines.learning.experiments.plan import Objective, Option, Unit
from glow_pipelines.learning.experiments.precision import (
    detectable_effect,
    information_needed,
    looks_cost,
    possible,
    standard_error,
    users_needed,
)
from glow_pipelines.learning.experiments.types import Traffic

MINIMUM = "AB_TEST_MIN_SAMPLE_SIZE"
WORTH_TELLING = 0.95
"""A warning tells of an option that takes the standard error at least this far down."""


@dataclass(frozen=True)
class Course:
    """How an experiment goes over time: users of both arms, users it gets, days, looks, errors.

    `needed` is what the effect needs, `minimum_users` what any decision does.
    """

    needed: int
    minimum_users: int
    minimum_days: int
    daily: float
    population: float
    planned_days: int
    maximum_days: int
    looks: int
    alpha: float
    power: float

    @property
    def users(self) -> int:
        """Users of both arms together that it takes."""
        return max(self.needed, self.minimum_users)

    @property
    def expected(self) -> float:
        """Users the experiment will have used at the planned end."""
        return max(1.0, min(self.users, self.daily * self.planned_days, self.population))

    @property
    def arriving(self) -> float:
        """Users there are by the planned end, needed or not."""
        return max(1.0, min(self.daily * self.planned_days, self.population))

    @property
    def at_most(self) -> float:
        """Users there will be after all extensions."""
        return max(1.0, min(self.daily * self.maximum_days, self.population))


@dataclass(frozen=True)
class Precision:
    """What the primary metric's error depends on."""

    traffic: Traffic
    metric: Metric
    unit: Unit
    treated: float
    cuped: bool
    effect: float

    def error(self, users: float, *, unit: Unit | None = None, cuped: bool | None = None) -> float:
        """The standard error with so many users, with other units or with CUPED where asked."""
        return standard_error(
            self.traffic,
            users,
            unit=unit or self.unit,
            treated=self.treated,
            scale=self.metric.scale,
            cuped=self.cuped if cuped is None else cuped,
        )

    def words(self, effect: float) -> str:
        """An effect without its sign."""
        return written_difference(self.metric, effect).lstrip("+")


@dataclass(frozen=True)
class Assessment:
    """What there is to say about a plan."""

    reachable: bool
    detectable: float | None
    summary: str
    warnings: tuple[str, ...]
    options: tuple[Option, ...]


def assess(
    course: Course, precision: Precision, metrics: Sequence[MetricPlan], objective: Objective = "superiority"
) -> Assessment:
    """What the plan can show, in numbers and in words."""
    reachable = course.users <= course.population and course.users <= course.daily * course.maximum_days
    seen = _detectable(course, precision, precision.error(course.arriving))
    options = tuple(_options(course, precision))
    summary = (
        f"a difference of {precision.words(precision.effect)} in {precision.metric.words} needs {course.needed:,} users "
        f"of both arms together, about {_days(course, course.needed):,} days"
    )
    if course.needed < course.minimum_users:
        summary += (
            f"; no decision is made on fewer than {course.minimum_users:,} ({MINIMUM}), about "
            f"{_days(course, course.minimum_users):,} days"
        )
    if not reachable:
        summary += f"; only {course.at_most:,.0f} users are there by day {course.maximum_days}"
        if not _possible(course, precision):
            summary += ", too few to show any difference"
        elif course.minimum_users <= course.at_most:
            summary += f", enough for a difference of {precision.words(_of(course, precision))}"
    warnings = list(_warnings(course, precision, metrics, objective))
    # Nothing but more users helps where only their minimum lacks.
    if warnings and not course.needed <= course.at_most < course.minimum_users:
        warnings += [option.words for option in options if option.error_ratio <= WORTH_TELLING]
    return Assessment(reachable, seen, summary, tuple(warnings), options)


def _days(course: Course, users: int) -> int:
    return math.ceil(users / course.daily)


def _of(course: Course, precision: Precision) -> float:
    return detectable_effect(precision.error(course.at_most), course.alpha, course.power, course.looks)


def _possible(course: Course, precision: Precision) -> bool:
    return possible(precision.metric, precision.traffic.baseline_rate, _of(course, precision))


def _detectable(course: Course, precision: Precision, error: float) -> float | None:
    effect = detectable_effect(error, course.alpha, course.power, course.looks)
    return effect if possible(precision.metric, precision.traffic.baseline_rate, effect) else None


def _options(course: Course, precision: Precision) -> Iterator[Option]:
    traffic = precision.traffic
    now = precision.error(course.arriving)
    sessions = traffic.sessions_per_user or 0
    if precision.unit == "user" and sessions > 1:
        error = precision.error(course.arriving, unit="session")
        yield _option(course, precision, "session units", error / now, "randomising sessions (stateless variants only)")
    if precision.unit in ("user", "session") and traffic.rated_per_user > 1:
        error = precision.error(course.arriving, unit="execution")
        yield _option(
            course, precision, "execution units", error / now, "randomising executions (stateless variants only)"
        )
    if not precision.cuped and (traffic.pre_post_correlation or 0) != 0:
        error = precision.error(course.arriving, cuped=True)
        yield _option(course, precision, "cuped", error / now, "adjusting for each user's time before (CUPED)")


def _option(course: Course, precision: Precision, name: str, ratio: float, means: str) -> Option:
    seen = _detectable(course, precision, ratio * precision.error(course.arriving))
    information = information_needed(precision.effect, course.alpha, course.power, course.looks)
    users = max(users_needed(ratio * precision.error(1), information), course.minimum_users)
    days = max(course.minimum_days, _days(course, users)) if users <= course.population else None
    shows = "still nothing" if seen is None else f"a difference of {precision.words(seen)}"
    words = f"{means} would take the standard error to {100 * ratio:.0f} % and show {shows} in the planned time"
    return Option(name, ratio, seen, days, words)


def _warnings(
    course: Course,
    precision: Precision,
    metrics: Sequence[MetricPlan],
    objective: Objective,
) -> Iterator[str]:
    wanted = precision.words(precision.effect)
    will = f"{course.at_most:,.0f} will have come by day {course.maximum_days}, the last"
    if course.needed > course.at_most:
        days = _days(course, course.needed)
        yield (
            f"hopeless as planned: {wanted} needs {course.needed:,} users (about {days:,} days) and {will}; "
            + _end(course, precision)
        )
    elif course.minimum_users > course.at_most:
        yield (
            f"hopeless as planned: no decision is made on fewer than {course.minimum_users:,} users ({MINIMUM}), and "
            f"{will}; {wanted} in {precision.metric.words} needs only {course.needed:,}"
        )
    elif course.users > course.daily * course.planned_days:
        days = _days(course, course.users)
        why = f"{wanted} needs" if course.needed == course.users else f"{course.users:,} users ({MINIMUM}) take"
        yield f"slow: {why} {days:,} days, so extensions will be used"
    guardrails = [metric for metric in metrics if metric.guardrail]
    if objective == "non_inferiority":
        guardrails = [metric for metric in guardrails if metric is not metrics[0]]
    yield from filter(None, (_unprovable(metric, course, len(guardrails)) for metric in guardrails))


def _end(course: Course, precision: Precision) -> str:
    """What comes of a test whose effect nobody can show with the users there are."""
    if course.minimum_users > course.at_most:
        return f"no decision is made on fewer than {course.minimum_users:,} ({MINIMUM})"
    if _possible(course, precision):
        return f"it can show {precision.words(_of(course, precision))} at best"
    return "it can show no difference that is possible at all"


def _unprovable(metric: MetricPlan, course: Course, guardrails: int) -> str | None:
    """A guardrail whose margin the planned sample cannot show: one-sided .05, power with β/(G+1) (arXiv 2402.11609)."""
    beta = (1 - course.power) / (guardrails + 1)
    root = math.sqrt(looks_cost(course.looks, course.alpha, course.power))
    needed = root * (NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(1 - beta)) * metric.standard_error
    if needed <= metric.margin:
        return None
    shown, margin = (written_difference(metric.about, each).lstrip("+") for each in (needed, metric.margin))
    return (
        f"guardrail {metric.about.words}: the planned users can only show that it loses less than {shown}, not the "
        f"{margin} of its margin; a win may have to wait for a person"
    )
