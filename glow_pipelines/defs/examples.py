"""Learning examples.

Belongs here: the asset `learning_examples` (all agents at once) and its check. Does not: the steps of curation
(steps/curation), what an example is worth (learning/datasets), dataset versions (datasets).
"""

import time

import dagster as dg

from glow_pipelines.defs.metadata import table
from glow_pipelines.services import Services

GROUP = "datasets"
OWNERS = ["team:data"]


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=OWNERS,
    deps=["feedback", "executions", "annotations", "annotation_quality"],
    code_version="2",
    metadata={"dagster/table_name": "glow.learning_examples"},
)
def learning_examples(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Curated examples: expert over correction over vote, screened, grouped, each with the rows it came from.

    Reads from its own watermark, so that a failed run loses no rows; only questions that somebody said something new
    about are looked at.
    """
    from glow_pipelines.steps.curation import curate

    begin = time.monotonic()
    changed = curate(services)
    seconds = time.monotonic() - begin
    with services.store.transaction() as t:
        rows = t.datasets.example_counts()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["examples"] for row in rows),
            "written": sum(each.written for each in changed),
            "inputs": sum(each.inputs for each in changed),
            "inputs new": sum(each.new_inputs for each in changed),
            "groups joined": sum(each.joined for each in changed),
            "bridges": sum(each.bridges for each in changed),
            "seconds": round(seconds, 3),
            "changes": table(
                ("agent", "inputs", "new", "written", "closed", "unchanged", "groups joined", "bridges"),
                (
                    (
                        each.agent,
                        each.inputs,
                        each.new_inputs,
                        each.written,
                        each.closed,
                        each.unchanged,
                        each.joined,
                        each.bridges,
                    )
                    for each in changed
                ),
                empty="no agent has news",
            ),
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
