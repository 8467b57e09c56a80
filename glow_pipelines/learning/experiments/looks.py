"""One look at a running experiment: everything measured, what the plan lets it ask, and what follows.

Decision looks, daily, spend the error of the group-sequential plan at their fraction of its information, and ask of
each metric that boundary widened to Student's t; guardrail looks, as often as one likes, only watch. Belongs here:
which boundary holds when, and replay. Does not: estimates and evidence (observations.py), gates (gates.py), the table
(decisions.py).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from glow_pipelines.learning.experiments import gates
from glow_pipelines.learning.experiments.activity import activity
from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.decisions import Facts, Verdict, alarmed, asked, decide, harmed_while_held
from glow_pipelines.learning.experiments.group_sequential import next_boundary
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.observations import arrived, drifted, harm_threshold, observe
from glow_pipelines.learning.experiments.plan import HARM_ALPHA, ExperimentPlan
from glow_pipelines.learning.experiments.types import Look, MetricLook, Statistics

GUARDRAIL_ALPHA = 0.1
"""Two-sided, so one-sided .05: a guardrail only has to be shown not to be worse."""
NEVER_SEEN = -math.log(GUARDRAIL_ALPHA / 2)
"""Over n: how frequent may be, with the confidence of a guardrail, what none of n showed."""
SMALLEST_RISE = 0.001
"""Of the information fraction. Below it a look is skipped: it could learn nothing."""
DECIDED = "Decided on day "


def take_look(
    plan: ExperimentPlan,
    statistics: Statistics,
    history: Sequence[Look] = (),
    kind: Literal["decision", "guardrail"] = "decision",
) -> Look:
    """The look at `statistics`; equal input gives an equal look for ever, bit for bit.

    `history` are the looks of the same phase in any order; later ones are ignored. A look taken again keeps the
    boundary it had, so its share of α is spent once. After a decision that ends the experiment every look repeats it;
    but a change that waits to be rolled out is on users, and so is one whose numbers are not valid: guardrail looks go
    on to see their harm.
    """
    weights = (float(MILLION - plan.treatment_ppm), float(plan.treatment_ppm))
    day = statistics.day
    earlier = sorted((look for look in history if _before(look, day, kind)), key=lambda look: look.day)
    arrival = arrived(statistics, weights)
    metrics = observe(plan.metrics, statistics, earlier, plan.alpha)
    lacks = gates.missing(plan, statistics, metrics[0])
    ended = next((look for look in earlier if look.terminal), None)
    over = day >= plan.maximum_days - gates.MINUTE
    error = metrics[0].standard_error
    information = None if error is None else 1 / error**2
    t = None if information is None else min(1.0, 1.0 if over else information / plan.information_max)
    facts = Facts(
        plan=plan,
        kind=kind,
        day=day,
        units=statistics.units,
        multiple=statistics.multiple,
        arrival=arrival,
        metrics=metrics,
        harm_threshold=harm_threshold(len(plan.watched), HARM_ALPHA),
        missing=lacks,
        boundary=None,
        t=t,
        final=over,
        extension_due=_extension_due(plan, day, earlier),
        activity=activity(statistics),
    )
    guardrail_boundary = None
    # An alarm asks nothing of the primary: what it could win is not spent while a person looks at the alarm.
    if kind == "decision" and ended is None and not lacks and not alarmed(facts) and t is not None:
        again = next((look for look in history if look.kind == kind and look.day == day), None)
        t, boundary, guardrail_boundary = _boundaries(plan, earlier, again, t)
        facts = _asked(facts, t, boundary, guardrail_boundary)
    watched = kind == "guardrail" and ended is not None and ended.action == "ship" and alarmed(facts)
    if kind == "guardrail" and ended is not None and ended.action == "hold":
        verdict = harmed_while_held(facts) or _repeat(ended)
    else:
        verdict = decide(facts) if ended is None or watched else _repeat(ended)
    return Look(
        kind=kind,
        day=day,
        units=statistics.units,
        multiple_share=arrival.multiple_share,
        sample_ratio_log_e=arrival.log_e,
        sample_ratio_p=arrival.p,
        metrics=facts.metrics,
        row=verdict.row,
        action=verdict.action,
        reason=verdict.reason,
        information=information,
        t=t,
        boundary=facts.boundary,
        guardrail_boundary=guardrail_boundary,
        missing=lacks,
        alarms=_alarms(plan, facts),
        activity=facts.activity,
    )


def replay(plan: ExperimentPlan, looks: Iterable[tuple[Statistics, Look]]) -> list[str]:
    """Every recorded look of a phase taken again, in order, from what it read: differences in words, or none."""
    differences: list[str] = []
    history: list[Look] = []
    for statistics, recorded in looks:
        if recorded.kind == "ramp":
            continue
        again = take_look(plan, statistics, history, recorded.kind)
        was, now = recorded.to_json(), again.to_json()
        changed = [name for name in was if was[name] != now[name]]
        differences += [
            f"{recorded.kind} look of day {recorded.day:g}: {name} was {was[name]!r}, is {now[name]!r}"
            for name in changed
        ]
        history.append(recorded)
    return differences


def _before(look: Look, day: float, kind: str) -> bool:
    return look.day < day or (look.day == day and look.kind != kind)


def _boundaries(
    plan: ExperimentPlan, earlier: Sequence[Look], again: Look | None, t: float
) -> tuple[float, float | None, float | None]:
    """Fraction and boundaries of this look, or none where it may not ask: what was spent stays spent."""
    if again is not None and again.boundary is not None and again.t is not None:
        return again.t, again.boundary, again.guardrail_boundary
    taken = [look for look in earlier if look.kind == "decision" and look.boundary is not None and look.t is not None]
    last = taken[-1].t or 0.0 if taken else 0.0
    if t <= last or (t < 1 and t < last + SMALLEST_RISE):
        return t, None, None
    boundary = next_boundary([(look.t or 0.0, look.boundary or 0.0) for look in taken], t, plan.alpha)
    other = next_boundary([(look.t or 0.0, look.guardrail_boundary or 0.0) for look in taken], t, GUARDRAIL_ALPHA)
    return (t, boundary, other) if max(boundary, other) < float("inf") else (t, None, None)


def _asked(facts: Facts, t: float, boundary: float | None, guardrail_boundary: float | None) -> Facts:
    """The facts with what the planned look asks, or as they are where it may not ask."""
    if boundary is None or guardrail_boundary is None:
        return facts
    looks = tuple(_repeated(facts.plan, i, look, boundary, guardrail_boundary) for i, look in enumerate(facts.metrics))
    return replace(facts, metrics=looks, boundary=boundary, t=t, final=facts.final or t == 1.0)


def _repeated(plan: ExperimentPlan, i: int, look: MetricLook, boundary: float, guardrail_boundary: float) -> MetricLook:
    """The metric with what is asked of it, its interval δ ± edge·SE, and whether harm stays below the margin."""
    metric = plan.metrics[i]
    if metric.role == "secondary" or look.difference is None:
        return look
    if look.standard_error is None:
        return replace(look, non_inferior=_never_worse(metric, look))
    edge = asked(look, boundary if metric.role == "primary" else guardrail_boundary)
    width = edge * look.standard_error
    enough = look.effective is not None and min(look.effective) >= gates.EFFECTIVE
    return replace(
        look,
        edge=edge,
        repeated_low=look.difference - width,
        repeated_high=look.difference + width,
        non_inferior=enough and metric.sign * look.difference - width > -metric.margin,
    )


def _never_worse(metric: MetricPlan, look: MetricLook) -> bool:
    """Where nobody differs from another: a share that is 0 or 1 may be off by −ln(.05)/n (the rule of three)."""
    if look.difference is None or look.effective is None or min(look.effective) < gates.EFFECTIVE:
        return False
    off = NEVER_SEEN / min(look.effective) if metric.about.share else 0.0
    return metric.sign * look.difference - off > -metric.margin


def _extension_due(plan: ExperimentPlan, day: float, earlier: Sequence[Look]) -> bool:
    """Whether another planned period is over, time is left, and nobody was told yet."""
    periods = int((day + gates.MINUTE) // plan.planned_days)
    if periods < 1 or day >= plan.maximum_days - gates.MINUTE:
        return False
    over = periods * plan.planned_days - gates.MINUTE
    return not any(look.action == "extend" and look.day >= over for look in earlier)


def _alarms(plan: ExperimentPlan, facts: Facts) -> tuple[str, ...]:
    found = []
    if facts.arrival.suspicious and not facts.arrival.invalid:
        found.append("users do not quite arrive as planned: look into it before it becomes certain")
    for metric, look in zip(plan.metrics, facts.metrics, strict=True):
        if drifted(look):
            found.append(f"{metric.about.words} has drifted: what is measured now contradicts what was measured before")
    return tuple(found)


def _repeat(ended: Look) -> Verdict:
    reason = ended.reason if ended.reason.startswith(DECIDED) else f"{DECIDED}{ended.day:.3g}. {ended.reason}"
    return Verdict(ended.row, ended.action, reason)
