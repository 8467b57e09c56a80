"""What must be there before any planned look may decide: days, users, effective clusters, events.

Gates count users, never executions: ten thousand executions of forty users are forty users. Evidence of harm has its
own smaller gate in observations.py, because harm must not wait a week.
"""

from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.learning.experiments.types import MetricLook, Statistics

EFFECTIVE = 50
"""Nominal 95 % intervals cover 91.1 % at 13 effective clusters, 93.6 % at 41, 94.5 % at 70."""
EVENTS = 25
LARGEST_CV = 0.2
"""Coefficient of variation of a mean above which its logarithm is not normal enough to be compared."""

MINUTE = 1 / 1440


def missing(plan: ExperimentPlan, statistics: Statistics, primary: MetricLook) -> tuple[str, ...]:
    """What is still missing, in words; nothing where a planned look may decide."""
    lacks = []
    # The scheduler's clock and the database's differ by seconds: a day short of one minute is a day.
    if statistics.day < plan.minimum_days - MINUTE:
        lacks.append(f"day {statistics.day:.3g} of at least {plan.minimum_days}")
    moments = statistics.metrics.get(plan.primary.metric)
    users = _users(statistics, moments)
    if users < plan.minimum_users:
        lacks.append(f"{users:,} of at least {plan.minimum_users:,} users")
    if moments is None or primary.effective is None:
        return (*lacks, f"no {plan.primary.about.words} measured in both arms yet")
    for name, worth in zip(("control", "treatment"), primary.effective, strict=True):
        if worth < EFFECTIVE:
            lacks.append(f"{plan.primary.about.words} in {name} is worth {worth:.0f} of at least {EFFECTIVE} users")
    if plan.primary.about.share:
        for name, events, rest in _events(moments):
            # Half an event of slack: a count rebuilt from a mean may come out as 24.999999.
            if min(events, rest) < EVENTS - 0.5:
                lacks.append(f"{name} has {events:.0f} and {rest:.0f} of the two answers, {EVENTS} of each are needed")
    if primary.standard_error is None:
        lacks.append("no user differs from another")
    elif plan.primary.scale == "log_ratio" and (cv := _variation(moments)) > LARGEST_CV:
        lacks.append(f"a mean is known to {100 * cv:.0f} % only, {100 * LARGEST_CV:.0f} % are needed for a ratio")
    return tuple(lacks)


def _users(statistics: Statistics, moments: ArmMoments | CrossedMoments | None) -> int:
    """Clusters of both arms: exposed users where a user is the unit, users behind the sessions where they are."""
    if isinstance(moments, CrossedMoments):
        return moments.all.n
    if isinstance(moments, ArmMoments):
        return moments.control.n + moments.treatment.n
    return sum(statistics.units)


def _arms(moments: ArmMoments | CrossedMoments) -> tuple[tuple[str, Moments, str, str], ...]:
    if isinstance(moments, CrossedMoments):
        return ("control", moments.all, "sc", "nc"), ("treatment", moments.all, "st", "nt")
    return ("control", moments.control, "s", "n"), ("treatment", moments.treatment, "s", "n")


def _events(moments: ArmMoments | CrossedMoments) -> list[tuple[str, float, float]]:
    found = []
    for name, all_, s, n in _arms(moments):
        events, of = (all_.n * all_.mean[all_.names.index(each)] for each in (s, n))
        found.append((name, events, of - events))
    return found


def _variation(moments: ArmMoments | CrossedMoments) -> float:
    """The larger standard error of an arm's summed value, over the value."""
    found = []
    for _, all_, s, _n in _arms(moments):
        at = all_.names.index(s)
        error = (all_.comoment[at][at] / max(1, all_.n * (all_.n - 1))) ** 0.5
        found.append(error / abs(all_.mean[at]) if all_.mean[at] else float("inf"))
    return max(found)
