"""From a passed gate to users: the alias `candidate`, an experiment large enough to tell, and word to people.

Belongs here: one transaction that does all three or none, and changes nothing when repeated; and an experiment that an
engineer asks for without a gate. Does not: the gate
(optimization), who sees what (glow_api.resolve_prompt), looking at the experiment (defs/experiments).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.experiments import Experiment, ExperimentPlan, Traffic, intra_user_correlation
from glow_pipelines.learning.prompts.types import Gate
from glow_pipelines.settings import Settings
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Transaction

PLANNED_EFFECT = 0.05
"""The smallest difference in the share of thumbs up worth finding: the charter's five points."""
FAINT_PRIOR = 0.5
"""Added to up and down votes so that a rate of 0 or 1 from few votes does not make planning impossible."""


class CannotStart(Actionable):
    """An experiment that was asked for cannot start, and why."""


@dataclass(frozen=True)
class HandOver:
    """What followed from a gate. `experiment_id` is None when none could start: another one runs, or this one ended."""

    gate_id: str
    prompt_version: str
    experiment_id: str | None
    plan: ExperimentPlan
    told: bool


def hand_over(t: Transaction, settings: Settings, agent: str) -> HandOver | None:
    """Hand the newest finalist over to users if it passed its gate against the prompt in force; else None."""
    row, production = t.optimizations.latest_gate(agent), t.prompts.in_force(agent)
    if row is None or production is None:
        return None
    if row["verdict"] != "promote" or row["incumbent"] != production.prompt.sha256:
        return None
    finalist = row["finalist"]
    version = t.prompts.find(agent, finalist)
    plan = plan_experiment(t, settings, agent, finalist)
    named = plan.salt.partition("#")[0]
    hypothesis = f"{version['operator']}: more thumbs up than the prompt in force"
    t.experiments.create(named, agent, hypothesis, production.prompt.sha256, finalist, asdict(plan), row["gate_id"])
    running = t.experiments.running(agent)
    experiment_id = running["experiment_id"] if running and running["treatment"] == finalist else None
    t.prompts.move_alias(
        agent, "candidate", finalist, "pipeline", "passed the gate", row["gate_id"], experiment_id=experiment_id
    )
    gate = Gate.from_json(row["evidence"])
    told = t.notifications.add(
        agent,
        "prompt_candidate",
        f"A prompt for {agent} passed its gate: about {100 * gate.claimed_gain:+.1f} points",
        _body(row, gate, version, plan, experiment_id),
        key=row["gate_id"],
    )
    return HandOver(row["gate_id"], finalist, experiment_id, plan, told)


def start_asked(t: Transaction, settings: Settings, agent: str, request_id: int, asked: Mapping[str, Any]) -> None:
    """Start the experiment that an engineer asked for (glow_api.create_experiment). Raises CannotStart."""
    production, treatment = t.prompts.in_force(agent), asked["prompt_version"]
    version = t.prompts.find(agent, treatment)
    if production is None or treatment == production.prompt.sha256:
        raise CannotStart(f"{agent}: the prompt asked for is in production by now, or nothing is")
    plan = plan_experiment(t, settings, agent, treatment, asked["effect"])
    hypothesis = asked.get("hypothesis") or f"{version['operator']}: more thumbs up than the prompt in force"
    control, named = production.prompt.sha256, plan.salt.partition("#")[0]
    if not t.experiments.create(named, agent, hypothesis, control, treatment, asdict(plan), None, request_id):
        raise CannotStart(f"{agent}: another experiment runs, or {named} was run before")


def plan_experiment(
    t: Transaction, settings: Settings, agent: str, finalist: str, effect: float = PLANNED_EFFECT
) -> ExperimentPlan:
    """As many users as the effect needs with this agent's traffic, and never fewer than the settings say."""
    votes, traffic = t.experiments.votes_per_user(agent), t.experiments.traffic(agent)
    up, cast = sum(row["up"] for row in votes), sum(row["votes"] for row in votes)
    plan: ExperimentPlan = Experiment.planned(
        f"{agent}-{finalist[:12]}",
        Traffic(
            users_per_day=max(1, traffic["users"]) / traffic["days"],
            population=max(1, traffic["users"]),
            rated_per_user=max(1.0, cast / max(1, len(votes))),
            baseline_rate=(up + FAINT_PRIOR) / (cast + 2 * FAINT_PRIOR),
            intra_user_correlation=intra_user_correlation(
                [row["up"] for row in votes], [row["votes"] for row in votes]
            ),
        ),
        effect=effect,
        confidence=settings.ab_test_confidence_threshold,
        minimum_users=settings.ab_test_min_sample_size,
    ).plan
    return plan


def _body(
    row: Row, gate: Gate, version: Mapping[str, Any], plan: ExperimentPlan, experiment_id: str | None
) -> dict[str, object]:
    return {
        "gate_id": row["gate_id"],
        "optimization_id": row["optimization_id"],
        "prompt_version": row["finalist"],
        "operator": version["operator"],
        "claimed_gain": gate.claimed_gain,
        "difference": [gate.difference.low, gate.difference.high],
        "items": gate.n,
        "experiment_id": experiment_id,
        "users_per_arm": plan.users_per_arm,
        "planned_days": plan.planned_days,
        "reachable": plan.reachable,
        "plan": plan.summary,
    }
