"""Triplets for training an embedding model, mined from feedback.

Belongs here: hard negatives and the protection against false ones. Does not belong here: training (another job does it)
or file formats. Negatives are excluded by content, never by id alone: elsewhere 7.5 % of the mined negatives were word
for word their own positive, and the loss raised no error.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.retrieval.feedback import Cell, Posterior
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.text import content_hash, jaccard, shingles
from glow_pipelines.learning.retrieval.types import Hit, NegativeKind, RetrievalEvent, TrainingPair, Vector


@dataclass(frozen=True)
class PairSettings:
    """At most ``per_positive`` negatives; mined ones come from these dense ranks and are ``margin`` less alike."""

    per_positive: int = 4
    range_min: int = 10
    range_max: int = 50
    margin: float = 0.05
    near_duplicate: float = 0.7  # shared three-word shingles
    same_meaning: float = 0.95  # cosine of two chunks
    unclear_from: float = 0.35  # posterior from which a chunk may well be relevant


@dataclass(frozen=True)
class PairMining:
    """``dropped`` counts refused negatives by reason; ``alone`` the positives no negative was found for.

    ``queries``: the query groups that have positives.
    """

    pairs: tuple[TrainingPair, ...]
    dropped: Mapping[str, int]
    positives: int
    alone: int
    queries: int = 0


@dataclass(frozen=True)
class _Candidate:
    chunk_id: str
    kind: NegativeKind
    weight: float


def mine_pairs(
    index: RetrievalIndex,
    events: Sequence[RetrievalEvent],
    posterior: Posterior,
    group_of: Mapping[str, str],
    settings: PairSettings | None = None,
) -> PairMining:
    """Pairs for every wording of every positive cell; ``events`` need query embeddings and must be train events.

    Order of negatives: shown and skipped above a click (weight: the chance it was looked at), found by words but not by
    meaning, mined by dense rank. A pair's weight is the positive's posterior times its negative's weight.
    """
    settings = settings or PairSettings()
    guard = _Guard(index, posterior, settings)
    by_group: dict[str, list[RetrievalEvent]] = defaultdict(list)
    for event in events:
        by_group[group_of[event.query]].append(event)
    dropped: Counter[str] = Counter()
    pairs: list[TrainingPair] = []
    positives = alone = 0
    answered: set[str] = set()
    for cell in posterior.cells:
        if cell.label != "positive" or cell.chunk_id not in index.position:
            continue
        positives += 1
        answered.add(cell.group)
        before = len(pairs)
        sources = set(cell.event_ids)
        wordings = {e.query: e for e in reversed(by_group[cell.group]) if e.id in sources and _liked(e, cell.chunk_id)}
        for event in wordings.values():
            taken: set[str] = set()
            for candidate in _candidates(index, event, by_group[cell.group], cell, settings):
                if len(taken) == settings.per_positive:
                    break
                if candidate.chunk_id in taken:
                    continue
                if reason := guard.refuses(candidate.chunk_id, cell.group):
                    dropped[reason] += 1
                    continue
                taken.add(candidate.chunk_id)
                weight = cell.attractiveness * candidate.weight
                pairs.append(
                    TrainingPair(
                        event.query,
                        cell.chunk_id,
                        candidate.chunk_id,
                        weight,
                        candidate.kind,
                        cell.event_ids,
                        cell.group,
                    )
                )
        alone += len(pairs) == before
    return PairMining(tuple(pairs), dict(sorted(dropped.items())), positives, alone, len(answered))


class _Guard:
    """Refuses negatives that may be right answers of their group."""

    def __init__(self, index: RetrievalIndex, posterior: Posterior, settings: PairSettings) -> None:
        self._index, self._settings = index, settings
        self._positive: dict[str, list[str]] = defaultdict(list)
        self._unclear: set[tuple[str, str]] = set()
        for cell in posterior.cells:
            if cell.label == "positive" and cell.chunk_id in index.position:
                self._positive[cell.group].append(cell.chunk_id)
            elif cell.attractiveness >= max(settings.unclear_from, posterior.base_attractiveness):
                self._unclear.add((cell.group, cell.chunk_id))

    def refuses(self, chunk_id: str, group: str) -> str | None:
        """The reason, or None when the chunk may serve as a negative of this group."""
        if chunk_id not in self._index.position:
            return "chunk is gone"
        if chunk_id in self._positive[group]:
            return "relevant for the group"
        if (group, chunk_id) in self._unclear:
            return "may be relevant"
        mine = self._index.chunks[self._index.position[chunk_id]]
        for other_id in self._positive[group]:
            other = self._index.chunks[self._index.position[other_id]]
            if mine.document_id == other.document_id:
                return "same document"
            if content_hash(mine.text) == content_hash(other.text):
                return "same text"
            if jaccard(shingles(mine.text), shingles(other.text)) >= self._settings.near_duplicate:
                return "near duplicate"
            if mine.embedding is not None and other.embedding is not None:
                vectors, position = self._index.vectors, self._index.position
                if vectors[position[chunk_id]] @ vectors[position[other_id]] >= self._settings.same_meaning:
                    return "near duplicate"
        return None


def _candidates(
    index: RetrievalIndex, event: RetrievalEvent, group: Sequence[RetrievalEvent], cell: Cell, settings: PairSettings
) -> Iterator[_Candidate]:
    for chunk_id, looked in sorted(_skipped(group, cell.chunk_id).items(), key=lambda kv: (-kv[1], kv[0])):
        yield _Candidate(chunk_id, "skipped", looked)
    vector = event.query_embedding
    top = settings.range_min
    by_meaning: set[str] = set()
    if vector is not None:
        by_meaning = {s.chunk_id for s in index.search_leg("dense", event.query, vector, top)}
    for scored in index.search_leg("lexical", event.query, vector, top):
        if scored.chunk_id not in by_meaning:
            yield _Candidate(scored.chunk_id, "lexical", 1.0)
    if vector is not None:
        yield from (_Candidate(chunk_id, "mined", 1.0) for chunk_id in _mined(index, vector, cell.chunk_id, settings))


def _skipped(group: Sequence[RetrievalEvent], positive: str) -> dict[str, float]:
    """Chunks a user passed over on the way down to the positive, with the mean chance that they were looked at."""
    looked: dict[str, list[float]] = defaultdict(list)
    for event in group:
        rank = next((h.rank for h in event.hits if h.chunk_id == positive and _liked_hit(h)), 0)
        for hit in event.hits:
            if hit.shown and hit.rank < rank and not _liked_hit(hit) and not hit.cited:
                looked[hit.chunk_id].append(1.0 if hit.explicit < 0 else hit.propensity)
    return {chunk_id: float(np.mean(chances)) for chunk_id, chances in looked.items()}


def _mined(index: RetrievalIndex, query_embedding: Vector, positive: str, settings: PairSettings) -> list[str]:
    cosine = index.cosines(query_embedding)
    limit = cosine[index.position[positive]] * (1 - settings.margin)
    order = np.argsort(-cosine, kind="stable")[settings.range_min : settings.range_max]
    return [index.chunks[i].id for i in order if 0 < cosine[i] <= limit]


def _liked(event: RetrievalEvent, chunk_id: str) -> bool:
    return any(hit.chunk_id == chunk_id and _liked_hit(hit) for hit in event.hits)


def _liked_hit(hit: Hit) -> bool:
    return hit.explicit > 0 or (hit.explicit == 0 and (hit.clicked or hit.kept))
