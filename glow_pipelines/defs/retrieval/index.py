"""The index: an agent's documents as they are searched.

Belongs here: the asset `retrieval_index` with its check. Does not: cutting and embedding (steps/retrieval/indexing).
"""

import dagster as dg

from glow_pipelines.defs.metadata import line, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.retrieval.common import GROUP, OWNERS, check
from glow_pipelines.services import Services


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    owners=OWNERS,
    code_version="1",
    kinds={"postgres", "pgvector"},
    check_specs=[dg.AssetCheckSpec("index_complete", asset="retrieval_index", blocking=True)],
    metadata={"dagster/table_name": "glow.retrieval_indexes"},
)
def retrieval_index(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Documents cut, embedded where they changed, and put in place in one step: searches see before or after."""
    from glow_pipelines.steps.retrieval.indexing import index_agent

    agent = context.partition_key
    done = index_agent(services, agent)
    with services.store.transaction() as t:
        indexes, gaps = t.retrieval_index.all(agent), t.retrieval_index.incomplete(agent)
        behind = t.retrieval_index.behind(agent)
        in_force = t.retrieval.in_force(agent)
    faults = [
        f"index {gap['index_number']} lacks {gap['missing']} chunks, has {gap['stray']} that are not live, "
        f"{gap['unembedded']} without a vector"
        for gap in gaps
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": sum(index.chunks for index in indexes if index.state == "ready"),
            "documents cut": done.documents,
            "chunks added": done.added,
            "chunks removed": done.removed,
            "texts embedded": done.embedded,
            "documents still to do": behind,
            "models not served": line(", ".join(done.unserved) or "none"),
            "configuration in force": "none" if in_force is None else in_force.configuration,
            "indexes": table(
                ("number", "state", "chunks", "chunking", "model", "words a chunk"),
                (
                    (
                        each.index_number,
                        each.state,
                        each.chunks,
                        each.chunking[:12],
                        each.model,
                        f"{each.average_words:.0f}",
                    )
                    for each in indexes
                ),
                empty="the agent has no documents",
            ),
        },
        check_results=[
            check("index_complete", not faults, "; ".join(faults) or "every index is the live chunks, whole")
        ],
    )
