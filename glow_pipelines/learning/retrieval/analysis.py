"""What the retrieval log shows by itself: use, position, concentration.

Belongs here: descriptive figures of logged events for the report and the checks. Does not belong here: quality on
judged queries (``evaluation``); clicks by rank are shown as they are, biased, and say nothing about relevance alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval.counterfactual import liked
from glow_pipelines.learning.retrieval.figures import Slice, Tally, figures
from glow_pipelines.learning.retrieval.popularity import gini
from glow_pipelines.learning.retrieval.types import RetrievalEvent, RetrievalMetrics

LOW_SCORE = 0.3
"""Cosine of the best hit below which a list is likely noise: where past questions stop to be neighbours, too."""


@dataclass(frozen=True)
class RetrievalReport:
    """Shares are of events unless said otherwise; None where there is nothing to divide by.

    ``click_rate_by_rank``: liked hits over shown hits at that rank. ``wins_by_leg``: liked hits the leg placed, in
    interleaved lists only. ``top_hub_share``: share of lists the most shown chunk is in; ``exposure_gini``: 0 all
    chunks shown alike, 1 one takes all. Both rising with no new content is a popularity loop.
    """

    events: int
    users: int
    interleaved_share: float | None
    zero_hit_share: float | None
    liked_share: float | None
    rejected_share: float | None
    cited_share: float | None
    mean_first_liked_rank: float | None
    click_rate_by_rank: Mapping[int, float]
    wins_by_leg: Mapping[str, int]
    top_hub: str | None
    top_hub_share: float | None
    exposure_gini: float | None
    quality: RetrievalMetrics | None
    slices: tuple[Slice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["click_rate_by_rank"] = {str(rank): rate for rank, rate in self.click_rate_by_rank.items()}
        return data


def describe(
    events: Sequence[RetrievalEvent],
    chunk_ids: Sequence[str],
    quality: RetrievalMetrics | None = None,
    *,
    topic_of: Mapping[str, str] | None = None,
    seed: int = 0,
) -> RetrievalReport:
    """Figures of a log over an index of ``chunk_ids``; ``quality`` is passed through beside them.

    ``slices``: the same shares with intervals, of all and by policy, configuration, week and, with ``topic_of`` (query
    text to topic), by topic. A log of more events than fit in memory is tallied by the database (``figures``).
    """
    tallies = tallied(events, topic_of or {})
    rng = np.random.default_rng(seed)
    kinds = sorted({kind for tally in tallies for kind in tally.slices})
    n = len(events)
    shown: dict[int, int] = defaultdict(int)
    likes: dict[int, int] = defaultdict(int)
    wins: Counter[str] = Counter()
    exposure: Counter[str] = Counter()
    first = []
    for event in events:
        ranks = [hit.rank for hit in event.hits if liked(hit)]
        first.extend([min(ranks)] if ranks else [])
        exposure.update({hit.chunk_id for hit in event.hits if hit.shown})
        for hit in event.hits:
            if hit.shown:
                shown[hit.rank] += 1
                likes[hit.rank] += liked(hit)
            if event.policy == "interleave" and liked(hit):
                wins[hit.leg] += 1
    hub = max(sorted(exposure), key=lambda chunk_id: exposure[chunk_id], default=None)
    return RetrievalReport(
        events=n,
        users=len({event.user_id for event in events}),
        interleaved_share=_share([event.policy == "interleave" for event in events]),
        zero_hit_share=_share([not event.hits for event in events]),
        liked_share=_share([any(liked(hit) for hit in event.hits) for event in events]),
        rejected_share=_share([any(hit.explicit < 0 for hit in event.hits) for event in events]),
        cited_share=_share([any(hit.cited for hit in event.hits) for event in events]),
        mean_first_liked_rank=float(np.mean(first)) if first else None,
        click_rate_by_rank={rank: likes[rank] / shown[rank] for rank in sorted(shown)},
        wins_by_leg=dict(sorted(wins.items())),
        top_hub=hub,
        top_hub_share=exposure[hub] / n if hub is not None else None,
        exposure_gini=gini([exposure[chunk_id] for chunk_id in chunk_ids]),
        quality=quality,
        slices=tuple(part for kind in ("all", *kinds) for part in figures(tallies, kind, rng)),
    )


def tallied(events: Sequence[RetrievalEvent], topic_of: Mapping[str, str]) -> list[Tally]:
    """One tally for each event: what the database sums by bucket, for a log in memory. Votes on answers it has not."""
    found = []
    for event in events:
        listed = [hit for hit in event.hits if hit.shown]
        ranks = sorted(hit.rank for hit in listed if liked(hit))
        best = max((hit.score_dense for hit in listed if hit.score_dense is not None), default=None)
        slices = {"policy": str(event.policy), "week": f"{int(event.day // 7)}"}
        if event.configuration is not None:
            slices["configuration"] = event.configuration
        if event.query in topic_of:
            slices["topic"] = topic_of[event.query]
        sums = {
            "events": 1.0,
            "listed": float(bool(listed)),
            "empty": float(not listed),
            "scored": float(best is not None),
            "low": float(best is not None and best < LOW_SCORE),
            "liked": float(bool(ranks)),
            "rejected": float(any(hit.explicit < 0 for hit in listed)),
            "cited": float(any(hit.cited for hit in listed)),
            "ranks": float(ranks[0] if ranks else 0),
            "reciprocals": 1 / ranks[0] if ranks else 0.0,
            "liked_in_5": float(sum(rank <= 5 for rank in ranks)),
        }
        found.append(Tally(slices, event.conversation_id or event.id, sums))
    return found


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
