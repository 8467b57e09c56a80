"""From searches, and what was said of their answers, to signals: what one person said by deed of one chunk.

Belongs here: the grade of a deed, one signal per person, question, chunk and day, and carrying signals over to chunks
that took another's place. Does not belong here: what signals are worth together (``feedback``), where searches come
from. ``store/retrieval_signals`` computes the same in SQL, of what is new only; a test holds the two together.

A hit's deed as (credit, looks), by the strongest there is; θ is the chance of a look, as logged when it was shown:
    judged by an expert, or by the person      (1 if liked else 0, 1)
    cited in an answer that experts approved   (1, 1)
    cited, the answer blamed for its sources   (0, min(1, θ + 1/n)),    n = cited chunks of the search
    cited in an answer the person liked        (min(1, c + 1/n), min(1, θ + 1/n))
    else                                       (c, θ),   c = 1 if clicked or kept, .5 if cited, 0 if only shown
A thumb on an answer is one piece of evidence for all it cites: 1/n each. An answer that was disliked for another reason
says nothing of its chunks: a good source can be answered from badly.

A visit is all that a person searched with one question on one day (UTC). Its signal of a chunk is the newest judgement
of the highest rank, else the mean over the lists that showed it: whoever asks a hundred times a day says it once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal

from glow_pipelines.learning.retrieval.interleaving import EXAMINATION_FLOOR
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, Signal

CITED_CREDIT = 0.5
"""A citation nobody kept or clicked: the model vouches for it, no person does."""
HALF_LIFE = 90.0
"""Days in which a signal loses half of its weight."""
SAME_CHUNK = 0.9
"""Jaccard similarity from which a chunk's successor says the same."""
HOLDS_SPAN = 0.8
"""Share of what was cited that a successor must hold to be cited in its place."""

Vote = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of the answer a search led to: the person's own current vote, and the experts' verdict."""

    vote: Vote = 0
    blames_sources: bool = False
    approved: bool = False


UNSAID = Said()


def signals_of(events: Iterable[RetrievalEvent], said: Mapping[str, Said] | None = None) -> list[Signal]:
    """The signals of a log, ordered by query, person, day and chunk. ``said`` is by event id.

    ``Signal.day`` is a whole day, on the scale of ``RetrievalEvent.day``; ``explicit`` is 2 or -2 where an expert
    judged the chunk, 1 or -1 where the person did, else 0; ``event_ids`` are the searches of the visit.
    """
    said = said or {}
    visits: dict[tuple[str, str, int], list[RetrievalEvent]] = defaultdict(list)
    for event in events:
        visits[event.query, event.user_id, floor(event.day)].append(event)
    return [signal for key in sorted(visits) for signal in _visit(*key, visits[key], said)]


def _visit(
    query: str, person: str, day: int, events: Sequence[RetrievalEvent], said: Mapping[str, Said]
) -> list[Signal]:
    graded: dict[str, list[tuple[float, float]]] = defaultdict(list)
    judged: dict[str, tuple[tuple[bool, float, str], int]] = {}
    for event in events:
        cited = sum(hit.cited for hit in event.hits)
        for hit in event.hits:
            if not (hit.shown or hit.cited or hit.clicked or hit.kept or hit.explicit):
                continue
            graded[hit.chunk_id].append(grade(hit, said.get(event.id, UNSAID), cited))
            word = ((hit.expert, event.day, event.id), hit.explicit)
            if hit.explicit and (hit.chunk_id not in judged or word > judged[hit.chunk_id]):
                judged[hit.chunk_id] = word
    ids = tuple(sorted(event.id for event in events))
    signals = []
    for chunk_id in sorted(graded):
        credit = sum(each for each, _ in graded[chunk_id]) / len(graded[chunk_id])
        looks = sum(each for _, each in graded[chunk_id]) / len(graded[chunk_id])
        explicit = 0
        if chunk_id in judged:
            (expert, _, _), thumb = judged[chunk_id]
            credit, looks, explicit = float(thumb > 0), 1.0, thumb * (2 if expert else 1)
        signals.append(Signal(query, chunk_id, person, credit, looks, explicit, float(day), ids))
    return signals


def grade(hit: Hit, said: Said, cited: int) -> tuple[float, float]:
    """Credit and looks of a hit nobody judged itself; ``cited``: how many hits of its search are."""
    looks = max(hit.propensity, EXAMINATION_FLOOR)
    credit = 1.0 if hit.clicked or hit.kept else CITED_CREDIT * hit.cited
    if not hit.cited:
        return credit, looks
    if said.approved:
        return 1.0, 1.0
    if said.vote < 0 and said.blames_sources:
        return 0.0, min(1.0, looks + 1 / cited)
    if said.vote > 0:
        return min(1.0, credit + 1 / cited), min(1.0, looks + 1 / cited)
    return credit, looks


def weight(day: float, as_of: float, half_life: float = HALF_LIFE) -> float:
    """What a signal of ``day`` still counts at ``as_of``; what lies ahead counts 1."""
    return float(2.0 ** (-max(as_of - day, 0.0) / half_life))


@dataclass(frozen=True, slots=True)
class Successor:
    """A chunk that came where another was. ``overlap``: the share of what was cited of it that lies in this one."""

    chunk_id: str
    successor: str
    jaccard: float
    overlap: float = 0.0


def heirs(successors: Iterable[Successor], live: Iterable[str], chunk_ids: Iterable[str]) -> dict[str, str]:
    """Chunk id → the live chunk its signals count for; chunks without one are left out: they start at zero.

    A live chunk is its own heir. Others go to the most similar successor that says the same, or holds what was cited,
    and on from there.
    """
    best: dict[str, str] = {}
    for each in sorted(successors, key=lambda s: (-s.jaccard, -s.overlap, s.successor)):
        if each.jaccard >= SAME_CHUNK or each.overlap >= HOLDS_SPAN:
            best.setdefault(each.chunk_id, each.successor)
    living, found = set(live), {}
    for chunk_id in chunk_ids:
        at, seen = chunk_id, {chunk_id}
        while at not in living and at in best and best[at] not in seen:
            at = best[at]
            seen.add(at)
        if at in living:
            found[chunk_id] = at
    return found
