"""Whether documents should be cut another way.

Belongs here: the asset `chunking_proposals`. Does not: the proposal (learning/retrieval/rechunking), what follows from
it (steps/retrieval/cutting).
"""

import dagster as dg

from glow_pipelines.defs.metadata import line, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.retrieval.common import GROUP, OWNERS, check, rounded
from glow_pipelines.services import Services

CHECK = "citations_fit_chunks"
TORN = 0.5
"""Share of cited passages held whole by a chunk, below which people read halves more often than not."""


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    owners=OWNERS,
    code_version="1",
    deps=["retrieval_configuration"],
    kinds={"postgres", "numpy"},
    check_specs=[dg.AssetCheckSpec(CHECK, asset="chunking_proposals")],
    metadata={"dagster/table_name": "glow.chunkings"},
)
def chunking_proposals(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Where what answers cite begins and ends, against where chunks do. What says apply is indexed beside what is
    served, tested and tried on users; nothing is cut anew under them."""
    from glow_pipelines.steps.retrieval.cutting import consider_cuts

    if not services.settings.rag_learning_enabled:
        return _nothing("RAG_LEARNING_ENABLED is false")
    found = consider_cuts(services, context.partition_key)
    proposal, tried = found.proposal, found.promotion
    if proposal is None:
        return _nothing(found.reason)
    whole = next((each.current for each in proposal.figures if each.name == "contained"), None)
    said = "too few citations to tell" if whole is None else f"{whole:.0%} of what is cited lies whole in a chunk"
    return dg.MaterializeResult(
        metadata={
            "verdict": proposal.verdict,
            "reason": line(proposal.reason),
            "what followed": line(found.reason),
            "experiment": (tried and tried.experiment_id) or "none",
            "cited spans": proposal.spans,
            "questions": proposal.queries,
            "people": proposal.users,
            "chunks": f"{proposal.current_chunks} → {proposal.proposed_chunks or '–'}",
            "mean characters": f"{proposal.current_size:.0f} → {rounded(proposal.proposed_size, 0)}",
            "held-out questions": table(
                ("measure", "now", "proposed", "95 % interval", "p"),
                (
                    (each.name, rounded(each.current), rounded(each.proposed),
                     f"{each.gain.low:+.3f} to {each.gain.high:+.3f}", rounded(each.p_value))
                    for each in proposal.figures
                ),
                empty="nothing was tested",
            ),
            "suggestions": table(
                ("kind", "chunks", "why"),
                ((each.kind, ", ".join(each.chunk_ids), each.reason) for each in proposal.suggestions[:10]),
                empty="none",
            ),
        },
        check_results=[check(CHECK, whole is None or whole >= TORN, said, warn=True)],
    )  # fmt: skip


def _nothing(reason: str) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"state": line(reason)}, check_results=[check(CHECK, True, reason, warn=True)])
