"""Success metrics: target and actual, side by side.

Belongs here: the asset `success_metrics` with its checks. Does not: how a metric is computed (learning/operations).
"""

from dataclasses import fields

import dagster as dg

from glow_pipelines.defs.metadata import table
from glow_pipelines.services import Services


@dg.asset(
    group_name="operations",
    kinds={"postgres"},
    owners=["team:operations"],
    deps=["executions", "annotations", "learning_examples"],
    code_version="1",
    check_specs=[dg.AssetCheckSpec("targets_met", asset="success_metrics")],
    metadata={"dagster/table_name": "glow.success_metrics"},
)
def success_metrics(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The charter's figures against their targets, each with its interval or "not enough data"."""
    from glow_pipelines.learning.intervals import Interval
    from glow_pipelines.learning.operations import SUCCESS_METRICS, OperationCounts, measure_all, shown

    units = {metric.name: metric.unit for metric in SUCCESS_METRICS}
    known = {field.name for field in fields(OperationCounts)}
    with services.store.transaction() as t:
        raw = {key: value for key, value in t.operations.success_counts().items() if key in known}
        gained = t.operations.prompt_difference()
        found = t.operations.retrieval_gain()
        measurements = measure_all(
            OperationCounts(
                **raw,
                prompt_improvement=None if gained is None else Interval(**gained),
                retrieval_improvement=None if found is None else Interval(**found, confidence=0.95, method="ratio"),
            )
        )
        for each in measurements:
            t.operations.record_measurement(each)
    missed = [each.metric for each in measurements if each.status == "missed"]
    return dg.MaterializeResult(
        metadata={
            "met": sum(each.status == "met" for each in measurements),
            "missed": len(missed),
            "not enough data": sum(each.status == "not_enough_data" for each in measurements),
            "metrics": table(
                ("metric", "actual", "status", "detail"),
                (
                    (each.metric, shown(each.value, units[each.metric]), each.status, each.detail)
                    for each in measurements
                ),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="targets_met",
                passed=not missed,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"missed: {', '.join(missed) or 'none'}",
            )
        ],
    )
