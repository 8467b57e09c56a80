"""A helpdesk whose people search, click and judge: small, but with something to learn.

Belongs here: its documents, questions, model and log. Does not: assertions.

Every topic has one document and some wordings of one question. The model sees what they have in common only dimly, so
that search finds the document among others, and what people click tells more than it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.settings import Settings
from tests.steps.indexing_world import AGENT, CountingModel, Library
from tests.waiting import until_readable

TOPICS, WORDINGS, SHOWN = 40, 6, 10
_DIMENSIONS = 24


class TopicModel(CountingModel):
    """Texts that end in the same number are near each other: questions very, documents a little."""

    def __init__(self, name: str = "topics") -> None:
        super().__init__(name, _DIMENSIONS)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.update(texts)
        rows = [self._vector(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)

    def _vector(self, text: str) -> NDArray[np.float64]:
        topic = np.random.default_rng(int(text.rpartition(" ")[2].removeprefix("no"))).normal(size=_DIMENSIONS)
        own = np.random.default_rng(int(sha256(text.encode()).hexdigest()[:8], 16)).normal(size=_DIMENSIONS)
        whole = topic + own * (0.2 if text.startswith("question") else 2.2)
        found: NDArray[np.float64] = whole / np.linalg.norm(whole)
        return found


def question(topic: int, wording: int) -> str:
    return f"question {sha256(f'{topic}/{wording}'.encode()).hexdigest()[:6]} topic {topic}"


@dataclass
class Desk(Library):
    """What the steps ask of Services, over a helpdesk."""

    model: CountingModel = field(default_factory=TopicModel)
    settings: Settings = field(default_factory=lambda: Settings.from_environment({}))
    agent: str = AGENT

    def write(self) -> None:
        self.client.put_documents(
            AGENT,
            [{"document_id": f"d{n}", "title": "Page", "body": f"Of many words no{n}"} for n in range(TOPICS)],
        )

    def search(self, name: str, topics: Sequence[int] = range(TOPICS), at_random: bool = False) -> None:
        """Everybody asks, clicks what is right and seldom what is not; experts judge what was listed."""
        model = self.model
        for topic in topics:
            for wording in range(WORDINGS):
                asked, event = question(topic, wording), f"{name}-{topic}-{wording}"
                user = f"u{(topic + 7 * wording) % 12}"
                found = self.client.search(
                    AGENT, asked, SHOWN, embedding=model.embed([asked])[0].tolist(), policy="interleave",
                    event_id=event, user_id=user, conversation_id=event,
                )  # fmt: skip
                rng = np.random.default_rng(int(sha256(event.encode()).hexdigest()[:8], 16))
                hits = []
                for hit in found.hits:
                    right = bool(rng.random() < 0.1) if at_random else hit.document_id == f"d{topic}"
                    looked = rng.random() < 1 / hit.rank
                    clicked = bool(looked and rng.random() < (0.9 if right else 0.05))
                    hits.append(
                        {"chunk_id": hit.chunk_id, "rank": hit.rank, "clicked": clicked, "explicit": 1 if right else -1,
                         "expert": True}
                    )  # fmt: skip
                self.client.log_retrieval(event, AGENT, asked, hits, user_id=user, conversation_id=event)
        until_readable(self.url)
