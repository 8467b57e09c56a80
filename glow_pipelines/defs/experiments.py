"""Experiments: a candidate against what is in force, by users.

Belongs here: the asset `experiment` and its check. Does not: starting it (steps/hand_over), who sees what
(glow_api.resolve_prompt), planning and deciding (learning/experiments), rollout (with the experiments issue).
"""

from dataclasses import asdict
from datetime import UTC, datetime

import dagster as dg

from glow_pipelines.defs.metadata import counts, line, percent
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import TAG, asked
from glow_pipelines.services import Services


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
    from glow_pipelines.learning.experiments import ArmStatistics, Experiment, ExperimentPlan
    from glow_pipelines.steps.hand_over import hand_over, start_asked

    agent, wanted = context.partition_key, asked(context, services)
    with services.store.transaction() as t:
        # The end of an agent's turn: what its dataset had read is now learned, and only now. A run that failed before
        # this line, or left its optimization undecided, is asked for again.
        optimization = t.optimizations.latest(agent)
        if optimization is None or optimization["state"] != "running":
            t.operations.set_watermark("turn", t.operations.watermark("training_dataset", agent), agent)
        running, request_id = t.experiments.running(agent), int(context.run.tags.get(TAG, 0))
        if "prompt_version" in wanted and (running is None or running["request_id"] != request_id):
            start_asked(t, services.settings, agent, request_id, wanted)
            running = t.experiments.running(agent)
        if running is None:
            # Done with the candidate already, unless an earlier experiment stood in its way then.
            hand_over(t, services.settings, agent)
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
        as_of = datetime.now(UTC)
        day = (as_of - running["started_at"]).total_seconds() / 86400
        look = Experiment(ExperimentPlan(**running["plan"])).look(day, *arms)
        name, phase = running["experiment_id"], running["phase"]
        seen = {arm: asdict(each) for arm, each in zip(("control", "treatment"), arms, strict=True)}
        t.experiments.record_look(name, phase, "decision", as_of, day, seen, asdict(look), look.decision, look.reason)
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
