"""Dataset versions.

Belongs here: the asset `training_dataset` (one agent), with the checks that stop a run. Does not: learning examples
(examples), what a leak is (learning/datasets).
"""

from datetime import UTC, datetime

import dagster as dg

from glow_pipelines.defs.metadata import counts, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import asked
from glow_pipelines.services import Services

GROUP = "datasets"
OWNERS = ["team:data"]
BLOCKING = ("leakage", "duplicates", "conflicts")
WARNING = ("minimum_size", "balance")


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=OWNERS,
    deps=["learning_examples"],
    code_version="1",
    check_specs=[
        *(dg.AssetCheckSpec(name, asset="training_dataset", blocking=True) for name in BLOCKING),
        *(dg.AssetCheckSpec(name, asset="training_dataset") for name in WARNING),
    ],
    metadata={"dagster/table_name": "glow.training_datasets"},
)
def training_dataset(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """An immutable version of an agent's approved examples, split by group for ever.

    The same rows are the same version, so a turn without news makes none.
    """
    from glow_pipelines.learning.datasets import BehaviorLearner, DatasetRule, check_version
    from glow_pipelines.steps.curation import CONSUMER

    name = context.partition_key
    as_of = datetime.now(UTC)
    kind = asked(context, services).get("kind", "sft")
    with services.store.transaction() as t:
        agent = t.feedback.agent(name)
        t.operations.set_watermark("training_dataset", t.operations.watermark(CONSUMER), name)
        found = t.datasets.examples_as_of(name, as_of)
        version = BehaviorLearner().generate_training_dataset(
            DatasetRule(name, kind, shares=agent.shares),
            (example for _, example, _ in found),
            t.datasets.splits(name),
            as_of,
        )
        verdicts = check_version(version, least=services.settings.fine_tuning_min_examples)
        balance = version.balance if agent.choices else {}
        passed = all(verdict.passed for verdict in verdicts if verdict.name in BLOCKING)
        dataset_id = f"{name}-{version.rule.kind}-{version.content_hash[:12]}"
        if passed and version.rows:  # a version that fails a blocking check is reported, never written
            rows = {example.id: row for row, example, _ in found}
            statistics = {"splits": version.splits, "drops": version.drops, "balance": balance}
            dataset_id = t.datasets.freeze(dataset_id, version, statistics, rows)
        if passed:
            t.datasets.put_in_force(name, version.rule.kind, dataset_id if version.rows else None)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version.content_hash),
        metadata={
            "dagster/partition_row_count": len(version.rows),
            "dataset": dataset_id,
            "splits": counts(version.splits),
            "left out": counts(version.drops),
            "balance": counts(balance),
            "sample": table(
                ("input", "target", "split", "source"),
                ((row.example.input, row.example.target, row.split, row.example.source) for row in version.rows[:8]),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=verdict.name,
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.ERROR if verdict.name in BLOCKING else dg.AssetCheckSeverity.WARN,
                description=verdict.detail,
                metadata=dict(verdict.numbers),
            )
            for verdict in verdicts
        ],
    )
