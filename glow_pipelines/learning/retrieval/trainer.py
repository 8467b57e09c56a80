"""The retrieval trainer: from a log of searches to a configuration worth testing.

Belongs here: the order of the steps and the face a notebook or an asset calls. Does not belong here: the steps
themselves (their modules), storage, and serving.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval import analysis, evaluation
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery
from glow_pipelines.learning.retrieval.expansion import ExpansionLearning, learn_from_signals
from glow_pipelines.learning.retrieval.feedback import Cell, FeedbackSettings, Posterior, relevance_posterior
from glow_pipelines.learning.retrieval.folds import Lessons
from glow_pipelines.learning.retrieval.gate import RetrievalGate, SliceOf, gate
from glow_pipelines.learning.retrieval.groups import SAME_QUESTION, group_queries
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.pairs import PairMining, PairSettings, mine_pairs
from glow_pipelines.learning.retrieval.rechunking import ChunkingProposal, ChunkingSettings, Document, optimize_chunking
from glow_pipelines.learning.retrieval.reformulations import CorrectedAnswer, Reformulation
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.signals import Said, signals_of
from glow_pipelines.learning.retrieval.span_metrics import Span
from glow_pipelines.learning.retrieval.tuning import COMPONENTS, Tuning, TuningGrid, tune
from glow_pipelines.learning.retrieval.types import (
    Chunk,
    Configuration,
    Expansion,
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
    """Everything that changes what is learned; part of a configuration's evidence.

    ``memory_rows``: the most chunks remembered of one question, ``memory_excess``: the least distance from the base
    rate that is worth a row, ``most_memory``: the most rows of all, those farthest from it. A million searches would
    else leave a million rows, each with a vector.
    """

    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    grid: TuningGrid = field(default_factory=TuningGrid)
    pairs: PairSettings = field(default_factory=PairSettings)
    same_question: float = SAME_QUESTION
    components: frozenset[str] = COMPONENTS
    memory_rows: int = 20
    memory_excess: float = 0.02
    most_memory: int = 50_000

    def __post_init__(self) -> None:
        if unknown := sorted(self.components - COMPONENTS):
            raise ValueError(f"components: there is no {unknown[0]!r}; give some of {', '.join(sorted(COMPONENTS))}")


@dataclass(frozen=True)
class RetrievalTraining:
    """A candidate configuration, the pairs, and where they come from.

    ``events`` counts the train searches used; ``labels`` the cells by label. Pairs of groups that reach into another
    split are left out and counted in ``dropped["group crosses splits"]``.
    """

    configuration: Configuration
    posterior: Posterior
    mining: PairMining
    tuning: Tuning
    events: int
    queries: int
    groups: int
    labels: Mapping[str, int]

    @property
    def parameters(self) -> RetrievalParameters:
        return self.configuration.parameters

    @property
    def memory(self) -> tuple[MemoryRow, ...]:
        return self.configuration.memory

    def to_json(self) -> dict[str, Any]:
        """Summary for metadata: the rows of memory and pairs are counted, not listed (each has its own ``to_json``)."""
        return {
            "parameters": self.parameters.to_json(),
            "configuration": self.configuration.sha256,
            "agreement": self.posterior.agreement,
            "memory_rows": len(self.memory),
            "pairs": len(self.mining.pairs),
            "pairs_by_kind": dict(sorted(Counter(pair.negative_kind for pair in self.mining.pairs).items())),
            "positives": self.mining.positives,
            "positives_per_query": self.mining.positives / self.mining.queries if self.mining.queries else 0.0,
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
        current: Configuration | RetrievalParameters,
        split_of: Callable[[str], Split],
        *,
        said: Mapping[str, Said] | None = None,
        expansions: Sequence[Expansion] = (),
    ) -> RetrievalTraining:
        """A candidate from the events whose query text ``split_of`` puts in train; all others teach nothing.

        ``said`` is what became of the answers, by event id. Where the train log teaches nothing (nobody liked a chunk,
        or people agree on nothing) the candidate is ``current``, with its memory.
        """
        events = self._with_embeddings(events)
        vectors = {event.query: _vector(event) for event in events}
        split = {query: split_of(query) for query in vectors}
        train = [event for event in events if split[event.query] == "train"]
        signals = SignalTable.of(signals_of(train, said))
        index = RetrievalIndex(chunks, current)
        return self.train_from_signals(
            index, signals, vectors, split.__getitem__, explored_share(train), train, expansions=expansions
        )

    def train_from_signals(
        self,
        index: RetrievalIndex,
        signals: SignalTable,
        vectors: Mapping[str, Vector],
        split_of: Callable[[str], Split],
        explored: float,
        events: Sequence[RetrievalEvent] = (),
        *,
        as_of: float | None = None,
        news: Collection[str] | None = None,
        expansions: Sequence[Expansion] = (),
    ) -> RetrievalTraining:
        """The same from signals already folded, on an index with the current configuration.

        ``vectors`` by query text, in the order in which the log grew, of all splits: groups that reach into another
        split give no pairs. ``explored``: the share of searches whose order chance had a hand in. Pairs are mined from
        ``events`` (train only, with embeddings), of those groups only that have a query in ``news``, if given.
        """
        group_of = group_queries(list(vectors), vectors, self.settings.same_question)
        signals = signals.asking(lambda query: query in group_of and split_of(query) == "train")
        posterior = relevance_posterior(signals, group_of, self.settings.feedback, as_of)
        known = {signals.queries[at] for at in np.unique(signals.query)}
        asked = [query for query in vectors if query in known]
        lessons = self._lessons(asked, vectors, group_of, posterior, explored, tuple(expansions))
        tuning = tune(index, lessons, np.random.default_rng(self._seed), self.settings.grid, self.settings.components)
        mining = self._pairs(index, events, posterior, group_of, split_of, news)
        return RetrievalTraining(
            configuration=_candidate(index.configuration, tuning, lessons),
            posterior=posterior,
            mining=mining,
            tuning=tuning,
            events=len({event_id for cell in posterior.cells for event_id in cell.event_ids}),
            queries=len(asked),
            groups=len({group_of[query] for query in asked}),
            labels=dict(sorted(Counter(cell.label for cell in posterior.cells).items())),
        )

    def learn_query_expansion(
        self,
        index: RetrievalIndex,
        signals: SignalTable,
        vectors: Mapping[str, Vector],
        split_of: Callable[[str], Split],
        reformulations: Sequence[Reformulation],
        corrections: Sequence[CorrectedAnswer] = (),
        *,
        as_of: float | None = None,
    ) -> ExpansionLearning:
        """Words to search beside those of a question, from second tries and corrected answers; see ``expansion``.

        ``signals``, ``vectors``, ``split_of`` as for ``train_from_signals``, which takes the rules as ``expansions``.
        """
        group_of = group_queries(list(vectors), vectors, self.settings.same_question)
        train = signals.asking(lambda query: query in group_of and split_of(query) == "train")
        posterior = relevance_posterior(train, group_of, self.settings.feedback, as_of)
        rng = np.random.default_rng(self._seed)
        return learn_from_signals(index, posterior, vectors, group_of, split_of, reformulations, corrections, rng)

    def optimize_chunking(
        self,
        documents: Sequence[Document],
        chunks: Mapping[str, Span],
        spans: Sequence[CitedSpan],
        split_of: Callable[[str], Split],
        *,
        cited_together: Iterable[frozenset[str]] = (),
        censored: bool = True,
        settings: ChunkingSettings | None = None,
    ) -> ChunkingProposal:
        """Whether to cut documents where citations begin and end; see ``rechunking``. Test questions take no part."""
        told = [span for span in spans if split_of(span.query) != "test"]
        queries = sorted({span.query for span in told})
        vectors = dict(zip(queries, self._vectors(queries), strict=True))
        group_of = group_queries(queries, vectors, self.settings.same_question) if queries else {}
        rng = np.random.default_rng(self._seed)
        return optimize_chunking(
            documents,
            chunks,
            told,
            group_of,
            rng,
            cited_together=cited_together,
            settings=settings,
            censored=censored,
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
        slice_of: SliceOf | None = None,
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

    def _lessons(
        self,
        asked: Sequence[str],
        vectors: Mapping[str, Vector],
        group_of: Mapping[str, str],
        posterior: Posterior,
        explored: float,
        expansions: tuple[Expansion, ...],
    ) -> Lessons:
        """One memory row per telling cell, under its group's first wording and the mean vector of its wordings."""
        wordings: dict[str, list[str]] = defaultdict(list)
        for query in asked:
            wordings[group_of[query]].append(query)
        centre = {
            group: unit(unit(np.array([vectors[query] for query in texts])).mean(axis=0))
            for group, texts in wordings.items()
        }
        base = posterior.base_attractiveness
        by_group: dict[str, list[Cell]] = defaultdict(list)
        for cell in posterior.cells:
            if abs(cell.agreed - base) >= self.settings.memory_excess:
                by_group[cell.group].append(cell)
        rows, groups = [], []
        for group, cells in by_group.items():
            telling = sorted(cells, key=lambda cell: (-abs(cell.agreed - base), cell.chunk_id))
            for cell in sorted(telling[: self.settings.memory_rows], key=lambda cell: cell.chunk_id):
                row = (cell.chunk_id, cell.agreed, cell.effective_examinations, cell.event_ids)
                rows.append(MemoryRow(wordings[group][0], centre[group], *row))
                groups.append(group)
        if len(rows) > self.settings.most_memory:
            excess = np.array([abs(row.attractiveness - base) for row in rows])
            best = np.sort(np.argsort(-excess, kind="stable")[: self.settings.most_memory])
            rows, groups = [rows[at] for at in best], [groups[at] for at in best]
        questions = {group: (texts[0], np.asarray(vectors[texts[0]])) for group, texts in wordings.items()}
        return Lessons(posterior, tuple(rows), tuple(groups), questions, explored, expansions)

    def _pairs(
        self,
        index: RetrievalIndex,
        events: Sequence[RetrievalEvent],
        posterior: Posterior,
        group_of: Mapping[str, str],
        split_of: Callable[[str], Split],
        news: Collection[str] | None,
    ) -> PairMining:
        crossing = {group for query, group in group_of.items() if split_of(query) != "train"}
        fresh = None if news is None else {group_of[query] for query in news if query in group_of}
        cells = tuple(cell for cell in posterior.cells if fresh is None or cell.group in fresh)
        inside = tuple(cell for cell in cells if cell.group not in crossing)
        mining = mine_pairs(index, events, replace(posterior, cells=inside), group_of, self.settings.pairs)
        lost = sum(cell.label == "positive" and cell.group in crossing for cell in cells)
        return replace(mining, dropped={**mining.dropped, "group crosses splits": lost}) if lost else mining


def explored_share(events: Sequence[RetrievalEvent]) -> float:
    """The share of searches whose order chance had a hand in: what ``train_from_signals`` asks for."""
    return sum(event.policy != "production" for event in events) / len(events) if events else 0.0


def _candidate(current: Configuration, tuning: Tuning, lessons: Lessons) -> Configuration:
    if not tuning.learned:
        return current
    expansions = lessons.expansions if tuning.parameters.expansion_weight > 0 else ()
    return replace(
        current,
        parameters=tuning.parameters,
        memory=lessons.memory,
        adapter=tuning.adapter,
        expansions=expansions,
    )


def _vector(event: RetrievalEvent) -> Vector:
    if event.query_embedding is None:
        raise ValueError(f"retrieval event {event.id!r} has no query embedding; embed the query first")
    return event.query_embedding
