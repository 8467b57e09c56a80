"""One report of an agent's retrieval: what the database sums, read by the engine.

Belongs here: which sums, which settings, in which order; judged queries measured exactly. Does not: SQL (store),
formulas (learning/retrieval), printing (commands).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from glow_pipelines.learning.datasets.drift import Drift
from glow_pipelines.learning.retrieval import Judgement, RetrievalIndex
from glow_pipelines.learning.retrieval.analysis import LOW_SCORE
from glow_pipelines.learning.retrieval.co_retrieval import Association, Hub, associations, hubs
from glow_pipelines.learning.retrieval.counterfactual import Counterfactual, QueryLog, estimate
from glow_pipelines.learning.retrieval.evaluation import JudgedReport, judged_queries, judged_report
from glow_pipelines.learning.retrieval.figures import Slice, Tally, figures
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.missing import ONE_TOPIC, Missing, QueryOutcome, missing_content
from glow_pipelines.learning.retrieval.popularity import PopularityDrift, popularity_drift, score_drift
from glow_pipelines.learning.retrieval.types import Vector
from glow_pipelines.store import Transaction
from glow_pipelines.store.noun import Row
from glow_pipelines.store.retrieval_analytics import Period

SEED = 7
MOST_QUERIES = 5_000
"""Query texts looked at one by one, the most asked; sums are over all of them."""
PAIRED_SEARCHES = 20_000
"""Searches that pairs are counted in: 45 pairs a list, and more of them say the same."""
REPHRASED = 0.7
TOPICS = 20


@dataclass(frozen=True)
class RetrievalPerformance:
    """Everything about one period. `turn`: the instant drifts compare before with after."""

    period: Period
    turn: datetime
    totals: Row
    slices: tuple[Slice, ...]
    missing: tuple[Missing, ...]
    associations: tuple[Association, ...]
    hubs: tuple[Hub, ...]
    popularity: PopularityDrift
    scores: Drift

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["totals"] = {
            key: value.isoformat() if isinstance(value, datetime) else value for key, value in self.totals.items()
        }
        found["period"] = {
            "agent": self.period.agent,
            "since": self.period.since.isoformat(),
            "until": self.period.until.isoformat(),
        }
        found["turn"] = self.turn.isoformat()
        return found


def analyze(t: Transaction, period: Period, model: str, turn: datetime) -> RetrievalPerformance:
    """Figures with intervals by policy, configuration, week and topic; what is missing; what belongs together; drifts.

    `model`: whose embeddings tell topics and rephrasings; only what it has embedded already is used.
    """
    rng = np.random.default_rng(SEED)
    log = t.retrieval_analytics
    totals = log.totals(period)
    tallies = log.tallies(period, LOW_SCORE)
    outcomes, vectors = log.query_outcomes(period, model, LOW_SCORE, REPHRASED, MOST_QUERIES)
    topics = _topics(outcomes, vectors, log.query_tallies(period, LOW_SCORE, MOST_QUERIES))
    exposures = log.exposures(period, turn)
    share = min(1.0, PAIRED_SEARCHES / max(totals["events"], 1))
    pairs = log.co_retrieval(period, model, 5, share)
    before, after = log.score_bins(period, turn)
    slices = [part for kind in ("all", "policy", "configuration", "week") for part in figures(tallies, kind, rng)]
    lists = sum(exposures.lists)
    return RetrievalPerformance(
        period=period,
        turn=turn,
        totals=totals,
        slices=(*slices, *sorted(figures(topics, "topic", rng), key=lambda each: (-each.events, each.name))[:TOPICS]),
        missing=tuple(missing_content(outcomes, vectors)),
        associations=tuple(associations(pairs.pairs, pairs.conversations, pairs.shown_in, pairs.cited_in)),
        hubs=tuple(hubs(_shown(exposures.before, exposures.after, exposures.liked), lists)),
        popularity=popularity_drift(exposures.before, exposures.after, exposures.lists, log.live_chunks(period.agent)),
        scores=score_drift(before, after),
    )


def judged(
    t: Transaction, period: Period, index: RetrievalIndex, embeddings: Mapping[str, Vector]
) -> JudgedReport | None:
    """Quality on experts' verdicts, exactly; None where no judged query has an answer. `embeddings` by query text."""
    verdicts: Sequence[Judgement] = [
        each for each in t.retrieval_analytics.judgements(period) if each.query in embeddings
    ]
    queries = judged_queries(verdicts, embeddings)
    return judged_report(index, queries, np.random.default_rng(SEED)) if queries else None


def expected(
    logs: Sequence[QueryLog], index: RetrievalIndex, embeddings: Mapping[str, Vector], k: int = 10
) -> dict[str, Counterfactual]:
    """What the configuration of `index` would have got on the logged queries, by metric; empty without a log."""
    known = [each for each in logs if each.query in embeddings]
    if not known:
        return {}
    ranked = {each.query: index.ranking(each.query, embeddings[each.query])[:k] for each in known}
    rng = np.random.default_rng(SEED)
    return {
        metric: estimate(known, lambda log: ranked[log.query], rng, metric, k)
        for metric in ("dcg", "reciprocal_rank", "clicks")
    }


def _topics(
    outcomes: Sequence[QueryOutcome], vectors: Mapping[str, Vector], sums: Mapping[str, Mapping[str, float]]
) -> list[Tally]:
    """A tally for each query, in the topic of its leader; queries of one topic are resampled one by one."""
    known = [each.query for each in outcomes if each.query in vectors]
    group = group_queries(known, vectors, ONE_TOPIC)
    leader: dict[str, str] = {}
    for query in known:
        leader.setdefault(group[query], query)
    return [Tally({"topic": leader[group[query]]}, query, sums[query]) for query in known if query in sums]


def _shown(*parts: Mapping[str, int]) -> dict[str, tuple[int, float]]:
    before, after, liked = parts
    counts: dict[str, int] = defaultdict(int)
    for part in (before, after):
        for chunk, n in part.items():
            counts[chunk] += n
    return {chunk: (n, liked.get(chunk, 0) / n) for chunk, n in counts.items()}
