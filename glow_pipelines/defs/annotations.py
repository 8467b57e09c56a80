"""Annotations: what experts have judged.

Belongs here: the asset `annotations` and its check. Does not: the queue (reviews), how far experts agree
(annotation_quality), what an annotation becomes (examples).
"""

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.services import Services

GROUP = "annotations"


@dg.asset(
    group_name=GROUP,
    kinds={"postgres"},
    owners=["team:experts"],
    deps=["executions"],
    code_version="2",
    metadata={"dagster/table_name": "glow.expert_annotations"},
)
def annotations(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Experts' judgements by agent."""
    with services.store.transaction() as t:
        found = t.annotations.counts()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(each.annotations for each in found),
            "agents": table(
                ("agent", "annotations", "reviewers", "output approved"),
                (
                    (each.agent, each.annotations, each.reviewers, percent(each.approved / each.annotations))
                    for each in found
                    if each.annotations
                ),
            ),
        }
    )


@dg.asset_check(asset=annotations)
def annotations_exist(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Every agent that has feedback has judgements: without experts nothing can be measured, only guessed."""
    with services.store.transaction() as t:
        bare = [each.agent for each in t.annotations.counts() if each.heard and not each.annotations]
    return dg.AssetCheckResult(
        passed=not bare,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without annotations": table(("agent",), ((name,) for name in bare), empty="none")},
    )
