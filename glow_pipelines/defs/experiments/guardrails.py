"""The asset `experiment_guardrails`: the hourly look that decides nothing but harm.

Belongs here: the asset and its checks. Does not: the daily look (decisions), rollouts (rollouts).
"""

from datetime import UTC, datetime

import dagster as dg

from glow_pipelines.defs.experiments.shown import CHECKS, checks, nothing, overview
from glow_pipelines.defs.experiments.together import for_each
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services


@dg.asset(
    partitions_def=agents,
    group_name="experiments",
    owners=["team:product"],
    kinds={"postgres", "scipy"},
    code_version="1",
    deps=["experiment"],
    check_specs=[dg.AssetCheckSpec(name, asset="experiment_guardrails") for name in CHECKS],
    metadata={"dagster/table_name": "glow.experiment_looks"},
)
def experiment_guardrails(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]
) -> dg.MaterializeResult:
    """Whether a test harms its users, does not hold to its split, or changes who gives feedback, every hour.

    Harm ends it, an invalid split holds it, a doubtful guardrail lets nobody new in; whatever LEARNING_ENABLED says.
    """
    from glow_pipelines.steps.experiments import look_at

    with services.store.transaction() as t:
        tests = [
            row["experiment_id"]
            for row in t.experiments.active(context.partition_key)
            if (rollout := t.rollouts.current(row["experiment_id"])) is None or rollout["state"] == "pending"
        ]
    now = datetime.now(UTC)
    seen = for_each(tests, lambda each: look_at(services.store, each, "guardrail", now))
    if not seen:
        return nothing("no test is on users", "experiment_guardrails")
    return dg.MaterializeResult(
        metadata={
            "moved": ", ".join(each.moved for each in seen if each.moved) or "nothing",
            "experiments": overview(seen),
        },
        check_results=checks(seen, "experiment_guardrails"),
    )
