"""The knowledge base between the store and the engine.

Belongs here: embedding what is not embedded, the split of a query, held-out judgements, configuration identity.
Does not: Dagster (defs), search (learning/retrieval).
"""

from collections.abc import Sequence
from hashlib import sha256

from glow_pipelines.learning.datasets import Split, canonical_json, split_of, text_key
from glow_pipelines.learning.retrieval import Judgement, MemoryRow, RetrievalIndex, RetrievalParameters
from glow_pipelines.services import Services
from glow_pipelines.store import Transaction


def embed_chunks(services: Services, agent: str) -> int:
    """Give every chunk its embedding; only new and changed texts are embedded. Returns how many were."""
    model = services.embeddings
    with services.store.transaction() as t:
        waiting = t.retrieval.unembedded(agent, model.name)
    if waiting:
        vectors = model.embed([row["text"] for row in waiting])
        with services.store.transaction() as t:
            t.retrieval.set_embeddings(agent, model.name, waiting, vectors)
    return len(waiting)


def index_in_force(services: Services, agent: str) -> tuple[RetrievalIndex, str | None]:
    """The agent's search index with the configuration in force; None: the untuned hybrid."""
    embed_chunks(services, agent)
    with services.store.transaction() as t:
        current = t.retrieval.in_force(agent)
        memory = [] if current is None else t.retrieval.memory(current.configuration)
        chunks = t.retrieval.chunks(agent)
    parameters = RetrievalParameters() if current is None else current.parameters
    return RetrievalIndex(chunks, parameters, memory), None if current is None else current.configuration


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


def configuration_id(agent: str, parameters: RetrievalParameters, memory: Sequence[MemoryRow]) -> str:
    """The address of a configuration: parameters and what it remembers."""
    rows = [[row.query, row.chunk_id, row.attractiveness, list(row.event_ids)] for row in memory]
    content = canonical_json([agent, parameters.to_json(), rows])
    return sha256(content.encode()).hexdigest()
