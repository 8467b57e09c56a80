"""The knowledge base between the store and the engine.

Belongs here: the index in force, the split of a query, held-out judgements. Does not: making indexes
(steps/retrieval/indexing), Dagster (defs), search (learning/retrieval).
"""

from collections.abc import Collection

from glow_pipelines.learning.datasets import Split, split_of, text_key
from glow_pipelines.learning.retrieval import Configuration, Judgement, RetrievalIndex
from glow_pipelines.services import Services
from glow_pipelines.steps.retrieval.indexing import index_agent
from glow_pipelines.store import Transaction


def index_in_force(services: Services, agent: str) -> tuple[RetrievalIndex, str | None]:
    """The agent's search index with the configuration in force; None: the untuned hybrid."""
    index_agent(services, agent)
    with services.store.transaction() as t:
        current = t.retrieval.in_force(agent)
        memory = [] if current is None else t.retrieval.memory(current.configuration)
        chunks = t.retrieval.chunks(agent)
    if current is None:
        return RetrievalIndex(chunks), None
    configuration = Configuration(current.parameters, tuple(memory), chunking=current.chunking, model=current.model)
    return RetrievalIndex(chunks, configuration), current.configuration


def chunks_of(index: RetrievalIndex, documents: Collection[str]) -> set[str]:
    """Ids of the chunks of documents."""
    return {chunk.id for chunk in index.chunks if chunk.document_id in documents}


def query_split(query: str, shares: tuple[float, float, float]) -> Split:
    """The split of a query, for ever: the same question in any spelling is one group."""
    return split_of(f"query-{text_key(query)}", shares)


def held_out_judgements(t: Transaction, agent: str) -> list[Judgement]:
    """Experts' verdicts on chunks shown for test queries; users' clicks judge nothing here."""
    shares = t.feedback.agent(agent).shares
    grades: dict[tuple[str, str], float] = {}
    for event in t.retrieval.events(agent):
        if query_split(event.query, shares) != "test":
            continue
        for hit in event.hits:
            if hit.explicit:
                grades[event.query, hit.chunk_id] = float(hit.explicit > 0)
    return [Judgement(query, chunk, grade) for (query, chunk), grade in sorted(grades.items())]
