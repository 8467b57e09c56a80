"""Experiments: a candidate against what is in force, by users.

Belongs here: the asset `experiment` and its check. Does not: who sees what (glow_api.resolve_prompt), planning and
deciding (learning/experiments), rollout (with the experiments issue).
"""

from dataclasses import asdict
from datetime import UTC, datetime

import dagster as dg

from glow_pipelines.defs.metadata import counts, line, percent
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services

PLANNED_EFFECT = 0.05
"""The smallest difference in the share of thumbs up worth finding: the charter's five points."""
FAINT_PRIOR = 0.5
"""Added to up and down votes so that a rate of 0 or 1 from few votes does not make planning impossible."""


@dg.asset(
    partitions_def=agents,
    group_name="experiments",
    owners=["team:product"],
    kinds={"postgres", "scipy"},
    code_version="1",
    deps=["candidate_prompt"],
    check_specs=[dg.AssetCheckSpec("sample_ratio", asset="experiment")],
    metadata={"dagster/table_name": "glow.learning_experiments"},
)
def experiment(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The experiment of the candidate prompt: planned by power, started, and looked at as often as one likes."""
    from glow_pipelines.learning.experiments import (
        ArmStatistics,
        Experiment,
        ExperimentPlan,
        Traffic,
        intra_user_correlation,
    )

    agent = context.partition_key
    settings = services.settings
    with services.store.transaction() as t:
        # The end of an agent's turn: what its dataset had read is now learned, and only now. A run that failed before
        # this line, or left its optimization undecided, is asked for again.
        optimization = t.optimizations.latest(agent)
        if optimization is None or optimization["state"] != "running":
            t.operations.set_watermark("turn", t.operations.watermark("training_dataset", agent), agent)
        running = t.experiments.running(agent)
        production, candidate = t.prompts.in_force(agent), t.prompts.in_force(agent, "candidate")
        gate = t.optimizations.latest_gate(agent)
        if running is None and production and candidate and gate and gate["finalist"] == candidate.prompt.sha256:
            votes = t.experiments.votes_per_user(agent)
            traffic = t.experiments.traffic(agent)
            up, cast = sum(row["up"] for row in votes), sum(row["votes"] for row in votes)
            plan = Experiment.planned(
                f"{agent}-{candidate.prompt.sha256[:12]}",
                Traffic(
                    users_per_day=max(1, traffic["users"]) / traffic["days"],
                    population=max(1, traffic["users"]),
                    rated_per_user=max(1.0, cast / max(1, len(votes))),
                    baseline_rate=(up + FAINT_PRIOR) / (cast + 2 * FAINT_PRIOR),
                    intra_user_correlation=intra_user_correlation(
                        [row["up"] for row in votes], [row["votes"] for row in votes]
                    ),
                ),
                effect=PLANNED_EFFECT,
                confidence=settings.ab_test_confidence_threshold,
                minimum_users=settings.ab_test_min_sample_size,
            ).plan
            t.experiments.create(
                plan.salt.partition("#")[0],
                agent,
                f"{candidate.operator}: more thumbs up than the prompt in force",
                production.prompt.sha256,
                candidate.prompt.sha256,
                asdict(plan),
                gate["gate_id"],
            )
            running = t.experiments.running(agent)
        if running is None:
            return dg.MaterializeResult(
                metadata={"state": "no candidate to test"},
                check_results=[dg.AssetCheckResult(check_name="sample_ratio", passed=True)],
            )
        rows = t.experiments.votes_by_unit(running)
        exposed = t.experiments.exposures(running["experiment_id"], running["phase"])
        by_arm = [[row for row in rows if row["variant"] == arm] for arm in ("control", "treatment")]
        arms = [ArmStatistics.from_users([row["up"] for row in arm], [row["votes"] for row in arm]) for arm in by_arm]
        day = (datetime.now(UTC) - running["started_at"]).total_seconds() / 86400
        look = Experiment(ExperimentPlan(**running["plan"])).look(day, *arms)
        t.experiments.record_look(running["experiment_id"], running["phase"], asdict(look), look.decision, look.reason)
    return dg.MaterializeResult(
        metadata={
            "experiment": running["experiment_id"],
            "decision": look.decision,
            "reason": line(look.reason),
            "plan": line(running["plan"]["summary"], 600),
            "users": counts(exposed or {"exposed yet": 0}),
            "thumbs up": f"{percent(look.control_rate)} control, {percent(look.treatment_rate)} treatment",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="sample_ratio",
                passed=look.sample_ratio_p >= 0.001,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"users fall on the arms as planned (p = {look.sample_ratio_p:.3g})",
            )
        ],
    )
