"""From a passed gate to users: the alias `candidate`, an experiment large enough to tell, and word to people.

Belongs here: one transaction that does all three or none, and changes nothing when repeated. Does not: the gate
(optimization), starting an experiment, which is the same for who asks for one by hand (experiments/start).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glow_pipelines.learning.experiments import ExperimentPlan
from glow_pipelines.learning.prompts.types import Gate
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments.changes import Change
from glow_pipelines.steps.experiments.start import start
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Transaction


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
    hypothesis = f"{version['operator']}: more thumbs up than the prompt in force"
    change = Change(agent, "prompt", production.prompt.sha256, finalist)
    started = start(t, settings, change, hypothesis, gate_id=row["gate_id"])
    plan, begun = started.plan, t.experiments.find(started.experiment_id)
    experiment_id = started.experiment_id if begun is not None and begun["active"] else None
    if begun is None or begun["active"]:  # what users have judged is no candidate again
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
        "warnings": list(plan.warnings),
    }
