"""Cross-validation over the questions of a train log.

Belongs here: which questions are held out from which memory, and how well all of them fare under a configuration. Does
not belong here: one question (``questions``), the choice (``tuning``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from glow_pipelines.learning.retrieval.adapter import Labelled
from glow_pipelines.learning.retrieval.asking import AddedWords
from glow_pipelines.learning.retrieval.feedback import Posterior
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.memory import QueryMemory
from glow_pipelines.learning.retrieval.questions import Question, ask
from glow_pipelines.learning.retrieval.types import Expansion, MemoryRow, RetrievalParameters, Vector, unit


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a log teaches: the posterior; memory rows with the group of each; per group, a wording and its vector.

    ``explored``: the share of searches whose order chance had a hand in.
    """

    posterior: Posterior
    memory: tuple[MemoryRow, ...]
    groups: tuple[str, ...]
    asked: Mapping[str, tuple[str, Vector]]
    explored: float
    expansions: tuple[Expansion, ...] = ()


class Folds:
    """The held-out questions, each with the memory of the other folds; at most ``sample`` of them."""

    def __init__(
        self, index: RetrievalIndex, lessons: Lessons, rng: np.random.Generator, folds: int, sample: int
    ) -> None:
        self.index, self.lessons = index, lessons
        gains = _gains(lessons.posterior)
        groups = sorted(lessons.asked)
        self.fold = dict(zip(groups, (rng.permutation(len(groups)) % folds).tolist(), strict=True))
        telling = [group for group in groups if len(set(gains.get(group, {}).values())) > 1]
        if len(telling) > sample:
            telling = sorted(rng.choice(telling, sample, replace=False).tolist())
        words = AddedWords(lessons.expansions)
        self.questions: list[Question] = []
        parameters = replace(index.parameters, base_attractiveness=lessons.posterior.base_attractiveness)
        for number in range(folds):
            mine = {group: gains[group] for group in telling if self.fold[group] == number}
            others = [
                row for row, group in zip(lessons.memory, lessons.groups, strict=True) if self.fold[group] != number
            ]
            memory = QueryMemory(others, index.position, parameters)
            self.questions += ask(index, memory, lessons.asked, mine, lambda query: words.of(query, 1.0))

    def fit(self, parameters: RetrievalParameters, adapters: Mapping[int, Vector] | None = None) -> Vector:
        """Discounted gain of every question."""
        return np.array([float(q.fit(self._scores(q, parameters, adapters))) for q in self.questions])

    def ndcg(self, parameters: RetrievalParameters, adapters: Mapping[int, Vector] | None = None) -> float:
        return float(np.mean([q.ndcg(self._scores(q, parameters, adapters)) for q in self.questions]))

    def concordance(self, parameters: RetrievalParameters, adapters: Mapping[int, Vector] | None = None) -> Vector:
        return np.array([q.concordance(self._scores(q, parameters, adapters)) for q in self.questions])

    def grid(self, usual: RetrievalParameters, points: Mapping[float, Sequence[tuple[float, float, float]]]) -> Vector:
        """Discounted gain of each question at each (lexical, memory, prior) of each shift, (questions, points)."""
        rows = []
        for question in self.questions:
            by_shift = []
            for shift, weights in points.items():
                legs = [question.dense(shift, question.vector), question.lexical, question.memory, question.prior]
                table = np.array([(usual.dense_weight, *point) for point in weights])
                by_shift.append(question.fit(table @ np.array(legs)[:, question.judged]))
            rows.append(np.concatenate(by_shift))
        return np.array(rows)

    def labelled(self, without: int | None) -> Labelled:
        """Questions with positives, of all folds but one."""
        position = self.index.position
        positives: dict[str, list[int]] = defaultdict(list)
        for cell in self.lessons.posterior.cells:
            if cell.label == "positive" and cell.chunk_id in position and self.fold.get(cell.group) != without:
                positives[cell.group].append(position[cell.chunk_id])
        known = [group for group in positives if group in self.lessons.asked]
        vectors = np.array([self.lessons.asked[group][1] for group in known])
        return Labelled(vectors, tuple(np.array(positives[group]) for group in known), self.index.vectors)

    def clustering(self) -> float:
        """Whether chunks that answer one question are alike beyond what they share with it: a z value over questions.

        The nearest-neighbour test of the cluster hypothesis (Voorhees 1985) on what is left of vectors without their
        part along the question: mean cosine among positives less that between positives and negatives of the question.
        """
        position, vectors = self.index.position, self.index.vectors
        sides: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"positive": [], "negative": []})
        for cell in self.lessons.posterior.cells:
            if cell.label != "unjudged" and cell.chunk_id in position and cell.group in self.lessons.asked:
                sides[cell.group][cell.label].append(position[cell.chunk_id])
        found = []
        for group, at in sides.items():
            good, bad = at["positive"], at["negative"]
            if len(good) < 2 or not bad:
                continue
            asked = unit(self.lessons.asked[group][1])
            rest = unit(vectors[good + bad] - np.outer(vectors[good + bad] @ asked, asked))
            among = rest[: len(good)] @ rest.T
            n = len(good)
            found.append((among[:, :n].sum() - n) / (n * (n - 1)) - among[:, n:].mean())
        spread = float(np.std(found)) if found else 0.0
        return float(np.mean(found)) / (spread / float(np.sqrt(len(found)))) if spread > 0 else 0.0

    def _scores(
        self, question: Question, parameters: RetrievalParameters, adapters: Mapping[int, Vector] | None
    ) -> Vector:
        adapter = None if not adapters else adapters[self.fold[question.group]]
        found: Vector = question.total(parameters, adapter)[question.judged]
        return found


def _gains(posterior: Posterior) -> dict[str, dict[str, float]]:
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in posterior.cells:
        gains[cell.group][cell.chunk_id] = cell.agreed - posterior.base_attractiveness
    return gains
