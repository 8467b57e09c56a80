"""Annotations: how far the experts agree.

Belongs here: the asset `annotations` and its check. Does not: what an annotation becomes (datasets).
"""

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.services import Services

GROUP = "annotations"


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "numpy"},
    owners=["team:experts"],
    deps=["executions"],
    code_version="1",
    metadata={"dagster/table_name": "glow.expert_annotations"},
)
def annotations(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Experts' judgements by agent, with their agreement (Krippendorff's alpha over the answer each stands for)."""
    import numpy as np

    from glow_pipelines.learning.annotations import bootstrap_alpha, label_table

    rows = []
    total = 0
    with services.store.transaction() as t:
        for agent in t.feedback.agents():
            judged = t.annotations.annotations_of_agent(agent.name)
            outputs = {execution.id: execution.output for execution in t.feedback.executions_of_agent(agent.name)}
            answers = [
                (row.execution_id, row.reviewer, row.output or outputs[row.execution_id])
                for row in judged
                # A rejection says what is wrong, not what is right; what was judged may be gone: retention, erasure.
                if row.verdict != "reject" and (row.output is not None or row.execution_id in outputs)
            ]
            codes = {answer: code for code, answer in enumerate(sorted({answer for _, _, answer in answers}))}
            labels = label_table((item, person, float(codes[answer])) for item, person, answer in answers)
            alpha = bootstrap_alpha(labels, rng=np.random.default_rng(1)) if answers else None
            approved = sum(row.verdict == "approve" for row in judged)
            total += len(judged)
            rows.append(
                (
                    agent.name,
                    len(judged),
                    len({row.reviewer for row in judged}),
                    percent(approved / len(judged)) if judged else "–",
                    "–" if alpha is None or alpha.alpha is None else f"{alpha.alpha:.2f} on {alpha.items} items",
                )
            )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": total,
            "agents": table(("agent", "annotations", "reviewers", "output approved", "agreement (alpha)"), rows),
        }
    )


@dg.asset_check(asset=annotations)
def annotations_exist(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Every agent that has feedback has judgements: without experts nothing can be measured, only guessed."""
    with services.store.transaction() as t:
        bare = [
            agent.name
            for agent in t.feedback.agents()
            if t.feedback.feedback_of_agent(agent.name) and not t.annotations.annotations_of_agent(agent.name)
        ]
    return dg.AssetCheckResult(
        passed=not bare,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without annotations": table(("agent",), ((name,) for name in bare), empty="none")},
    )
