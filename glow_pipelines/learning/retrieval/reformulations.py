"""Somebody asked, found nothing, asked in other words, and found it.

Belongs here: reading such pairs off a log, and what the second search teaches the first wording. Does not belong here:
rules about single words (``expansion``). The store reads the same pairs by SQL (sql/queries/retrieval_sessions).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.retrieval.text import normalised, terms
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, Signal, Vector, unit

WITHIN = 10 / (24 * 60)  # days
_CLOCK = 1e-9  # days since an epoch are exact to a microsecond or so
SAME_WISH = 0.5  # cosine of the two wordings, where they share no word; below it the person turned to something else
SECOND_HAND = 0.5  # credit of a chunk that was liked for the other wording


@dataclass(frozen=True)
class Reformulation:
    """``first`` found nothing that ``user_id`` liked, ``then`` found ``liked``. ``event_ids``: of both searches."""

    first: str
    then: str
    user_id: str
    conversation_id: str
    liked: tuple[str, ...]
    event_ids: tuple[str, str]
    day: float = 0.0


@dataclass(frozen=True)
class CorrectedAnswer:
    """What ``user_id`` says the answer to ``query`` should have been. ``source_id``: the feedback or annotation."""

    query: str
    text: str
    user_id: str
    source_id: str


def reformulations(events: Iterable[RetrievalEvent], within: float = WITHIN) -> list[Reformulation]:
    """Pairs of searches by one person in one conversation, the later one at most ``within`` days after the other.

    The later one has a liked hit; the earlier one and all between have none, and ask in other words. Events without a
    user or conversation pair with nothing.
    """
    by_person: dict[tuple[str, str], list[RetrievalEvent]] = defaultdict(list)
    for event in events:
        if event.user_id and event.conversation_id:
            by_person[event.user_id, event.conversation_id].append(event)
    found: list[Reformulation] = []
    for (user, conversation), searches in sorted(by_person.items()):
        failed: list[RetrievalEvent] = []
        for event in sorted(searches, key=lambda e: (e.day, e.id)):
            liked = tuple(hit.chunk_id for hit in event.hits if _liked(hit))
            if not liked:
                failed.append(event)
                continue
            found.extend(
                Reformulation(earlier.query, event.query, user, conversation, liked, (earlier.id, event.id), event.day)
                for earlier in failed
                if event.day - earlier.day <= within + _CLOCK and normalised(earlier.query) != normalised(event.query)
            )
            failed = []
    return found


def taught(pairs: Sequence[Reformulation], embeddings: Mapping[str, Vector]) -> list[Signal]:
    """What the liked chunks of the second search say for the first wording, to be folded with all other signals.

    Half a credit and half a look each: the person never judged them for these words. Pairs that share no word and, by
    ``embeddings`` (query -> vector; either may be missing), no meaning, teach nothing. One signal per user, wording and
    chunk: the caps of the posterior do the rest.
    """
    found: dict[tuple[str, str, str], Signal] = {}
    for pair in pairs:
        if not _same_wish(pair, embeddings):
            continue
        for chunk_id in pair.liked:
            key = (pair.first, chunk_id, pair.user_id)
            known = found.get(key)
            sources = set(pair.event_ids) | (set(known.event_ids) if known else set())
            day = max(pair.day, known.day) if known else pair.day
            found[key] = Signal(*key, SECOND_HAND, SECOND_HAND, 0, day, tuple(sorted(sources)))
    return [found[key] for key in sorted(found)]


def _same_wish(pair: Reformulation, embeddings: Mapping[str, Vector]) -> bool:
    if set(terms(pair.first)) & set(terms(pair.then)):
        return True
    one, other = embeddings.get(pair.first), embeddings.get(pair.then)
    return one is not None and other is not None and float(unit(one) @ unit(other)) >= SAME_WISH


def _liked(hit: Hit) -> bool:
    return hit.explicit > 0 or (hit.explicit == 0 and (hit.clicked or hit.kept))
