"""Chunks, retrieval events, embeddings, gates and what is in force.

Belongs here: reading and writing them, moving the retrieval alias by compare-and-swap. Does not: search and learning
(learning/retrieval), what a configuration is made of (retrieval_configurations), making embeddings (providers).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.types import (
    Chunk,
    Hit,
    RetrievalEvent,
    RetrievalParameters,
    TrainingPair,
)
from glow_pipelines.store.noun import Noun, Row, json
from glow_pipelines.store.operations import EVERYTHING
from glow_pipelines.store.prompts import AliasMoved, refusals
from glow_pipelines.store.retrieval_configurations import literal_of, vector_of
from glow_pipelines.store.retrieval_index import RetrievalIndexes

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class RetrievalInForce:
    """The configuration behind an alias."""

    configuration: str
    parameters: RetrievalParameters
    revision: int
    chunking: str
    model: str


def text_hash(text: str) -> str:
    """The address of a text in the embedding cache."""
    return sha256(text.encode()).hexdigest()


class Retrieval(Noun):
    queries = "retrieval"

    def chunks(self, agent: str, configuration: str | None = None) -> list[Chunk]:
        """The chunks that a configuration, or the one in force, is searched with."""
        return RetrievalIndexes(self._connection).chunks(agent, configuration)

    def cached_embeddings(self, model: str, hashes: Sequence[str]) -> dict[str, Vector]:
        rows = self._rows("cached_embeddings", model=model, hashes=list(hashes))
        return {row["content_hash"]: vector_of(row["embedding"]) for row in rows}

    def cache_embeddings(self, model: str, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """`embeddings` is text hash -> vector."""
        self._run_many(
            "insert_embedding",
            (
                {"model": model, "content_hash": key, "embedding": literal_of(vector)}
                for key, vector in embeddings.items()
            ),
        )

    def events(self, agent: str, since: str = EVERYTHING) -> list[RetrievalEvent]:
        """Searches with news from a watermark on, with their hits; embeddings are left to the caller."""
        return [event for page in self.pages_of_events(agent, since) for event in page]

    def pages_of_events(
        self, agent: str, since: str = EVERYTHING, queries: Collection[str] | None = None, most: int = 2000
    ) -> Iterator[list[RetrievalEvent]]:
        """The same by up to `most`, with `queries` of these alone: for what does not belong into memory at once."""
        wanted = None if queries is None else list(queries)
        for rows in self._stream("retrieval_events", most, agent=agent, since=since, queries=wanted):
            yield [
                RetrievalEvent(
                    id=id,
                    query=query,
                    query_embedding=None,
                    policy=policy,
                    user_id=person,
                    conversation_id=conversation or id,
                    hits=tuple(Hit(*hit) for hit in hits),
                    day=day,
                    configuration=configuration,
                )
                for id, query, policy, person, conversation, day, configuration, hits in rows
            ]

    def search_arrivals(self, watermarks: Mapping[str, str], horizon: str, threshold: int) -> list[str]:
        """Agents with at least `threshold` new searches since their watermark (agent -> xid)."""
        rows = self._rows("search_arrivals", watermarks=json(dict(watermarks)), horizon=horizon, threshold=threshold)
        return [row["agent"] for row in rows]

    def in_force(self, agent: str) -> RetrievalInForce | None:
        row = self._row("configuration_in_force", agent=agent, alias="production")
        if row is None:
            return None
        return RetrievalInForce(
            row["configuration"],
            RetrievalParameters.from_json(row["parameters"]),
            row["revision"],
            row["chunking"],
            row["model"],
        )

    def move_alias(
        self,
        agent: str,
        configuration: str,
        moved_by: str,
        reason: str,
        gate_id: str | None = None,
        experiment_id: str | None = None,
        expected: int | None = None,
    ) -> bool:
        """Put a configuration in force; False when it is already. What was stays as `previous`.

        `expected`: the revision the caller decided by (0: none in force); None reads it now. Raises AliasMoved when it
        is another by the time of writing, MoveRefused for an unknown configuration or one whose index is not ready.
        """
        with refusals():
            row = self._row(
                "move_retrieval_alias",
                agent=agent,
                configuration=configuration,
                moved_by=moved_by,
                reason=reason,
                gate_id=gate_id,
                experiment_id=experiment_id,
                expected=expected,
            )
        assert row is not None
        if row["revision"] is None:
            raise AliasMoved(f"retrieval of {agent} is not at revision {expected} any more: somebody else moved it")
        return bool(row["revision"])

    def rollback(self, agent: str, moved_by: str, reason: str, target: str | None = None) -> Row:
        """Put the previous configuration in force again, or `target`, which must have been in force.

        Returns configuration, rolled_back, revision. Raises MoveRefused when there is none, its index is gone, or an
        experiment runs on retrieval.
        """
        with refusals():
            row = self._row("rollback_retrieval", agent=agent, moved_by=moved_by, reason=reason, target=target)
        assert row is not None
        receipt: Row = row["receipt"]
        return receipt

    def history(self, agent: str, most: int = 100) -> list[Row]:
        """The moves of an agent's retrieval aliases, the newest first."""
        return self._rows("retrieval_history", agent=agent, most=most)

    def record_gate(
        self,
        gate_id: str,
        agent: str,
        incumbent: str,
        candidate: str,
        verdict: str,
        evidence: Mapping[str, object],
    ) -> None:
        self._run(
            "insert_retrieval_gate",
            gate_id=gate_id,
            agent=agent,
            incumbent=incumbent,
            candidate=candidate,
            verdict=verdict,
            evidence=json(evidence),
        )

    def gate(self, gate_id: str) -> Row | None:
        return self._row("retrieval_gate", gate_id=gate_id)

    def looks(self, agent: str) -> int:
        """How many gates the agent has had."""
        row = self._row("retrieval_looks", agent=agent)
        assert row is not None
        return int(row["looks"])

    def since_last_gate(self, agent: str, chunking: str, model: str) -> timedelta | None:
        """How long ago a candidate of this chunking and model met its gate; None if none ever did."""
        row = self._row("last_judged", agent=agent, chunking=chunking, model=model)
        assert row is not None
        return None if row["at"] is None else row["now"] - row["at"]

    def ungated(self, agent: str) -> Row | None:
        """The configuration in force, if neither a gate nor an engineer's experiment allowed it."""
        return self._row("ungated_configuration", agent=agent)

    def latest_gate(self, agent: str) -> Row | None:
        return self._row("latest_retrieval_gate", agent=agent)

    def add_pairs(self, agent: str, pairs: Iterable[tuple[TrainingPair, str]]) -> None:
        """Pairs with the split of their query group."""
        self._run_many("insert_pair", (_pair(agent, pair, split) for pair, split in pairs))

    def pair_counts(self, agent: str) -> list[Row]:
        return self._rows("pair_counts", agent=agent)


def _pair(agent: str, pair: TrainingPair, split: str) -> dict[str, object]:
    identity = "\x1f".join((agent, pair.query, pair.positive_chunk_id, pair.negative_chunk_id))
    return {
        "pair_id": text_hash(identity),
        "agent": agent,
        "query": pair.query,
        "positive_chunk_id": pair.positive_chunk_id,
        "negative_chunk_id": pair.negative_chunk_id,
        "weight": pair.weight,
        "negative_kind": pair.negative_kind,
        "event_ids": list(pair.event_ids),
        "group_key": pair.group,
        "split": split,
    }
