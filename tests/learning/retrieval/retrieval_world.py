"""A small world with a known truth for the retrieval tests: chunks, questions, users with position bias.

Belongs here: what several retrieval tests simulate. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.retrieval import Chunk, Hit, Judgement, RetrievalEvent, RetrievalIndex
from glow_pipelines.learning.retrieval.types import Vector, unit

Click = Callable[[str, str], float]


@dataclass(frozen=True)
class World:
    """Chunk i answers intent i. Each intent has several wordings, of which the last is never logged."""

    chunks: tuple[Chunk, ...]
    wordings: tuple[tuple[str, ...], ...]
    vectors: Mapping[str, Vector]
    answers: Mapping[str, str]

    def embed(self, texts: Sequence[str]) -> Vector:
        return np.array([self.vectors[text] for text in texts])

    @property
    def logged(self) -> list[str]:
        return [wording for intent in self.wordings for wording in intent[:-1]]

    @property
    def held_out(self) -> list[Judgement]:
        return [Judgement(intent[-1], self.answers[intent[-1]], 1.0) for intent in self.wordings]

    def relevance(self, query: str, chunk_id: str) -> float:
        """Click probability of a user who looks: .9 on the answer, .1 elsewhere."""
        return 0.9 if self.answers[query] == chunk_id else 0.1


def build(seed: int, intents: int = 30, dimensions: int = 24) -> World:
    """Questions sit together, their answer only loosely beside them: what search finds badly and clicks can teach."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(intents, dimensions)))
    chunks, wordings, vectors, answers = [], [], {}, {}
    for i, centre in enumerate(centres):
        words = [f"w{n}" for n in rng.integers(0, 60, size=12)]
        embedding = unit(0.35 * centre + unit(rng.normal(size=dimensions)))
        chunks.append(Chunk(f"c{i:02}", f"d{i:02}", " ".join(words), embedding))
        asked = []
        for n in range(3):
            query = f"q{i} v{n} {rng.choice(words)} " + " ".join(f"w{x}" for x in rng.integers(0, 60, size=3))
            vectors[query] = unit(centre + 0.5 * unit(rng.normal(size=dimensions)))
            answers[query] = f"c{i:02}"
            asked.append(query)
        wordings.append(tuple(asked))
    return World(tuple(chunks), tuple(wordings), vectors, answers)


def log(
    world: World, index: RetrievalIndex, click: Click, sessions: int, seed: int, users: int = 40
) -> list[RetrievalEvent]:
    """Interleaved searches of the logged wordings by users who look at rank k with chance 1/k."""
    rng = np.random.default_rng(seed)
    events = []
    for query in world.logged:
        for _ in range(sessions):
            listed = index.interleave(query, world.vectors[query], 10, rng)
            hits = tuple(
                Hit(
                    s.chunk_id,
                    s.rank,
                    s.score,
                    s.leg,
                    s.propensity,
                    clicked=_clicks(rng, s.rank, click, query, s.chunk_id),
                )
                for s in listed
            )
            user = f"u{rng.integers(users)}"
            events.append(RetrievalEvent(f"e{len(events)}", query, world.vectors[query], "interleave", user, "", hits))
    return events


def _clicks(rng: np.random.Generator, rank: int, click: Click, query: str, chunk_id: str) -> bool:
    return bool(rng.random() < 1 / rank and rng.random() < click(query, chunk_id))
