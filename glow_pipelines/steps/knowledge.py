"""The knowledge base between the store and the engine.

Belongs here: the index in force as the engine searches it, the split of a query. Does not: making indexes
(steps/retrieval/indexing), learning (steps/retrieval/training), Dagster (defs), search (learning/retrieval).
"""

from collections.abc import Collection

from glow_pipelines.learning.datasets import Split, split_of, text_key
from glow_pipelines.learning.retrieval import RetrievalIndex
from glow_pipelines.services import Services
from glow_pipelines.steps.retrieval.indexing import index_agent
from glow_pipelines.store import Transaction


def index_in_force(services: Services, agent: str) -> tuple[RetrievalIndex, str | None]:
    """The agent's search index with the configuration in force; None: the untuned hybrid."""
    index_agent(services, agent)
    with services.store.transaction() as t:
        current = t.retrieval.in_force(agent)
        return (
            (RetrievalIndex([]), None)
            if current is None
            else (index_of(t, agent, current.configuration), current.configuration)
        )


def index_of(t: Transaction, agent: str, configuration: str) -> RetrievalIndex:
    """All that a configuration searches. Raises LookupError where there is no such configuration."""
    known = t.retrieval_configurations.read(configuration)
    if known is None:
        raise LookupError(f"{agent} has no retrieval configuration {configuration!r}")
    return RetrievalIndex(t.retrieval.chunks(agent, configuration), known)


def chunks_of(index: RetrievalIndex, documents: Collection[str]) -> set[str]:
    """Ids of the chunks of documents."""
    return {chunk.id for chunk in index.chunks if chunk.document_id in documents}


def query_split(query: str, shares: tuple[float, float, float]) -> Split:
    """The split of a query, for ever: the same question in any spelling is one group."""
    return split_of(f"query-{text_key(query)}", shares)
