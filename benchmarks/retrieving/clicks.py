"""Simulated users of a search: what list they get, where they look, what they click.

Belongs here: click models, logging policies, and what makes a log worthless (labels shuffled, a loud user). Does not:
what is learned from the log. Position-based model (Craswell et al. 2008): examined with a chance that only depends on
the rank, clicked with a chance that only depends on relevance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from glow_pipelines.learning.retrieval import Hit, RetrievalEvent, RetrievalIndex
from glow_pipelines.learning.retrieval.interleaving import examination, swapped, team_draft
from glow_pipelines.learning.retrieval.types import Leg, Policy, Vector

K = 10
USERS = 400
DAY = 30.0  # of every search; thumbs fall on the ten days before, so that no daily cap holds them all
POLICY: dict[str, Policy] = {
    "interleave": "interleave",
    "dense": "production",
    "explore": "explore",
    "production": "production",
}
LOGGING = tuple(POLICY)


@dataclass(frozen=True)
class Clicks:
    """Chance to click an examined chunk; `examine` gives the chance that rank 1, 2, … is looked at."""

    relevant: float = 0.9
    other: float = 0.1
    examine: Callable[[int], float] = lambda rank: 1.0 / rank


HONEST = Clicks()
RANDOM = Clicks(relevant=0.3, other=0.3)
FIRST_ONLY = Clicks(examine=lambda rank: float(rank == 1))
FIRST_ALWAYS = Clicks(relevant=1.0, other=1.0, examine=lambda rank: float(rank == 1))


@dataclass(frozen=True)
class Asked:
    """A question as users ask it, with its vector and the ids of what is relevant to it."""

    text: str
    vector: Vector
    relevant: frozenset[str]


def simulate(
    index: RetrievalIndex,
    asked: Sequence[Asked],
    logging: str,
    sessions: int,
    rng: np.random.Generator,
    clicks: Clicks = HONEST,
) -> list[RetrievalEvent]:
    """`sessions` searches of every question, each by another user. Propensities are logged as the product logs them."""
    if logging not in LOGGING:
        raise ValueError(f"logging={logging!r}; there is {', '.join(LOGGING)}")
    events: list[RetrievalEvent] = []
    for question in asked:
        draw = _lists(index, question, logging, rng)
        for user in rng.choice(USERS, size=sessions, replace=sessions > USERS):
            hits = []
            for rank, (chunk_id, leg) in enumerate(draw(), 1):
                attractive = clicks.relevant if chunk_id in question.relevant else clicks.other
                clicked = bool(rng.random() < clicks.examine(rank) and rng.random() < attractive)
                hits.append(Hit(chunk_id, rank, 0.0, leg, examination(rank), clicked=clicked))
            name = f"e{len(events):06}"
            at = (question.text, question.vector, POLICY[logging], f"u{user}", name)
            events.append(RetrievalEvent(name, *at, tuple(hits), DAY))
    return events


def shuffled(events: Sequence[RetrievalEvent], rng: np.random.Generator) -> list[RetrievalEvent]:
    """The same lists and clicks under the questions of others: nothing in it is true any more."""
    questions = list({event.query: event.query_embedding for event in events}.items())
    order = rng.permutation(len(questions))
    other = {questions[i][0]: questions[j] for i, j in enumerate(order)}
    return [replace(e, query=other[e.query][0], query_embedding=other[e.query][1]) for e in events]


def thumbs(
    asked: Sequence[Asked], chunk_of: Mapping[str, str], count: int, user: str = "loud", thumb: Literal[-1, 1] = 1
) -> list[RetrievalEvent]:
    """`count` thumbs of one user, going round the questions, each on the chunk named for the question."""
    events = []
    for n in range(count):
        question = asked[n % len(asked)]
        day = DAY - 10 * (1 - n / count)
        hit = Hit(chunk_of[question.text], 1, 0.0, "both", 1.0, explicit=thumb)
        events.append(
            RetrievalEvent(f"t{n:06}", question.text, question.vector, "production", user, f"t{n}", (hit,), day)
        )
    return events


def _lists(
    index: RetrievalIndex, question: Asked, logging: str, rng: np.random.Generator
) -> Callable[[], list[tuple[str, Leg]]]:
    """What one more search of the question shows, by the policy."""
    if logging in ("interleave", "dense"):
        dense = [s.chunk_id for s in index.search_leg("dense", question.text, question.vector, K)]
        if logging == "dense":
            return lambda: [(chunk_id, "dense") for chunk_id in dense]
        lexical = [s.chunk_id for s in index.search_leg("lexical", question.text, question.vector, K)]
        return lambda: team_draft(dense, lexical, K, rng)
    best: list[tuple[str, Leg]] = [(s.chunk_id, s.leg) for s in index.search(question.text, question.vector, K)]
    return (lambda: best) if logging == "production" else (lambda: swapped(best, rng))
