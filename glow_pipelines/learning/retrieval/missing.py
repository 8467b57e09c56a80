"""What users ask and the knowledge base does not answer.

Belongs here: grouping unanswered queries, how sure that is, examples. Does not belong here: counting events by query
(store), ranking, writing what is missing.

A search went unanswered when nothing in it was liked or cited and something says so: no hit at all, scores as low as
noise, the same question put again in other words, or a thumb down for a retrieval issue on the answer. Silence alone
proves nothing: most users never click.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.intervals import Interval, wilson
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.types import Vector, unit

ONE_TOPIC = 0.75  # cosine: wider than one question in other words, as one missing page answers several questions
LEAST_EVENTS = 3
LEAST_USERS = 2
SURELY = 0.5  # lower bound of the unanswered share
EXAMPLES = 5


@dataclass(frozen=True)
class QueryOutcome:
    """All searches of one query text. ``unanswered`` counts events; the reasons may overlap."""

    query: str
    events: int
    users: int
    conversations: int
    unanswered: int
    empty: int = 0
    low: int = 0
    rephrased: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Missing:
    """A cluster of queries that nothing answers: ``medoid`` is the most typical of them. ``share``: of its events that
    went unanswered, Wilson interval over conversations. ``users`` may count one person in two queries twice."""

    medoid: str
    queries: int
    events: int
    users: int
    unanswered: int
    share: Interval
    reasons: Mapping[str, int]
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def missing_content(
    outcomes: Sequence[QueryOutcome], embeddings: Mapping[str, Vector], one_topic: float = ONE_TOPIC
) -> list[Missing]:
    """Clusters whose unanswered share is surely above a half, most events first; at least three events of two users.

    Queries without an embedding are left out. The order of ``outcomes`` decides leaders: give the most asked first.
    """
    known = [each for each in outcomes if each.query in embeddings]
    cluster = group_queries([each.query for each in known], embeddings, one_topic)
    members: dict[str, list[QueryOutcome]] = defaultdict(list)
    for each in known:
        members[cluster[each.query]].append(each)
    found = []
    for group in members.values():
        events, users = sum(each.events for each in group), sum(each.users for each in group)
        unanswered = sum(each.unanswered for each in group)
        share = _share(group, unanswered, events)
        if events < LEAST_EVENTS or users < LEAST_USERS or share.low <= SURELY:
            continue
        reasons = {
            name: sum(getattr(each, name) for each in group) for name in ("empty", "low", "rephrased", "rejected")
        }
        asked = sorted(group, key=lambda each: (-each.unanswered, each.query))
        found.append(
            Missing(
                medoid=medoid([each.query for each in group], [each.events for each in group], embeddings),
                queries=len(group),
                events=events,
                users=users,
                unanswered=unanswered,
                share=share,
                reasons=reasons,
                examples=tuple(each.query for each in asked[:EXAMPLES]),
            )
        )
    return sorted(found, key=lambda each: (-each.unanswered, each.medoid))


def medoid(queries: Sequence[str], weights: Sequence[float], embeddings: Mapping[str, Vector]) -> str:
    """The query with the highest mean cosine to all others, each as often as it was asked; ties to the first."""
    vectors = unit(np.array([embeddings[query] for query in queries]))
    closeness = vectors @ (np.asarray(weights, dtype=float) @ vectors)
    return queries[int(np.argmax(closeness))]


def _share(group: Sequence[QueryOutcome], unanswered: int, events: int) -> Interval:
    """Of events, but no surer than the conversations allow: one user asking ten times is one witness."""
    conversations = sum(each.conversations for each in group)
    rate = unanswered / events if events else 0.0
    n = min(events, conversations)
    interval = wilson(round(rate * n), n)
    return Interval(rate, min(interval.low, rate), max(interval.high, rate), interval.confidence, interval.method)
