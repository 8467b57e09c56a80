"""Starting an experiment: what is measured before is frozen into a plan, and the plan is what runs.

Belongs here: the one way in, for a candidate that passed its gate and for what an engineer asks for. Does not: what
changes (changes), the plan (freezing), who sees what (glow_api.resolve_prompt), looking (look).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glow_pipelines.learning.experiments import ExperimentPlan, RampPlan, default_stages
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments.changes import CannotStart, Change, change_asked
from glow_pipelines.steps.experiments.freezing import PLANNED_EFFECT, freeze
from glow_pipelines.steps.experiments.moves import MOVER, stage_hours
from glow_pipelines.store.store import Transaction


@dataclass(frozen=True)
class Started:
    """An experiment and its plan; not `created` where it was there before, or something stands in its way."""

    experiment_id: str
    plan: ExperimentPlan
    created: bool


def start(
    t: Transaction,
    settings: Settings,
    change: Change,
    hypothesis: str,
    *,
    gate_id: str | None = None,
    request_id: int | None = None,
    asked: Mapping[str, Any] | None = None,
) -> Started:
    """Start the experiment of a change, once. A plan that cannot find its effect starts all the same and says so.

    `asked`: what glow_api.create_experiment was told; nothing for the usual.
    """
    asked = asked or {}
    known = t.experiments.find(change.name) if request_id is None else None
    if known is not None:
        return Started(change.name, ExperimentPlan.from_json(known["plan"]), False)
    named = _name(t, change, request_id)
    plan, _ = freeze(t, settings, change.agent, named, asked)
    slots = asked.get("slot_from", 0), asked.get("slot_to", 1_000_000)
    created = t.experiments.create(
        named,
        change.agent,
        hypothesis,
        change.control,
        change.treatment,
        plan.to_json(),
        gate_id,
        request_id,
        kind=change.kind,
        configs=change.configs,
        layer=asked.get("layer"),
        slots=slots,
        unit=plan.unit,
        hash=plan.hash,
        treatment_ppm=plan.treatment_ppm,
        enroll_ppm=plan.enrolled_ppm,
    )
    if created and plan.warnings and gate_id is None:  # with a gate, they stand in the word on the candidate
        t.notifications.add(
            change.agent,
            "experiment_warning",
            f"The experiment {named[:120]} of {change.agent[:40]} may find nothing",
            {"experiment_id": named, "plan": plan.summary, "warnings": list(plan.warnings)},
            key=named,
        )
    return Started(named, plan, created)


def start_asked(t: Transaction, settings: Settings, agent: str, request_id: int, asked: Mapping[str, Any]) -> str:
    """Start what an engineer asked for (create_experiment, start_rollout), once per request; returns its id.

    Raises CannotStart.
    """
    known = t.experiments.of_request(request_id)
    if known is not None:
        return known
    change = change_asked(t, agent, asked)
    hypothesis = asked.get("hypothesis") or _hypothesis(t, change)
    if asked.get("design") == "ramp":
        return _start_ramp(t, settings, change, hypothesis, request_id, asked)
    started = start(t, settings, change, hypothesis, request_id=request_id, asked=asked)
    if not started.created:
        raise CannotStart(f"{agent}: another experiment runs, or what was in production has changed since")
    return started.experiment_id


def _start_ramp(
    t: Transaction, settings: Settings, change: Change, hypothesis: str, request_id: int, asked: Mapping[str, Any]
) -> str:
    """A rollout without a test before: the same guardrails, from a small share upwards, without a ship decision."""
    named = _name(t, change, request_id)
    plan, traffic = freeze(t, settings, change.agent, named, asked)
    stages = default_stages(
        after_test=False,
        users=traffic.population,
        visits=traffic.executions_per_user,
        hours=stage_hours(plan),
        matures=plan.maturation_hours,
        approval=bool(asked.get("approval")),
    )
    created = t.experiments.create(
        named,
        change.agent,
        hypothesis,
        change.control,
        change.treatment,
        plan.to_json(),
        None,
        request_id,
        kind=change.kind,
        design="ramp",
        configs=change.configs,
        layer=asked.get("layer"),
        unit=plan.unit,
        treatment_ppm=stages[0].treatment_ppm,
        control_ppm=stages[0].control_ppm,
    )
    if not created:
        raise CannotStart(f"{change.agent}: another experiment runs, or what was in production has changed since")
    t.rollouts.open(named, RampPlan.of(plan, stages).to_json(), MOVER, hypothesis)
    return named


def _name(t: Transaction, change: Change, request_id: int | None) -> str:
    """An engineer may try the same change again, on new data; the pipeline by itself does not."""
    number = 1 if request_id is None else 1 + t.experiments.begun(change.name)
    return change.name if number == 1 else f"{change.name}-{number}"


def _hypothesis(t: Transaction, change: Change) -> str:
    if change.kind != "prompt":
        return f"another {change.kind}: more thumbs up than with the one in force"
    operator = t.prompts.find(change.agent, change.treatment)["operator"]
    return f"{operator}: more thumbs up than the prompt in force"


__all__ = ["PLANNED_EFFECT", "CannotStart", "Change", "Started", "start", "start_asked"]
