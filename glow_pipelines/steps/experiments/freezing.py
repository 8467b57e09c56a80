"""The plan of an experiment from what its agent's users did in the weeks before.

Belongs here: which metrics judge an experiment, and what to plan with where little was measured. Does not: measuring
(store/experiment_statistics), the arithmetic (learning/experiments/planning).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from glow_pipelines.learning.experiments import METRICS, ExperimentPlan, Judged, Traffic, plan_experiment
from glow_pipelines.learning.experiments.metrics import (
    COST,
    FEEDBACK_RATE,
    Role,
    written_difference,
    written_level,
)
from glow_pipelines.learning.experiments.plan import Objective, Unit
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments.changes import CannotStart
from glow_pipelines.store.experiment_traffic import Frozen
from glow_pipelines.store.store import Transaction

PRIMARY = "thumbs_up_rate"
GUARDRAILS = (FEEDBACK_RATE, "correction_rate", "latency_slo", COST)
"""Beside the primary: what a better-liked treatment must not pay with. The first always, the others where measured."""
CRITICAL = ("correction_rate", "latency_slo")
"""Of these, what users suffer from while a person would still be asked: harm ends a test and takes a rollout back.
A lower feedback rate may be meant, and what money is worth is for a person to say."""
PLANNED_EFFECT = 0.05
"""The smallest difference in the share of thumbs up worth finding: the charter's five points."""
DAYS = 28
"""Measured before the start: four whole weeks, so that weekdays count alike."""
NOTHING = Traffic(users_per_day=1 / DAYS, rated_per_user=1, baseline_rate=0.5, intra_user_correlation=1, population=1)
"""An agent that nobody used: one user in four weeks. It warns, and goes on."""
MOST = 0.9
"""Of what there is to gain, an effect may ask so much: from 97 % of thumbs up there are no five points upwards."""
FAINT_PRIOR = 0.5
"""Added to yes and no, so that a share of 0 or 1 among few does not make planning impossible."""


def freeze(
    t: Transaction, settings: Settings, agent: str, name: str, asked: Mapping[str, Any] | None = None
) -> tuple[ExperimentPlan, Traffic]:
    """The plan of a new experiment of this name, with all that its looks will ever use, and the traffic behind it."""
    asked = asked or {}
    unit: Unit = asked.get("unit", "user")
    metric = asked.get("metric", PRIMARY)
    guardrails = tuple(each for each in GUARDRAILS if each != metric)
    now = t.experiments.now()
    key = asked.get("score_key") if metric == "score" else None
    keys = {metric: key, **dict.fromkeys(guardrails)}
    frozen = t.experiment_traffic.freeze(agent, keys, now - timedelta(days=DAYS), now, unit=unit)
    primary, first = _traffic(t, agent, metric, unit, now, frozen[metric], key), frozen[metric]
    if not METRICS[metric].share and not primary.deviation:
        named = metric if key is None else f"{metric} {key!r:.80}"
        raise CannotStart(f"{agent}: nothing to plan with: {named} never varied in {DAYS} days")
    wanted = asked.get("effect", PLANNED_EFFECT)
    effect = min(wanted, MOST * _gain(metric, primary.baseline_rate))
    judged = tuple(_judged(t, agent, unit, now, frozen, guardrails))
    objective: Objective = asked.get("objective", "superiority")
    if objective == "non_inferiority" and all(each.metric != COST for each in judged):
        raise CannotStart(
            f"{agent}: objective: non_inferiority asks whether {COST} falls, and no two executions of the last {DAYS} "
            "days tell costs that differ: log cost_usd with them, or ask for superiority"
        )
    plan = plan_experiment(
        f"{name}#1",
        primary,
        primary=Judged(metric, cap=first.cap, threshold=first.threshold, key=key, cuped=asked.get("cuped") or False),
        judged=judged,
        effect=effect,
        objective=objective,
        confidence=settings.ab_test_confidence_threshold,
        minimum_users=settings.ab_test_min_sample_size,
        minimum_days=asked.get("days", 7),
        unit=unit,
        treatment_ppm=asked.get("treatment_ppm", 500_000),
        enrolled_ppm=asked.get("enroll_ppm", 1_000_000),
        hash=asked.get("hash") or "pg1",
    )
    if effect < wanted:
        about = METRICS[metric]
        asked_for, is_now = (written_difference(about, each).lstrip("+") for each in (wanted, effect))
        lowered = f"{asked_for} of {about.words} cannot be gained from {written_level(about, primary.baseline_rate)}"
        plan = replace(
            plan, warnings=(f"{lowered}: planned for {is_now}, nine tenths of what there is", *plan.warnings)
        )
    return plan, primary


def _gain(metric: str, before: float) -> float:
    """What there is to gain."""
    about = METRICS[metric]
    if not about.share:
        return math.inf
    return 1 - before if about.higher_is_better else before


def _judged(
    t: Transaction, agent: str, unit: Unit, now: datetime, frozen: Mapping[str, Frozen], guardrails: Sequence[str]
) -> Iterator[Judged]:
    """The guardrails that something is known of; who gives feedback is watched whatever is known."""
    for name in guardrails:
        before = frozen[name]
        # Where it never happened, no number of users shows that it does not happen more often.
        if not before.baseline and name != FEEDBACK_RATE:
            continue
        traffic = _traffic(t, agent, name, unit, now, before)
        if METRICS[name].share or traffic.deviation:  # what never varied cannot be compared
            role: Role = "critical" if name in CRITICAL else "signal"
            yield Judged(name, traffic, role, cap=before.cap, threshold=before.threshold)


def _traffic(
    t: Transaction, agent: str, metric: str, unit: Unit, now: datetime, frozen: Frozen, key: str | None = None
) -> Traffic:
    known = t.experiment_traffic.traffic(agent, metric, unit, DAYS, now, frozen=frozen, key=key)
    if known is None:
        return NOTHING
    if not known.rated_per_user:  # they came and said nothing
        return replace(NOTHING, users_per_day=known.users_per_day, population=known.population)
    if not METRICS[metric].share:
        return known
    values = known.rated_per_user * (known.population or 1)
    rate = (known.baseline_rate * values + FAINT_PRIOR) / (values + 2 * FAINT_PRIOR)
    return replace(known, baseline_rate=rate)
