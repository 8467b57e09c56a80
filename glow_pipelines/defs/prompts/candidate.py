"""The asset `candidate_prompt`: what passed, handed over to users' judgement.

Belongs here: the asset and its checks. Does not: the hand-over itself (steps/hand_over).
"""

import dagster as dg

from glow_pipelines.defs.metadata import diff, line, sql, table
from glow_pipelines.defs.prompts.common import COMMON, waiting
from glow_pipelines.services import Services

CHECKS = ("candidate_has_gate", "lineage")
AUDIT = "select * from glow_api.prompt_lineage(agent => $1, prompt_version => $2);"


@dg.asset(
    **COMMON,
    deps=["prompt_gate"],
    kinds={"postgres"},
    check_specs=[dg.AssetCheckSpec(name, asset="candidate_prompt", blocking=True) for name in CHECKS],
)
def candidate_prompt(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The prompt that passed the gate, if one did, as a diff to the one in force, with the rows it came from.

    Who passed gets an experiment and a notification, in one transaction with the alias.
    """
    from glow_pipelines.steps.hand_over import hand_over

    agent = context.partition_key
    with services.store.transaction() as t:
        handed = hand_over(t, services.settings, agent)
        production, candidate = t.prompts.in_force(agent), t.prompts.in_force(agent, "candidate")
        behind = t.prompts.gate_of_alias(agent, "candidate")
        version = "" if candidate is None else candidate.prompt.sha256
        lineage = t.prompts.trace(agent, version) if version else []
    if candidate is None or production is None:
        return waiting("no candidate: nothing has passed the gate yet", *CHECKS)
    passed = behind is not None and behind["verdict"] == "promote" and behind["finalist"] == version
    parts = {(row["part"], row["part_id"]) for row in lineage}
    lost = {(row["part"], row["part_id"]) for row in lineage if not row["traced"]}
    plan = (
        {} if handed is None else {"experiment": handed.experiment_id or "none", "plan": line(handed.plan.summary, 600)}
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "prompt version": version,
            "operator": candidate.operator,
            "diff": diff(production.prompt.describe(), candidate.prompt.describe()),
            **plan,
            "source rows": len(lineage),
            "lineage": table(
                ("part", "id", "traced", "origin", "role", "kind", "row"),
                (
                    (
                        row["part"],
                        row["part_id"],
                        row["traced"],
                        row["origin"],
                        row["role"] or "",
                        row["kind"] or "",
                        row["source_id"] or "",
                    )
                    for row in lineage[:60]
                ),
            ),
            "audit": sql(AUDIT.replace("$1", f"'{agent}'").replace("$2", f"'{version}'")),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="candidate_has_gate",
                passed=passed,
                description="the gate behind the alias promoted exactly this prompt",
            ),
            dg.AssetCheckResult(
                check_name="lineage",
                passed=not lost,
                description=f"{len(parts) - len(lost)} of {len(parts)} parts of the prompt trace to source rows",
            ),
        ],
    )
