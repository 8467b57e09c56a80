"""From what is new of the search log to pairs and a candidate configuration.

Belongs here: the order of the steps and what each commits. Does not: what searches teach (learning/retrieval), whether
the candidate goes anywhere (promotion), Dagster (defs).

Signals are folded as the log grows and pairs are mined where it grew; the configuration is learned from all signals,
always from the untuned hybrid: the same log teaches the same, whatever is in force. Nothing that is searched changes
here, so a process may die anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from glow_pipelines.learning.datasets import Split
from glow_pipelines.learning.retrieval import Configuration, RagTrainer, RetrievalIndex, RetrievalTraining
from glow_pipelines.learning.retrieval.expansion import ExpansionLearning
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.reformulations import taught
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.signals import heirs
from glow_pipelines.learning.retrieval.types import RetrievalEvent, Vector
from glow_pipelines.services import Services
from glow_pipelines.steps.knowledge import index_of, query_split
from glow_pipelines.store import Transaction

CONSUMER = "retrieval_training"
"""Whose watermark says up to where pairs were mined, and what is news to the trigger."""
SEED = 7


@dataclass(frozen=True)
class Trained:
    """What the log of an agent teaches. `candidate`: the index under the learned configuration, None where nothing was
    learned; `news`: questions of which something is new since the last training; `visits`: folded in this one; `asked`:
    the questions, the newest last; `leaked`: those kept for tests that something was learned from all the same."""

    training: RetrievalTraining
    expansions: ExpansionLearning
    candidate: RetrievalIndex | None
    signals: int
    visits: int
    news: int
    asked: tuple[str, ...]
    leaked: tuple[str, ...]


class NothingToLearn(Exception):
    """There is nothing to learn from yet, and what is missing."""


def train(services: Services, agent: str) -> Trained:
    """Fold, learn, and write the pairs. Raises NothingToLearn; ProviderError when questions cannot be embedded."""
    if not services.settings.rag_learning_enabled:
        raise NothingToLearn("RAG_LEARNING_ENABLED is false")
    visits, horizon = fold(services, agent)
    with services.store.transaction() as t:
        shares = t.feedback.agent(agent).shares
        index = _untuned(t, services, agent)
        signals = _signals(t, agent, index)
        explored = t.retrieval_signals.explored(agent, horizon)
        again = t.retrieval_sessions.reformulations(agent, horizon)
        corrected = t.retrieval_sessions.corrected_answers(agent, horizon)
    if not len(signals):
        raise NothingToLearn("no search was logged yet, or none of chunks that are searched now")

    def split(query: str) -> Split:
        return query_split(query, shares)

    queries = list(signals.queries)
    vectors: dict[str, Vector] = dict(zip(queries, services.embeddings.embed(queries).astype(float), strict=True))
    trainer = RagTrainer(services.embeddings.embed, SEED)
    again = [pair for pair in again if split(pair.first) == split(pair.then) == "train"]
    signals = signals.joined(SignalTable.of(taught([pair for pair in again if pair.first in vectors], vectors)))
    expansions = trainer.learn_query_expansion(index, signals, vectors, split, again, corrected)
    events, news = _searches(services, agent, horizon, vectors, split)
    training = trainer.train_from_signals(
        index, signals, vectors, split, explored, events, news=news, expansions=expansions.expansions
    )
    with services.store.transaction() as t:
        t.datasets.assign_splits(agent, dict.fromkeys((pair.group for pair in training.mining.pairs), "train"))
        t.retrieval.add_pairs(agent, ((pair, "train") for pair in training.mining.pairs))
        t.operations.set_watermark(CONSUMER, horizon, agent)
    learned = training.tuning.learned
    candidate = index.reconfigured(training.configuration) if learned else None
    taught_by = {row.query for row in training.memory} | {pair.query for pair in training.mining.pairs}
    leaked = tuple(sorted(query for query in taught_by if split(query) != "train"))
    return Trained(training, expansions, candidate, len(signals), visits, len(news), tuple(queries), leaked)


def fold(services: Services, agent: str) -> tuple[int, str]:
    """Take in all that is behind the horizon; returns the visits that had news, and the horizon."""
    with services.store.transaction() as t:
        horizon = t.feedback.horizon()
    visits, done = 0, False
    while not done:
        with services.store.transaction() as t:
            folded = t.retrieval_signals.fold(agent, horizon)
        visits, done = visits + folded.visits, folded.done
    return visits, horizon


def _untuned(t: Transaction, services: Services, agent: str) -> RetrievalIndex:
    """The untuned hybrid over the chunking in force, with the vectors of the model that is served now."""
    current = t.retrieval.in_force(agent)
    if current is None:
        raise NothingToLearn("no document is indexed yet")
    base = Configuration(chunking=current.chunking, model=services.embeddings.name)
    address = t.retrieval_configurations.write(agent, RetrievalIndex([], base), current.configuration)
    return index_of(t, agent, address)


def _signals(t: Transaction, agent: str, index: RetrievalIndex) -> SignalTable:
    """All signals, of chunks that are searched now or passed on to these."""
    table = t.retrieval_signals.table(agent)
    live = [chunk.id for chunk in index.chunks]
    return table.inherited(heirs(t.retrieval_signals.successors(agent), live, table.chunk_ids))


def _searches(
    services: Services, agent: str, horizon: str, vectors: Mapping[str, Vector], split: Callable[[str], Split]
) -> tuple[list[RetrievalEvent], set[str]]:
    """The newest searches of questions of which something is new, and those questions: pairs are mined of them."""
    with services.store.transaction() as t:
        recent = t.retrieval_signals.recent(agent, horizon)
        since = max(recent, t.operations.watermark(CONSUMER, agent), key=int)
        pages = t.retrieval.pages_of_events(agent, since)
        news = {event.query for page in pages for event in page if event.query in vectors}
    if not news:
        return [], news
    group_of = group_queries(list(vectors), vectors)
    touched = {group_of[query] for query in news}
    wanted = [query for query in vectors if group_of[query] in touched and split(query) == "train"]
    with services.store.transaction() as t:
        found = [
            replace(event, query_embedding=vectors[event.query])
            for page in t.retrieval.pages_of_events(agent, recent, queries=wanted)
            for event in page
        ]
    return found, news
