"""Dataset versions.

Belongs here: the asset `training_dataset` (one agent), with the checks that stop a run. Does not: learning examples
(examples), what a leak is (learning/datasets).
"""

from collections.abc import Callable

import dagster as dg

from glow_pipelines.defs.metadata import counts, percent, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import asked
from glow_pipelines.services import Services

GROUP = "datasets"
OWNERS = ["team:data"]
# As learning/datasets/checks names them, which is not imported to load the code location: it brings scipy.
BLOCKING = (
    "leakage",
    "duplicates",
    "conflicts",
    "minimum_size",
    "pii",
    "secrets",
    "injections",
    "schema",
    "contamination",
)
WARNING = ("balance", "drift", "agreement", "approval_rate")
AUDIT = "select * from glow_api.dataset_lineage where dataset_id = '{}' order by position, kind, source_id;"
KIND_TAG = "glow/dataset-kind"
"""Tag of a run: the kind of dataset it is to build, where nobody asked by a request."""


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=OWNERS,
    deps=["learning_examples"],
    code_version="2",
    check_specs=[
        *(dg.AssetCheckSpec(name, asset="training_dataset", blocking=True) for name in BLOCKING),
        *(dg.AssetCheckSpec(name, asset="training_dataset") for name in WARNING),
    ],
    metadata={
        "dagster/table_name": "glow.dataset_examples",
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep("learning_examples", source)]
                for column, source in (
                    ("example_version", "example_version"),
                    ("position", "example_id"),
                    ("split", "split"),
                    ("input", "input"),
                    ("target", "target"),
                    ("rejected_target", "rejected_target"),
                )
            }
        ),
    },
)
def training_dataset(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """An immutable version of approved examples, split by group for ever: all of the agent's, or those asked for.

    The same rows under the same rule are the same version, so a turn without news makes none.
    """
    from glow_pipelines.steps.curation import CONSUMER
    from glow_pipelines.steps.datasets import agent_rule, build_dataset

    name = context.partition_key
    wanted = asked(context, services)
    with services.store.transaction() as t:
        read_to = t.operations.watermark(CONSUMER)
        kind = wanted.get("kind") or context.run.tags.get(KIND_TAG, "sft")
        rule = agent_rule(t, name, {"kind": kind, **(wanted.get("rule") or {})})
    built = build_dataset(services.store, rule, told=Log(context.log.info))
    with services.store.transaction() as t:
        t.operations.set_watermark("training_dataset", read_to, name)
    statistics = built.statistics
    return dg.MaterializeResult(
        data_version=dg.DataVersion(built.content_hash),
        metadata={
            "dagster/partition_row_count": built.rows,
            "dataset": built.dataset_id or "none",
            "new": built.new,
            "as of": built.as_of.isoformat(),
            "splits": table(
                ("split", "rows", "share"),
                ((split, rows, percent(statistics["shares"][split])) for split, rows in statistics["splits"].items()),
            ),
            "sources": counts(statistics.get("sources", {})),
            "left out": counts(statistics["drops"]),
            "balance": counts(statistics["balance"]),
            "audit": audit(built.dataset_id),
            "rules": dg.MetadataValue.json(built.rule.to_json()),
            "sample": table(
                ("input", "target", "split", "source"),
                ((row["input"], row["target"], row["split"], row["source"]) for row in built.sample),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=verdict.name,
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.ERROR if verdict.severity == "error" else dg.AssetCheckSeverity.WARN,
                description=verdict.detail,
                metadata=dict(verdict.numbers) | ({"examples": list(verdict.examples)} if verdict.examples else {}),
            )
            for verdict in built.verdicts
        ],
    )


def audit(dataset_id: str | None) -> dg.MarkdownMetadataValue:
    """The query that leads from every row of a version to the rows it came from."""
    if dataset_id is None:
        return dg.MetadataValue.md("*no version, nothing to audit*")
    return dg.MetadataValue.md(f"As an engineer (`docs/lineage.md`):\n```sql\n{AUDIT.format(dataset_id)}\n```")


class Log:
    """Tells a run's log how far a build is: every step once, and every hundred thousand rows."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last = ("", 0)

    def __call__(self, doing: str, rows: int) -> None:
        if (doing, rows // 100_000) != self._last:
            self._last = (doing, rows // 100_000)
            self._write(f"{doing}: {rows:,} rows")
