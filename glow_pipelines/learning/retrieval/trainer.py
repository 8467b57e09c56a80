"""The retrieval trainer: from a log of searches to a configuration worth testing.

Belongs here: the order of the steps and the face a notebook or an asset calls. Does not belong here: the steps
themselves (their modules), storage, and serving.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval import analysis, evaluation
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery
from glow_pipelines.learning.retrieval.feedback import FeedbackSettings, Posterior, relevance_posterior
from glow_pipelines.learning.retrieval.gate import RetrievalGate, gate
from glow_pipelines.learning.retrieval.groups import SAME_QUESTION, group_queries
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.pairs import PairMining, PairSettings, mine_pairs
from glow_pipelines.learning.retrieval.tuning import Tuning, TuningGrid, tune
from glow_pipelines.learning.retrieval.types import (
    Chunk,
    Judgement,
    MemoryRow,
    RetrievalEvent,
    RetrievalMetrics,
    RetrievalParameters,
    Split,
    Vector,
    unit,
)

Embed = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class TrainerSettings:
    """Everything that changes what is learned; part of a configuration's evidence."""

    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    grid: TuningGrid = field(default_factory=TuningGrid)
    pairs: PairSettings = field(default_factory=PairSettings)
    same_question: float = SAME_QUESTION


@dataclass(frozen=True)
class RetrievalTraining:
    """A candidate: parameters and memory, the pairs, and where they come from.

    ``events`` counts the train events used; ``labels`` the cells by label. Pairs of groups that reach into another
    split are left out and counted in ``dropped["group crosses splits"]``.
    """

    parameters: RetrievalParameters
    memory: tuple[MemoryRow, ...]
    mining: PairMining
    tuning: Tuning
    events: int
    queries: int
    groups: int
    labels: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Summary for metadata: the rows of memory and pairs are counted, not listed (each has its own ``to_json``)."""
        return {
            "parameters": self.parameters.to_json(),
            "parameters_sha256": self.parameters.sha256,
            "memory_rows": len(self.memory),
            "pairs": len(self.mining.pairs),
            "pairs_by_kind": dict(sorted(Counter(pair.negative_kind for pair in self.mining.pairs).items())),
            "positives": self.mining.positives,
            "positives_alone": self.mining.alone,
            "dropped": dict(self.mining.dropped),
            "tuning": self.tuning.to_json(),
            "events": self.events,
            "queries": self.queries,
            "groups": self.groups,
            "labels": dict(self.labels),
        }


class RagTrainer:
    """Learns retrieval from feedback. ``embed``: texts to vectors, shape (texts, dimensions). Repeatable by seed."""

    def __init__(self, embed: Embed, seed: int, settings: TrainerSettings | None = None) -> None:
        self._embed, self._seed = embed, seed
        self.settings = settings or TrainerSettings()

    def train_from_feedback(
        self,
        chunks: Sequence[Chunk],
        events: Sequence[RetrievalEvent],
        current: RetrievalParameters,
        split_of: Callable[[str], Split],
    ) -> RetrievalTraining:
        """A candidate from the events whose query text ``split_of`` puts in train; all others teach nothing.

        Without a single liked chunk in train the candidate is ``current`` with an empty memory.
        """
        events = self._with_embeddings(events)
        vectors = {event.query: _vector(event) for event in events}
        group_of = group_queries([event.query for event in events], vectors, self.settings.same_question)
        split = {query: split_of(query) for query in vectors}
        train = [event for event in events if split[event.query] == "train"]

        def learn(part: Sequence[RetrievalEvent]) -> tuple[Posterior, list[MemoryRow]]:
            posterior = relevance_posterior(part, group_of, self.settings.feedback)
            return posterior, _memory(part, group_of, posterior)

        posterior, memory = learn(train)
        index = RetrievalIndex(chunks, current)
        if posterior.base_attractiveness == 0:
            memory, tuning = [], Tuning(current, 0, None, None, "nobody liked any chunk in the train log")
        else:
            tuning = tune(index, train, group_of, learn, np.random.default_rng(self._seed), self.settings.grid)
        parameters = replace(tuning.parameters, base_attractiveness=posterior.base_attractiveness)
        return RetrievalTraining(
            parameters=parameters,
            memory=tuple(memory),
            mining=self._pairs(index, train, posterior, group_of, split),
            tuning=replace(tuning, parameters=parameters),
            events=len(train),
            queries=len({event.query for event in train}),
            groups=len({group_of[event.query] for event in train}),
            labels=dict(sorted(Counter(cell.label for cell in posterior.cells).items())),
        )

    def evaluate(
        self, index: RetrievalIndex, judgements: Sequence[Judgement], *, condensed: bool = False
    ) -> RetrievalMetrics:
        """Quality of a configuration on judged queries. Raises ValueError when none has a relevant chunk.

        ``condensed``: judge only the judged chunks. Right for labels read from a log; wrong for complete judgements
        that list only what is relevant, where it makes every ranking perfect.
        """
        queries = self.judged(judgements, condensed=condensed)
        scores = evaluation.measure(index, queries, condensed=condensed)
        rng = np.random.default_rng(self._seed)
        return evaluation.summarize(scores, [query.group for query in queries], rng, condensed=condensed)

    def gate(
        self,
        current: RetrievalIndex,
        candidate: RetrievalIndex,
        judgements: Sequence[Judgement],
        rng: np.random.Generator,
        *,
        condensed: bool = False,
        slice_of: Callable[[str], str] | None = None,
        look: int = 1,
    ) -> RetrievalGate:
        """Verdict on held-out judgements; see ``gate.gate``."""
        return gate(
            current,
            candidate,
            self.judged(judgements, condensed=condensed),
            rng,
            condensed=condensed,
            slice_of=slice_of,
            look=look,
        )

    def analyze_retrieval_performance(
        self,
        index: RetrievalIndex,
        events: Sequence[RetrievalEvent],
        judgements: Sequence[Judgement] = (),
        *,
        condensed: bool = False,
    ) -> analysis.RetrievalReport:
        """What the log shows, with the quality on ``judgements`` beside it when some of them are relevant."""
        known = any(judgement.grade > 0 for judgement in judgements)
        quality = self.evaluate(index, judgements, condensed=condensed) if known else None
        return analysis.describe(events, [chunk.id for chunk in index.chunks], quality)

    def judged(self, judgements: Sequence[Judgement], *, condensed: bool = False) -> list[JudgedQuery]:
        """Judgements by query, embedded and grouped; see ``evaluation.judged_queries`` for what is left out."""
        queries = list(dict.fromkeys(judgement.query for judgement in judgements))
        embeddings = dict(zip(queries, self._vectors(queries), strict=True))
        return evaluation.judged_queries(judgements, embeddings, condensed=condensed)

    def _vectors(self, texts: Sequence[str]) -> Vector:
        return unit(self._embed(texts)) if texts else np.zeros((0, 0))

    def _with_embeddings(self, events: Sequence[RetrievalEvent]) -> list[RetrievalEvent]:
        missing = list(dict.fromkeys(event.query for event in events if event.query_embedding is None))
        vector = dict(zip(missing, self._vectors(missing), strict=True))
        return [e if e.query_embedding is not None else replace(e, query_embedding=vector[e.query]) for e in events]

    def _pairs(
        self,
        index: RetrievalIndex,
        train: Sequence[RetrievalEvent],
        posterior: Posterior,
        group_of: Mapping[str, str],
        split: Mapping[str, Split],
    ) -> PairMining:
        crossing = {group_of[query] for query, where in split.items() if where != "train"}
        inside = tuple(cell for cell in posterior.cells if cell.group not in crossing)
        mining = mine_pairs(index, train, replace(posterior, cells=inside), group_of, self.settings.pairs)
        lost = sum(cell.label == "positive" and cell.group in crossing for cell in posterior.cells)
        return replace(mining, dropped={**mining.dropped, "group crosses splits": lost}) if lost else mining


def _memory(events: Sequence[RetrievalEvent], group_of: Mapping[str, str], posterior: Posterior) -> list[MemoryRow]:
    """One row per cell, under the group's first wording and the mean vector of its wordings."""
    wordings: dict[str, dict[str, Vector]] = defaultdict(dict)
    for event in events:
        wordings[group_of[event.query]].setdefault(event.query, _vector(event))
    centre = {group: unit(unit(list(by_query.values())).mean(axis=0)) for group, by_query in wordings.items()}
    return [
        MemoryRow(
            next(iter(wordings[cell.group])),
            centre[cell.group],
            cell.chunk_id,
            cell.attractiveness,
            cell.effective_examinations,
            cell.event_ids,
        )
        for cell in posterior.cells
    ]


def _vector(event: RetrievalEvent) -> Vector:
    if event.query_embedding is None:
        raise ValueError(f"retrieval event {event.id!r} has no query embedding; embed the query first")
    return event.query_embedding
