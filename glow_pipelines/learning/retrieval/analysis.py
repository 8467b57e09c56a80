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

from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, RetrievalMetrics


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

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["click_rate_by_rank"] = {str(rank): rate for rank, rate in self.click_rate_by_rank.items()}
        return data


def describe(
    events: Sequence[RetrievalEvent], chunk_ids: Sequence[str], quality: RetrievalMetrics | None = None
) -> RetrievalReport:
    """Figures of a log over an index of ``chunk_ids``; ``quality`` is passed through beside them."""
    n = len(events)
    shown: dict[int, int] = defaultdict(int)
    liked: dict[int, int] = defaultdict(int)
    wins: Counter[str] = Counter()
    exposure: Counter[str] = Counter()
    first = []
    for event in events:
        ranks = [hit.rank for hit in event.hits if _liked(hit)]
        first.extend([min(ranks)] if ranks else [])
        exposure.update({hit.chunk_id for hit in event.hits if hit.shown})
        for hit in event.hits:
            if hit.shown:
                shown[hit.rank] += 1
                liked[hit.rank] += _liked(hit)
            if event.policy == "interleave" and _liked(hit):
                wins[hit.leg] += 1
    hub = max(sorted(exposure), key=lambda chunk_id: exposure[chunk_id], default=None)
    return RetrievalReport(
        events=n,
        users=len({event.user_id for event in events}),
        interleaved_share=_share([event.policy == "interleave" for event in events]),
        zero_hit_share=_share([not event.hits for event in events]),
        liked_share=_share([any(_liked(hit) for hit in event.hits) for event in events]),
        rejected_share=_share([any(hit.explicit < 0 for hit in event.hits) for event in events]),
        cited_share=_share([any(hit.cited for hit in event.hits) for event in events]),
        mean_first_liked_rank=float(np.mean(first)) if first else None,
        click_rate_by_rank={rank: liked[rank] / shown[rank] for rank in sorted(shown)},
        wins_by_leg=dict(sorted(wins.items())),
        top_hub=hub,
        top_hub_share=exposure[hub] / n if hub is not None else None,
        exposure_gini=_gini([exposure[chunk_id] for chunk_id in chunk_ids]),
        quality=quality,
    )


def _liked(hit: Hit) -> bool:
    return hit.explicit > 0 or (hit.explicit == 0 and (hit.clicked or hit.kept))


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _gini(counts: Sequence[int]) -> float | None:
    total = sum(counts)
    if not total:
        return None
    ordered = np.sort(np.array(counts, dtype=float))
    places = np.arange(1, len(ordered) + 1)
    return float((2 * places - len(ordered) - 1) @ ordered / (len(ordered) * total))
