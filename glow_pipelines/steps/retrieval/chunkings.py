"""From what answers cite to documents that are cut another way: proposed, tested, indexed beside what is served.

Belongs here: the order of the steps. Does not: the proposal itself (learning/retrieval/rechunking), indexes (indexing),
the gate and the rollout of the candidate, which is a configuration like any other.

A proposal changes nothing that is searched: the new chunking has an index of its own, and the candidate configuration
names both. A process killed anywhere leaves the old ones in force; the index of a chunking that never came into force
goes by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from glow_pipelines.learning.retrieval import RetrievalIndex
from glow_pipelines.learning.retrieval.carrying import carry_memory
from glow_pipelines.learning.retrieval.gate import significance_at
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.rechunking import ChunkingProposal, ChunkingSettings, optimize_chunking
from glow_pipelines.services import Services
from glow_pipelines.steps.knowledge import query_split
from glow_pipelines.steps.retrieval.indexing import index_agent


@dataclass(frozen=True)
class ChunkingCandidate:
    """A configuration over a new chunking, indexed and ready for the gate.

    `heirs`: old chunk -> chunks of the new chunking that what is known of it is carried over to (also judgements:
    `carry_judgements`). `memory_rows`: how many rows of memory came along, of how many.
    """

    chunking: str
    configuration: str
    heirs: Mapping[str, list[str]]
    memory_rows: tuple[int, int]


def propose_chunking(
    services: Services, agent: str, seed: int, look: int = 1, settings: ChunkingSettings | None = None
) -> ChunkingProposal | None:
    """What the citations of the agent's answers say of its chunks; None for an agent without documents.

    Test questions take no part: the gate is judged on those. `look`: how many proposals the agent has had with this
    one; later ones need more evidence, for they look at the same questions again.
    """
    with services.store.transaction() as t:
        chunking = t.documents.current_chunking(agent)
        if chunking is None:
            return None
        shares = t.feedback.agent(agent).shares
        library = t.retrieval_sessions.library(agent, chunking)
        citations = t.retrieval_sessions.citations(agent, chunking, library, t.feedback.horizon())
    spans = [span for span in citations.spans if query_split(span.query, shares) != "test"]
    queries = sorted({span.query for span in spans})
    vectors = dict(zip(queries, services.embeddings.embed(queries), strict=True)) if queries else {}
    return optimize_chunking(
        library.documents,
        library.chunks,
        spans,
        group_queries(queries, vectors) if queries else {},
        np.random.default_rng(seed),
        cited_together=citations.together,
        settings=replace(settings or ChunkingSettings(), significance=significance_at(look)),
    )


def index_proposal(
    services: Services, agent: str, proposal: ChunkingProposal, current: RetrievalIndex, parent: str | None
) -> ChunkingCandidate | None:
    """Build the index of a proposal that says apply, and the candidate that searches it; None when it says keep.

    `current`, `parent`: the index in force and its configuration (`steps.knowledge.index_in_force`). The candidate has
    the same parameters, adapter and expansions, and the memory as far as chunks have heirs. Raises ProviderError when
    chunks cannot be embedded; what was embedded until then is kept for the next try.
    """
    if proposal.verdict != "apply" or proposal.parameters is None:
        return None
    model = services.embeddings
    # A chunking never changes, so nothing of it names anybody: whose answers it was read from is counted.
    told = proposal.to_json() | {"sources": len(proposal.source_ids)}
    evidence = {name: value for name, value in told.items() if name not in ("weights", "suggestions", "source_ids")}
    with services.store.transaction() as t:
        origin = t.documents.current_chunking(agent)
        chunking = t.documents.add_chunking(agent, proposal.parameters, origin, evidence)
        t.retrieval_index.begin(agent, chunking, model.name, model.dimensions)
    index_agent(services, agent)
    with services.store.transaction() as t:
        heirs = t.documents.heirs(agent, chunking)
        known = current.configuration
        if known.model not in (None, "", model.name):
            known = replace(known, memory=(), adapter=None)  # vectors of another model: they say nothing of this one's
        memory = carry_memory(known.memory, heirs)
        candidate = replace(known, memory=memory, chunking=chunking, model=model.name)
        built = next(i for i in t.retrieval_index.all(agent) if (i.chunking, i.model) == (chunking, model.name))
        t.retrieval_configurations.write(
            agent, RetrievalIndex(t.retrieval_index.held(built.index_number), candidate), parent
        )
    return ChunkingCandidate(chunking, candidate.sha256, heirs, (len(memory), len(known.memory)))
