"""A knowledge base with a model that counts what it embeds.

Belongs here: what tests of indexing share. Does not: assertions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import cast

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.client import GlowClient
from glow_pipelines.services import Services
from glow_pipelines.store import Store
from glow_pipelines.store.responses import StoredEmbeddings

AGENT = "desk"


class CountingModel:
    """Vectors that are a function of the text; `asked` counts how often each text was embedded."""

    def __init__(self, name: str = "toy", dimensions: int = 8) -> None:
        self.name, self.dimensions = name, dimensions
        self.asked: Counter[str] = Counter()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.update(texts)
        rows = [
            np.random.default_rng(int(sha256(t.encode()).hexdigest()[:8], 16)).normal(size=self.dimensions)
            for t in texts
        ]
        matrix = np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)
        return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Library:
    """What indexing asks of Services, over a fresh database with one agent."""

    url: str
    model: CountingModel = field(default_factory=CountingModel)

    def __post_init__(self) -> None:
        self.store = Store(self.url)
        self.client = GlowClient(self.url)
        self.client.register_agent(AGENT, prompt={"instruction": "Answer."})

    @property
    def embeddings(self) -> StoredEmbeddings:
        return StoredEmbeddings(self.model, self.store)

    @property
    def services(self) -> Services:
        return cast(Services, self)

    def put(self, **documents: str) -> None:
        for name, body in documents.items():
            self.client.put_document(AGENT, name, f"About {name}", body)

    def searched(self) -> dict[str, str]:
        """Document -> its texts as they are searched, titles left out, in the order of the chunks' spans."""
        with self.store.transaction() as t:
            found = t.connection.execute(
                "select l.document_id, string_agg(right(c.text, l.ends - l.starts), '|' order by l.position) as text"
                "  from glow.retrieval_indexes i cross join lateral glow.entries_of(i.index_number) e"
                "  join glow.live_chunks l on l.agent = i.agent and l.chunking = i.chunking and l.chunk_id = e.chunk_id"
                "  join glow.chunks c on c.agent = i.agent and c.chunk_id = e.chunk_id"
                "  join glow.retrieval_configurations k on k.chunking = i.chunking and k.model = i.model"
                "  join glow.retrieval_aliases a on a.configuration = k.configuration and a.alias = 'production'"
                " where i.state = 'ready' group by 1 order by 1"
            ).fetchall()
        return {row["document_id"]: row["text"] for row in found}

    def close(self) -> None:
        self.client.close()
        self.store.close()
