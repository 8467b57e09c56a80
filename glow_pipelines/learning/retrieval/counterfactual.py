"""What another ranking would have got, from the clicks that ours got.

Belongs here: estimates of additive metrics for any ranking from a log with examination probabilities, with how far they
can be trusted. Does not belong here: queries with judgements, which are measured exactly (``evaluation``); learning
from clicks (``feedback``).

Position-based model: a click needs a look and a liking, P(click) = θ · relevance (Richardson et al. 2007). With the
looks logged when the list was served, clicks / looks of a chunk for a query is its relevance without the position it
had; its place in the other ranking then says what it is worth there.
    IPS       V = 1/N Σ_events Σ_chunks λ(rank) · click / θ̄                     (Joachims, Swaminathan & Schnabel 2017)
    clipped   the same with θ̄ >= floor: a little bias, no click that weighs hundreds
    SNIPS     V = mean gain of what was logged, by λ, times λ of the whole list  (after Swaminathan & Joachims 2015)
θ̄ is the mean over all events of the query, 0 where the chunk was not listed: with interleaved or swapped lists that is
the chance that the policy gave it a look (item-position model, Li et al. 2018). IPS counts what was never listed as
worthless, SNIPS as worth as much as the rest: where ``support`` is low the two part and neither is to be believed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from glow_pipelines.learning.intervals import Interval
from glow_pipelines.learning.retrieval.interleaving import EXAMINATION_FLOOR, examination
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, Vector

Metric = Literal["dcg", "reciprocal_rank", "recall", "clicks"]
METRICS: Mapping[Metric, Callable[[int], float]] = {
    "dcg": lambda rank: 1 / math.log2(rank + 1),
    "reciprocal_rank": lambda rank: 1 / rank,
    "recall": lambda rank: 1.0,  # relevant chunks within k, per list
    "clicks": examination,  # clicks per list, if users look as they do by default
}
RESAMPLES = 1000
TRUSTED_SAMPLE = 50.0
TRUSTED_SUPPORT = 0.5


@dataclass(frozen=True)
class QueryLog:
    """All events of one query together. ``looks``, ``clicks``: sums over the events by chunk id; ``shows``: how often
    it was listed. ``group`` is what is resampled: a query group, or the conversations it was asked in."""

    query: str
    group: str
    events: int
    looks: Mapping[str, float]
    clicks: Mapping[str, float]
    shows: Mapping[str, int]


@dataclass(frozen=True)
class Counterfactual:
    """A metric per list of one ranking. ``effective_sample_size`` (Kish 1965) of ``listed`` logged places; ``support``:
    the share of λ on chunks that were ever listed for the query; ``largest_weight`` of one click before clipping."""

    metric: Metric
    k: int
    ips: Interval
    clipped: Interval
    snips: Interval
    effective_sample_size: float
    support: float
    largest_weight: float
    queries: int
    events: int
    listed: int
    clicks: float

    @property
    def trusted(self) -> bool:
        return self.effective_sample_size >= TRUSTED_SAMPLE and self.support >= TRUSTED_SUPPORT

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "trusted": self.trusted}


@dataclass(frozen=True)
class CounterfactualComparison:
    """Two rankings on one log, and the second less the first, resampled together."""

    first: Counterfactual
    second: Counterfactual
    clipped_gain: Interval
    snips_gain: Interval

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "trusted": self.first.trusted and self.second.trusted}


def pooled(events: Sequence[RetrievalEvent], group_of: Mapping[str, str]) -> list[QueryLog]:
    """The events by query text, in order of appearance."""
    counts: Counter[str] = Counter()
    looks: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    clicks: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    shows: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        counts[event.query] += 1
        for hit in event.hits:
            if hit.shown:
                looks[event.query][hit.chunk_id] += hit.propensity
                clicks[event.query][hit.chunk_id] += liked(hit)
                shows[event.query][hit.chunk_id] += 1
    return [
        QueryLog(query, group_of[query], n, dict(looks[query]), dict(clicks[query]), dict(shows[query]))
        for query, n in counts.items()
    ]


def liked(hit: Hit) -> bool:
    """A thumb up, or a click or keep that no thumb down takes back."""
    return hit.explicit > 0 or (hit.explicit == 0 and (hit.clicked or hit.kept))


def estimate(
    logs: Sequence[QueryLog],
    ranking_of: Callable[[QueryLog], Sequence[str]],
    rng: np.random.Generator,
    metric: Metric = "dcg",
    k: int = 10,
    floor: float = EXAMINATION_FLOOR,
) -> Counterfactual:
    """The metric of the lists that ``ranking_of`` gives for the logged queries; intervals of 95 % by groups.

    Raises ValueError for an empty log.
    """
    sums = _Sums(logs, ranking_of, metric, k, floor)
    draws = sums.resampled(rng)
    return sums.found(draws)


def compare(
    logs: Sequence[QueryLog],
    first: Callable[[QueryLog], Sequence[str]],
    second: Callable[[QueryLog], Sequence[str]],
    rng: np.random.Generator,
    metric: Metric = "dcg",
    k: int = 10,
    floor: float = EXAMINATION_FLOOR,
) -> CounterfactualComparison:
    """Both rankings as ``estimate`` does; the difference is resampled in pairs, which is what makes it narrow."""
    one, other = (_Sums(logs, ranking_of, metric, k, floor) for ranking_of in (first, second))
    draws = one.resampled(rng)
    gains = [
        _interval(second_value - first_value, after - before)
        for (first_value, before), (second_value, after) in (
            (one.value(draws, name), other.value(draws, name)) for name in ("clipped", "snips")
        )
    ]
    return CounterfactualComparison(one.found(draws), other.found(draws), gains[0], gains[1])


class _Sums:
    """Sums by group of everything the estimators divide; one pass over the log."""

    def __init__(
        self,
        logs: Sequence[QueryLog],
        ranking_of: Callable[[QueryLog], Sequence[str]],
        metric: Metric,
        k: int,
        floor: float,
    ) -> None:
        if not logs:
            raise ValueError("counterfactual estimate: the log is empty; give at least one event with its list")
        self._metric, self._k, self._queries = metric, k, len(logs)
        gain = METRICS[metric]
        names = {name: number for number, name in enumerate(sorted({log.group for log in logs}))}
        # events, ips, clipped, λ·relevance of the logged, λ of the logged, λ of the list
        self._sums = np.zeros((len(names), 6))
        weights, squares, self._largest, self._listed, self._clicks = 0.0, 0.0, 0.0, 0, 0.0
        for log in logs:
            row = self._sums[names[log.group]]
            row[0] += log.events
            for rank, chunk_id in enumerate(ranking_of(log)[:k], 1):
                worth = gain(rank)
                row[5] += log.events * worth
                looks = log.looks.get(chunk_id, 0.0)
                if looks <= 0:
                    continue
                clicks, looked = log.clicks.get(chunk_id, 0.0), looks / log.events
                row[1] += worth * clicks / looked
                row[2] += worth * clicks / max(looked, floor)
                row[3] += log.events * worth * clicks / looks
                row[4] += log.events * worth
                weight, shows = worth / looked, log.shows.get(chunk_id, 0)
                weights += weight * shows
                squares += weight * weight * shows
                self._largest = max(self._largest, weight)
                self._listed += shows
                self._clicks += clicks
        self._sample = weights * weights / squares if squares else 0.0

    def resampled(self, rng: np.random.Generator) -> np.ndarray:
        n = len(self._sums)
        return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)

    def value(self, draws: np.ndarray, name: str) -> tuple[float, Vector]:
        """The estimate and its resamples."""
        whole, drawn = self._sums.sum(axis=0), draws @ self._sums
        return float(_divided(whole[None], name)[0]), _divided(drawn, name)

    def found(self, draws: np.ndarray) -> Counterfactual:
        whole = self._sums.sum(axis=0)
        ips, clipped, snips = (_interval(*self.value(draws, name)) for name in ("ips", "clipped", "snips"))
        return Counterfactual(
            self._metric,
            self._k,
            ips,
            clipped,
            snips,
            effective_sample_size=float(self._sample),
            support=float(whole[4] / whole[5]) if whole[5] else 0.0,
            largest_weight=self._largest,
            queries=self._queries,
            events=int(whole[0]),
            listed=self._listed,
            clicks=self._clicks,
        )


def _divided(sums: np.ndarray, name: str) -> Vector:
    events, ips, clipped, gained, logged, whole = sums.T
    if name != "snips":
        share: Vector = (ips if name == "ips" else clipped) / events
        return share
    mean = np.divide(gained, logged, out=np.zeros_like(gained), where=logged > 0)
    normalised: Vector = mean * whole / events
    return normalised


def _interval(value: float, resamples: Vector) -> Interval:
    low, high = np.quantile(resamples, [0.025, 0.975])
    return Interval(value, float(low), float(high), 0.95, "bootstrap by group")
