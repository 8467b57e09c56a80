"""Words for what a look found, for a product manager: levels, differences with their interval, people, what is next.

Belongs here: phrases of several rows. Does not: which row speaks (decisions.py).
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glow_pipelines.learning.experiments.metrics import MetricPlan, written_difference, written_level
from glow_pipelines.learning.experiments.precision import information_needed
from glow_pipelines.learning.experiments.types import MetricLook

if TYPE_CHECKING:
    from glow_pipelines.learning.experiments.decisions import Facts


def both(units: tuple[int, int]) -> str:
    """How many were exposed."""
    return f"{units[0]:,} exposed in control, {units[1]:,} in treatment"


def names(metrics: Sequence[MetricPlan]) -> str:
    """Metrics by their words."""
    return ", ".join(metric.about.words for metric in metrics)


def levels(plan: MetricPlan, look: MetricLook) -> str:
    """What each arm shows."""
    if look.control is None or look.treatment is None:
        return f"{plan.about.words} not measured in both arms"
    about = plan.about
    treated, control = written_level(about, look.treatment), written_level(about, look.control)
    return f"{about.words} {treated} with the treatment against {control} in control"


def harmed(hurt: Sequence[tuple[MetricPlan, MetricLook]]) -> str:
    """Metrics whose harm is shown, and how sure that is."""
    words = []
    for plan, look in hurt:
        more = f" by more than the {written_difference(plan.about, plan.tolerance).lstrip('+')} tolerated"
        words.append(
            f"{levels(plan, look)} is worse{more if plan.tolerance else ''}, sure however often one looked "
            f"(evidence {_odds(look.harm_log_e)})"
        )
    return "; ".join(words)


def arrivals(facts: "Facts") -> str:
    """What is wrong with who arrived where."""
    arrival, units, treated = facts.arrival, facts.units, facts.plan.treatment_ppm / 1_000_000
    if arrival.leak:
        return f"{both(units)}, though one of the arms should have nobody"
    if arrival.too_many_multiple:
        return (
            f"{facts.multiple:,} units saw both variants ({100 * arrival.multiple_share:.1f} %, at most 1 % is allowed)"
        )
    return (
        f"{both(units)} where {100 * (1 - treated):.3g} : {100 * treated:.3g} was planned "
        f"(evidence {_odds(arrival.log_e)})"
    )


def interval(facts: "Facts") -> str:
    """Where the primary's difference lies: the repeated interval of a planned look, else the always-valid one."""
    look, plan = facts.primary, facts.plan.primary
    low, high = look.repeated_low, look.repeated_high
    if low is None or high is None:
        low, high = look.low, look.high
    if low is None or high is None:
        return levels(plan, look)
    about = plan.about
    if low > high:
        return f"{levels(plan, look)}, which contradicts what was measured before"
    return f"treatment minus control is between {written_difference(about, low)} and {written_difference(about, high)}"


def amounts(facts: "Facts") -> str:
    """The primary's levels, interval and sample; of the cost too where that is what has to win."""
    text = f"{levels(facts.plan.primary, facts.primary)} ({interval(facts)}; {both(facts.units)})"
    if facts.plan.objective == "non_inferiority" and (cost := facts.plan.cost):
        look = next(each for each in facts.metrics if each.metric == cost.metric)
        if look.difference is not None:
            text += f", cost {written_difference(cost.about, look.difference)}"
    return text


def worth_a_retest(facts: "Facts") -> str:
    """How many users a new experiment needs for the effect wanted, from the error this one really had."""
    plan, error = facts.plan, facts.primary.standard_error
    if not error or not sum(facts.units):
        return "How many users a re-test needs cannot be told from this."
    users = math.ceil(sum(facts.units) * error**2 * information_needed(plan.effect, plan.alpha, plan.power))
    wanted = written_difference(plan.primary.about, plan.effect).lstrip("+")
    return f"To find {wanted} a re-test needs about {users:,} users of both arms together."


def _odds(log_e: float | None) -> str:
    if log_e is None:
        return "none"
    return f"{math.exp(log_e):,.0f} to 1" if log_e < 20 else "above 400 million to 1"
