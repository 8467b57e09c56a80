"""Learning examples and dataset versions.

Belongs here: the assets `learning_examples` (all agents at once) and `training_dataset` (one agent), with the checks
that stop a run. Does not: what an example is worth, what a leak is (learning/datasets).
"""

from collections.abc import Callable

import dagster as dg

from glow_pipelines.defs.metadata import counts, percent, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import asked
from glow_pipelines.services import Services

GROUP = "datasets"
OWNERS = ["team:data"]
CONSUMER = "learning_examples"
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
WARNING = ("balance", "drift", "approval_rate")
AUDIT = "select * from glow_api.dataset_lineage where dataset_id = '{}' order by position, kind, source_id;"
KIND_TAG = "glow/dataset-kind"
"""Tag of a run: the kind of dataset it is to build, where nobody asked by a request."""


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=OWNERS,
    deps=["feedback", "executions", "annotations"],
    code_version="1",
    metadata={"dagster/table_name": "glow.learning_examples"},
)
def learning_examples(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Curated examples: expert over correction over vote, screened, grouped, each with the rows it came from.

    Reads from its own watermark, so that a failed run loses no rows; agents without news are not looked at.
    """
    from glow_pipelines.learning.datasets import BehaviorLearner, BehaviorSettings, assign_splits, is_bridge

    changed = []
    with services.store.transaction() as t:
        t.datasets.lock_curation()
        horizon = t.feedback.horizon()
        for name in t.feedback.touched_agents(t.operations.watermark(CONSUMER), horizon):
            agent = t.feedback.agent(name)
            splits = t.datasets.splits(name)
            examples = BehaviorLearner(BehaviorSettings(shares=agent.shares)).learn(
                t.feedback.executions_of_agent(name),
                t.feedback.feedback_of_agent(name),
                t.annotations.annotations_of_agent(name),
                t.annotations.demonstrations_of_agent(name),
                groups=t.datasets.groups(name),
                splits=splits,
            )
            groups = {example.group for example in examples if not is_bridge(example.group)}
            t.datasets.assign_splits(name, assign_splits(groups, splits, agent.shares))
            changes = t.datasets.replace_examples(name, examples)
            changed.append((name, changes.written, changes.closed, changes.unchanged))
        t.operations.set_watermark(CONSUMER, horizon)
        rows = t.datasets.example_counts()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["examples"] for row in rows),
            "written": sum(row[1] for row in changed),
            "changes": table(("agent", "written", "closed", "unchanged"), changed, empty="no agent has news"),
            "examples": table(
                ("agent", "status", "source", "split", "examples"),
                ((row["agent"], row["status"], row["source"], row["split"], row["examples"]) for row in rows),
            ),
        }
    )


@dg.asset_check(asset=learning_examples)
def quarantine_is_small(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """At most one example in ten is quarantined (secrets, personal data, injections): more means a source went bad."""
    with services.store.transaction() as t:
        rows = t.datasets.example_counts()
    total = sum(row["examples"] for row in rows)
    held = sum(row["examples"] for row in rows if row["status"] == "quarantined")
    return dg.AssetCheckResult(
        passed=held <= total / 10,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"quarantined": held, "examples": total},
    )


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=OWNERS,
    deps=[learning_examples],
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
