"""Every figure of the report, read from the database after the turn.

Belongs here: collecting figures with their intervals. Does not: showing them (report), computing what the pipeline
decides (it has decided). The truth table is used here only to audit, after the fact, what the pipeline claims.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from glow_pipelines.demo.company import AGENTS, CODER, HELPDESK, cases
from glow_pipelines.learning.experiments import ExperimentPlan
from glow_pipelines.learning.experiments.metrics import written_difference
from glow_pipelines.learning.feedback import summarize
from glow_pipelines.learning.retrieval import Judgement, RagTrainer, RetrievalParameters
from glow_pipelines.services import Services
from glow_pipelines.steps.knowledge import chunks_of, index_in_force, index_of
from glow_pipelines.store import Store

Figures = dict[str, Any]


def collect(services: Services, seconds: dict[str, float], seed: int = 1, null: bool = False) -> Figures:
    """All figures as plain JSON data. `null`: everybody judged at random, so that nothing should be promoted."""
    with services.store.transaction() as t:
        stats = t.operations.learning_stats()
        counts = t.datasets.example_counts()
        metrics = [dict(row, measured_at=row["measured_at"].isoformat()) for row in t.operations.latest_measurements()]
    return {
        "seed": seed,
        "null": null,
        "model": services.chat.name,
        "embedding_model": services.embeddings.name,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "stats": stats,
        "feedback": [_feedback(services, agent.name) for agent in AGENTS],
        "examples": counts,
        "prompts": [_prompt(services, agent.name) for agent in AGENTS],
        "retrieval": _retrieval(services),
        "models": [_model(services, agent.name) for agent in AGENTS],
        "lineage": _lineage(services, CODER),
        "success_metrics": metrics,
        "next_night": _next_night(services),
    }


def _feedback(services: Services, agent: str) -> Figures:
    with services.store.transaction() as t:
        rows, executions = t.feedback.feedback_of_agent(agent), t.feedback.executions_of_agent(agent)
    found = summarize(rows, executions)[agent]
    return {
        "agent": agent,
        "executions": found.executions,
        "feedback": _rate(found.feedback),
        "positive": _rate(found.positive),
        "corrected": _rate(found.corrected),
        "issues": [{"issue": each.issue, "count": each.count} for each in found.issues[:5]],
    }


def _rate(rate: Any) -> Figures:
    return {"value": rate.value, "low": rate.low, "high": rate.high, "n": rate.n}


def _prompt(services: Services, agent: str) -> Figures:
    with services.store.transaction() as t:
        production, candidate = t.prompts.in_force(agent), t.prompts.in_force(agent, "candidate")
        dataset = t.datasets.in_force(agent)
        row = t.optimizations.latest(agent)
        gate = t.optimizations.latest_gate(agent)
        running = t.experiments.running(agent)
    assert production is not None
    finalist = gate and gate["finalist"]
    with services.store.transaction() as t:
        tried = finalist and t.prompts.prompt(agent, finalist)
    return {
        "agent": agent,
        "dataset": dataset and {"id": dataset["dataset_id"], **dataset["statistics"]},
        "state": row["state"] if row else "no exact metric",
        "reason": row["reason"] if row else "answers are free text; a calibrated judge comes with a later version",
        "before": production.prompt.describe(),
        "after": tried.describe() if tried else None,
        "operator": candidate.operator if candidate else None,
        "arms": (row["race"] or {}).get("arms", []) if row else [],
        "race_calls": (row["race"] or {}).get("calls", 0) if row else 0,
        "race_evaluations": (row["race"] or {}).get("evaluations", 0) if row else 0,
        "gate": gate and {**gate["evidence"], "verdict": gate["verdict"]},
        "gate_is_of_this_optimization": bool(gate and row and gate["optimization_id"] == row["optimization_id"]),
        "experiment": running and experiment_figures(services.store, running),
    }


def experiment_figures(store: Store, running: Mapping[str, Any]) -> Figures:
    """A running experiment: what was planned, what its users can show, where it is, when it is looked at next."""
    with store.transaction() as t:
        looks = t.experiments.looks(running["experiment_id"], running["phase"])
        seen = t.experiment_views.experiments(running["agent"])
    units = next(each["units"] for each in seen if each["experiment_id"] == running["experiment_id"])
    plan, day = ExperimentPlan.from_json(running["plan"]), max([0.0, *(look["day"] for look in looks)])
    shown = None if plan.detectable is None else written_difference(plan.primary.about, plan.detectable).lstrip("+")
    return {
        "id": running["experiment_id"],
        "state": running["state"],
        "plan": plan.summary,
        "unit": plan.unit,
        "days": [plan.planned_days, plan.maximum_days],
        "detectable": shown,
        "minimum_users": plan.minimum_users,
        "minimum_days": plan.minimum_days,
        "warnings": list(plan.warnings),
        "exposed": units or [0, 0],
        "said": looks[-1]["reason"] if looks else None,
        "next_look": (running["begun_at"] + timedelta(days=int(day) + 1)).isoformat(timespec="minutes"),
    }


def _retrieval(services: Services) -> Figures:
    """Held-out questions: a phrasing of each intent that nobody asked, judged by the truth table.

    What is compared with the untuned hybrid is the candidate if it passed the pipeline's gate, else what is in force.
    """
    held_out = [case for number, case in enumerate(cases(HELPDESK)) if number % 3 == 2]
    now, configuration = index_in_force(services, HELPDESK)
    with services.store.transaction() as t:
        own, pairs = t.retrieval.latest_gate(HELPDESK), t.retrieval.pair_counts(HELPDESK)
        running = t.experiments.running(HELPDESK, "retrieval")
        passed = own is not None and own["verdict"] == "ship" and own["incumbent"] == configuration
        if own is not None and passed:
            now, configuration = index_of(t, HELPDESK, own["candidate"]), own["candidate"]
    judgements = [
        Judgement(case.input, chunk, 1.0) for case in held_out for chunk in sorted(chunks_of(now, case.right))
    ]
    untuned = now.reconfigured(RetrievalParameters(), [])
    trainer = RagTrainer(services.embeddings.embed, seed=1)
    gate = trainer.gate(untuned, now, judgements, np.random.default_rng(1))
    dense = trainer.evaluate(now.reconfigured(RetrievalParameters(lexical_weight=0.0), []), judgements)
    return {
        "questions": len(held_out),
        "configuration": configuration,
        "candidate": passed,
        "dense": dense.to_json(),
        "before": gate.current.to_json() if gate.current else None,
        "after": gate.candidate.to_json() if gate.candidate else None,
        "difference": gate.to_json()["overall"],
        "pipeline_gate": own and {"verdict": own["verdict"], "reason": own["evidence"].get("reason")},
        "experiment": running and experiment_figures(services.store, running),
        "pairs": sum(row["pairs"] for row in pairs),
    }


def _model(services: Services, agent: str) -> Figures:
    with services.store.transaction() as t:
        run = t.models.latest_run(agent)
    if run is None:
        return {"agent": agent, "state": "no dataset", "reason": ""}
    return {"agent": agent, "state": run["state"], "reason": run["reason"], "train": run["plan"]["train_count"]}


def _lineage(services: Services, agent: str) -> Figures | None:
    """One demonstration or rule of the candidate, down to the votes."""
    with services.store.transaction() as t:
        candidate = t.prompts.in_force(agent, "candidate")
        if candidate is None:
            return None
        rows = t.prompts.lineage(agent, candidate.prompt.sha256)
    shown = candidate.prompt.demonstrations
    if not shown:
        return {"agent": agent, "prompt_version": candidate.prompt.sha256, "rows": len(rows), "example": None}
    # The demonstration that users had most to do with tells the most.
    votes = Counter(row["source_id"] for row in rows if row["from_kind"] == "feedback")
    told = max(shown, key=lambda each: votes[each.example_id])
    mine = [row for row in rows if row["kind"] == "example" and row["source_id"] == told.example_id]
    return {
        "agent": agent,
        "prompt_version": candidate.prompt.sha256,
        "rows": len(rows),
        "example": {
            "input": told.input,
            "output": told.output,
            "example_id": told.example_id,
            "from": sorted({f"{row['from_kind']} {row['from_id']}" for row in mine if row["from_id"]}),
        },
    }


def _next_night(services: Services) -> list[str]:
    """What the schedule would ask for now."""
    settings = services.settings
    with services.store.transaction() as t:
        agents = [agent.name for agent in t.feedback.agents()]
        ready = t.feedback.arrivals(
            {name: t.operations.watermark("turn", name) for name in agents}, settings.learning_min_feedback_count
        )
        lines = []
        for name in agents:
            news = next((each.arrived for each in ready if each.agent == name), 0)
            running = ", ".join(each["experiment_id"] for each in t.experiments.active(name))
            if running:
                lines.append(f"{name}: a look at {running}; no second candidate of that kind meanwhile")
            elif news:
                lines.append(f"{name}: a turn, since {news} feedback rows are new")
            else:
                lines.append(
                    f"{name}: nothing, until {settings.learning_min_feedback_count} new feedback rows are there"
                )
    return lines
