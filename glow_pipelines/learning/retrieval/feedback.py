"""From what users did to what a chunk is worth for a question.

Belongs here: the examination-corrected posterior per (query group, chunk), its caps against loud users, and the label
read from it. Does not belong here: search, memory, tuning.

A click at rank 5 says more than one at rank 1, a missing click there less: expected looks, not lists, are counted.
    attractiveness = (Σ w·credit + a·μ) / (Σ w·θ + a),   a = 2, clipped to [0, 1],   μ = Σ w·credit / Σ w·θ of the log
θ is the examination probability logged with the hit (1 where the user judged the chunk itself). Raw inverse propensity
weighting is not used: with logs of this size its variance costs more than the bias it removes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.retrieval.interleaving import EXAMINATION_FLOOR
from glow_pipelines.learning.retrieval.memory import CELL_SHRINKAGE
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent

Label = Literal["positive", "negative", "unjudged"]


@dataclass(frozen=True)
class FeedbackSettings:
    """Thresholds and caps. With 3 sessions a query one positive in three is wrong: hence 1.5 effective examinations."""

    positive_from: float = 0.5
    positive_examinations: float = 1.5
    negative_below: float = 0.25
    negative_examinations: float = 0.5
    cited_credit: float = 0.5  # a citation nobody kept or clicked: the model vouches for it, no person does
    user_weight: float = 3.0
    user_share: float = 0.05


@dataclass(frozen=True)
class Cell:
    """What the log says of one chunk for one query group. ``credit`` and ``effective_examinations`` are in users."""

    group: str
    chunk_id: str
    attractiveness: float
    effective_examinations: float
    credit: float
    users: int
    event_ids: tuple[str, ...]
    label: Label


@dataclass(frozen=True)
class Posterior:
    """All cells, ordered by group and chunk id, and μ, the clicks per examination of the whole log."""

    cells: tuple[Cell, ...]
    base_attractiveness: float


def relevance_posterior(
    events: Sequence[RetrievalEvent], group_of: Mapping[str, str], settings: FeedbackSettings | None = None
) -> Posterior:
    """Posterior attractiveness of every (query group, chunk) shown. ``group_of`` maps query text to group.

    Caps: one contribution per (user, group, chunk), the mean of what the user did; explicit thumbs replace the rest.
    Over all groups a user's weight on one chunk is at most 3, or 5 % of that chunk's weight if that is more.
    """
    settings = settings or FeedbackSettings()
    seen: dict[tuple[str, str, str], list[tuple[Hit, str]]] = defaultdict(list)
    for event in events:
        for hit in event.hits:
            if hit.shown or hit.explicit:
                seen[group_of[event.query], hit.chunk_id, event.user_id].append((hit, event.id))
    weight = _user_weights(list(seen), settings)
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    sources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (group, chunk_id, user), hits in seen.items():
        credit, looks = _contribution([hit for hit, _ in hits], settings)
        w = weight[chunk_id, user]
        cell = sums[group, chunk_id]
        cell[0] += w * credit
        cell[1] += w * looks
        cell[2] += 1
        sources[group, chunk_id].update(event_id for _, event_id in hits)
    looks = sum(cell[1] for cell in sums.values())
    base = min(1.0, sum(cell[0] for cell in sums.values()) / looks) if looks else 0.0
    cells = []
    for group, chunk_id in sorted(sums):
        credit, looks, users = sums[group, chunk_id]
        value = min(1.0, max(0.0, (credit + CELL_SHRINKAGE * base) / (looks + CELL_SHRINKAGE)))
        events_of = tuple(sorted(sources[group, chunk_id]))
        label = _label(value, looks, settings)
        cells.append(Cell(group, chunk_id, value, looks, credit, int(users), events_of, label))
    return Posterior(tuple(cells), base)


def _contribution(hits: Sequence[Hit], settings: FeedbackSettings) -> tuple[float, float]:
    judged = [hit for hit in hits if hit.explicit]
    if judged:
        return sum(hit.explicit > 0 for hit in judged) / len(judged), 1.0
    credit = sum(1.0 if hit.kept or hit.clicked else settings.cited_credit * hit.cited for hit in hits)
    return credit / len(hits), sum(max(hit.propensity, EXAMINATION_FLOOR) for hit in hits) / len(hits)


def _user_weights(keys: Sequence[tuple[str, str, str]], settings: FeedbackSettings) -> dict[tuple[str, str], float]:
    """Weight of each contribution of (chunk, user): 1, or less where the user says too much about one chunk."""
    count: dict[tuple[str, str], int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for _, chunk_id, user in keys:
        count[chunk_id, user] += 1
        total[chunk_id] += 1
    share = settings.user_share / (1 - settings.user_share)  # of the others' weight, else a flood raises its own cap
    return {
        (chunk_id, user): min(1.0, max(settings.user_weight, share * (total[chunk_id] - n)) / n)
        for (chunk_id, user), n in count.items()
    }


def _label(attractiveness: float, looks: float, settings: FeedbackSettings) -> Label:
    if attractiveness >= settings.positive_from and looks >= settings.positive_examinations:
        return "positive"
    if attractiveness < settings.negative_below and looks >= settings.negative_examinations:
        return "negative"
    return "unjudged"
