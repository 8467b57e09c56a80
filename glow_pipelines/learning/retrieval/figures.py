"""Shares of searches with intervals, from sums.

Belongs here: the figures of a log, their names and denominators, and the bootstrap over clusters of events. Does not
belong here: counting (store, or ``analysis`` for a log in memory).

Events of one conversation are alike, so conversations are resampled, not events. The database sums them into a few
hundred buckets by a hash of the conversation: whole conversations stay together, so resampling buckets is as right as
resampling conversations and does not grow with the log; of 400 buckets the width of an interval is known to 4 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.intervals import Interval

FIGURES: Mapping[str, tuple[str, str]] = {
    "zero_hit_rate": ("empty", "events"),
    "low_score_rate": ("low", "scored"),
    "liked_rate": ("liked", "listed"),
    "rejected_rate": ("rejected", "listed"),
    "citation_rate": ("cited", "listed"),
    "answer_support_rate": ("supported", "voted"),
    "first_liked_rank": ("ranks", "liked"),
    "logged_mrr": ("reciprocals", "listed"),
    "liked_in_first_5": ("liked_in_5", "listed"),
}
"""Figure -> what is summed, and over what. Supported: answers with a citation and a thumb up, of those with a citation
and a vote. The last three are as shown: they rise when people look further, and compare no two rankings."""
RESAMPLES = 1000
LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class Tally:
    """Sums over some events: to which slices they belong (kind -> name), and the cluster they are resampled with."""

    slices: Mapping[str, str]
    cluster: str
    sums: Mapping[str, float]


@dataclass(frozen=True)
class Slice:
    """Figures of one part of the log. A figure with nothing to divide by is absent; with a single cluster nothing is
    known of its spread, and its limits are the estimate itself."""

    kind: str
    name: str
    events: int
    clusters: int
    figures: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def figures(tallies: Sequence[Tally], kind: str, rng: np.random.Generator) -> list[Slice]:
    """The slices of one kind by name, or of kind ``all`` one slice. Percentile bootstrap of ratios of sums, 95 %."""
    parts: dict[str, list[Tally]] = {}
    for tally in tallies:
        name = "" if kind == "all" else tally.slices.get(kind)
        if name is not None:
            parts.setdefault(name, []).append(tally)
    return [_slice(kind, name, parts[name], rng) for name in sorted(parts)]


def _slice(kind: str, name: str, tallies: Sequence[Tally], rng: np.random.Generator) -> Slice:
    columns = sorted({column for pair in FIGURES.values() for column in pair})
    rows: dict[str, np.ndarray] = {}
    for tally in tallies:
        row = rows.setdefault(tally.cluster, np.zeros(len(columns)))
        row += [tally.sums.get(column, 0.0) for column in columns]
    sums = np.array(list(rows.values()))
    n = len(sums)
    at = {column: i for i, column in enumerate(columns)}
    draws = _resampled(sums, rng)
    found = {}
    for figure, (over, under) in FIGURES.items():
        total = float(sums[:, at[under]].sum())
        if total <= 0:
            continue
        estimate = float(sums[:, at[over]].sum()) / total
        low, high = estimate, estimate
        if n >= LEAST_CLUSTERS:
            top, bottom = draws[:, at[over]], draws[:, at[under]]
            drawn = top[bottom > 0] / bottom[bottom > 0]
            if drawn.size:
                low, high = (float(x) for x in np.quantile(drawn, [0.025, 0.975]))
        found[figure] = Interval(estimate, low, high, 0.95, "cluster-bootstrap")
    return Slice(kind, name, int(sums[:, at["events"]].sum()), n, found)


def _resampled(sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sums of RESAMPLES samples of whole clusters, in blocks: 10⁵ clusters at once would take a gigabyte."""
    n = len(sums)
    block = max(1, min(RESAMPLES, 4_000_000 // max(n, 1)))
    parts = [
        rng.multinomial(n, np.full(n, 1 / n), size=min(block, RESAMPLES - done)) @ sums
        for done in range(0, RESAMPLES, block)
    ]
    return np.concatenate(parts)
