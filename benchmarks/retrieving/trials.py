"""One collection ready to be searched, cut into folds, and what is known when a fold is tested.

Belongs here: the split by sha256 of the question, the questions of a trial, its log. Does not: methods (methods.py),
figures (measuring.py). The test questions of a fold never reach a log: `Trial.events` come from train questions only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from benchmarks.retrieving.clicks import HONEST, Asked, Clicks, simulate
from benchmarks.retrieving.collections import Collection
from benchmarks.retrieving.measuring import grades_of
from benchmarks.retrieving.vectors import Embedder, reworded
from glow_pipelines.learning.retrieval import Chunk, Judgement, RetrievalEvent, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.types import Vector

FOLDS = 5
CLEAN = 0.8  # a test question nearer than this to a train question is no unseen question


class Searchable:
    """A collection with its vectors: every document one chunk, every question in the order of the file."""

    def __init__(self, collection: Collection, embed: Embedder) -> None:
        self.collection, self.embed = collection, embed
        vectors = embed([document.text for document in collection.documents])
        self.chunks = [
            Chunk(document.id, document.id, document.text, vector if vector.any() else None)
            for document, vector in zip(collection.documents, vectors, strict=True)
        ]
        self.index = RetrievalIndex(self.chunks, RetrievalParameters())
        self.position = self.index.position
        self.vectors = np.array(
            [np.zeros(vectors.shape[1]) if c.embedding is None else c.embedding for c in self.index.chunks]
        )
        self.ids = [question.id for question in collection.questions]
        self.texts = [question.text for question in collection.questions]
        self.asked = self.questions(self.texts)
        self.grades = grades_of(self.ids, self.position, collection.grades)
        self.fold = np.array([int(sha256(text.encode()).hexdigest()[:8], 16) % FOLDS for text in self.texts])

    def questions(self, texts: Sequence[str]) -> list[Asked]:
        """Wordings of the collection's questions, in their order, with what is relevant to them."""
        rows = zip(self.ids, texts, self.embed(texts), strict=True)
        return [Asked(t, v, frozenset(d for d, g in self.collection.grades[q].items() if g > 0)) for q, t, v in rows]

    def rewordings(self, seed: int) -> list[Asked]:
        """Every question with 35 % of its words lost."""
        rng = np.random.default_rng([seed, 35])
        return self.questions([reworded(text, rng) for text in self.texts])

    @cached_property
    def nearest_train(self) -> Vector:
        """Cosine of every question to the nearest question of the other folds, shape (questions,)."""
        vectors = np.array([question.vector for question in self.asked])
        cosine = vectors @ vectors.T
        cosine[self.fold[:, None] == self.fold[None, :]] = -1.0
        nearest: Vector = cosine.max(axis=1)
        return nearest


@dataclass(frozen=True)
class Trial:
    """What is known for one fold of one seed: the log of its train questions. `test`, `train`: rows of questions."""

    place: Searchable
    seed: int
    number: int
    test: np.ndarray
    train: np.ndarray
    events: list[RetrievalEvent]

    @property
    def judgements(self) -> list[Judgement]:
        """Expert judgements of the test questions, as a held-out set of the product would hold them."""
        place = self.place
        return [
            Judgement(place.texts[row], document, grade)
            for row in self.test
            for document, grade in place.collection.grades[place.ids[row]].items()
        ]


def trial(
    place: Searchable, seed: int, number: int, logging: str = "interleave", sessions: int = 10, clicks: Clicks = HONEST
) -> Trial:
    """Fold `number` of `seed`: its log is simulated on the untuned hybrid's index."""
    test, train = np.flatnonzero(place.fold == number), np.flatnonzero(place.fold != number)
    rng = np.random.default_rng([seed, number])
    events = simulate(place.index, [place.asked[row] for row in train], logging, sessions, rng, clicks)
    return Trial(place, seed, number, test, train, events)
