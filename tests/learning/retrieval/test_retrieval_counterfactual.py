"""Counterfactual estimators on logs of users whose true likings are known."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from glow_pipelines.learning.retrieval.counterfactual import METRICS, QueryLog, compare, estimate, pooled
from glow_pipelines.learning.retrieval.interleaving import examination
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent

CHUNKS = [f"c{i}" for i in range(12)]
QUERIES = [f"q{i}" for i in range(60)]


def likings(seed: int) -> dict[str, dict[str, float]]:
    """How likely a user who looks likes the chunk: two good ones a query, the rest noise."""
    rng = np.random.default_rng(seed)
    return {
        query: {c: 0.8 if c in good else 0.1 for c in CHUNKS}
        for query in QUERIES
        for good in [set(rng.choice(CHUNKS, 2, replace=False))]
    }


def logged(liking: dict[str, dict[str, float]], seed: int, sessions: int = 40, k: int = 12) -> list[RetrievalEvent]:
    """A ranker that mostly puts chunks in the order of their names, randomised so that all have a chance."""
    rng = np.random.default_rng(seed)
    events = []
    for query in QUERIES:
        for _ in range(sessions):
            order = np.argsort(np.arange(12) + rng.gumbel(scale=4, size=12))[:k]
            hits = tuple(
                Hit(CHUNKS[i], rank, 0.0, "both", examination(rank), clicked=bool(clicks))
                for rank, i in enumerate(order, 1)
                for clicks in [rng.random() < examination(rank) * liking[query][CHUNKS[i]]]
            )
            events.append(RetrievalEvent(f"e{len(events)}", query, None, "explore", "u", "", hits))
    return events


def true_value(liking: dict[str, dict[str, float]], ranking: dict[str, Sequence[str]], metric: str, k: int) -> float:
    gain = METRICS[metric]  # type: ignore[index]
    return float(np.mean([sum(gain(r) * liking[q][c] for r, c in enumerate(ranking[q][:k], 1)) for q in QUERIES]))


def rankings(liking: dict[str, dict[str, float]]) -> tuple[dict[str, Sequence[str]], dict[str, Sequence[str]]]:
    """A bad one, by name backwards, and the best there is."""
    return (
        dict.fromkeys(QUERIES, CHUNKS[::-1]),
        {query: sorted(CHUNKS, key=lambda c: -liking[query][c]) for query in QUERIES},
    )


@pytest.mark.parametrize("metric", METRICS)
def test_estimates_find_the_truth_of_rankings_never_shown(metric: str) -> None:
    liking = likings(1)
    logs = pooled(logged(liking, 2), {query: query for query in QUERIES})
    for ranking in rankings(liking):
        found = estimate(logs, lambda log: ranking[log.query], np.random.default_rng(3), metric, 5)  # noqa: B023
        truth = true_value(liking, ranking, metric, 5)
        for value in (found.ips, found.snips):
            assert value.estimate == pytest.approx(truth, rel=0.08)
        assert found.support == 1.0
        assert found.trusted


def test_the_better_ranking_is_known_before_anybody_saw_it() -> None:
    liking = likings(4)
    logs = pooled(logged(liking, 5), {query: query for query in QUERIES})
    bad, best = rankings(liking)
    told = compare(logs, lambda log: bad[log.query], lambda log: best[log.query], np.random.default_rng(6))
    truth = true_value(liking, best, "dcg", 10) - true_value(liking, bad, "dcg", 10)
    assert told.snips_gain.low > 0
    assert told.snips_gain.low <= truth <= told.snips_gain.high
    assert json.dumps(told.to_json(), allow_nan=False)
    same = compare(logs, lambda log: bad[log.query], lambda log: bad[log.query], np.random.default_rng(6))
    assert same.snips_gain.estimate == same.snips_gain.low == same.snips_gain.high == 0


def test_raw_clicks_would_have_told_the_wrong_story() -> None:
    """Two chunks as good as each other, one always on top: raw rates say it is better, the estimate does not."""
    rng = np.random.default_rng(7)
    events = [
        RetrievalEvent(
            f"e{n}", "q", None, "production", "u", "",
            tuple(
                Hit(c, rank, 0.0, "both", examination(rank), clicked=bool(rng.random() < 0.5 * examination(rank)))
                for c, rank in (("top", 1), ("low", 5))
            ),
        )
        for n in range(4000)
    ]  # fmt: skip
    (log,) = pooled(events, {"q": "q"})
    assert log.clicks["top"] / log.shows["top"] > 3 * log.clicks["low"] / log.shows["low"]
    first, second = (
        estimate([log], lambda _: order, rng, "reciprocal_rank", 1).ips.estimate  # noqa: B023
        for order in (["top", "low"], ["low", "top"])
    )
    assert first == pytest.approx(0.5, abs=0.04)
    assert second == pytest.approx(0.5, abs=0.08)


def test_clipping_bounds_a_click_and_costs_only_downwards() -> None:
    log = QueryLog("q", "q", 1000, {"a": 1.0}, {"a": 1.0}, {"a": 1})
    found = estimate([log], lambda _: ["a"], np.random.default_rng(0), "reciprocal_rank", 10, 0.1)
    assert found.ips.estimate == 1.0  # one click of a single look: says it is always relevant
    assert found.clipped.estimate == pytest.approx(0.01)
    assert found.largest_weight == 1000.0
    assert found.effective_sample_size == pytest.approx(1.0)
    assert not found.trusted


def test_what_was_never_listed_lowers_the_support() -> None:
    log = QueryLog("q", "q", 10, {"a": 10.0}, {"a": 5.0}, {"a": 10})
    found = estimate([log], lambda _: ["a", "new"], np.random.default_rng(0), "recall", 2)
    assert found.support == 0.5
    assert found.ips.estimate == 0.5  # the new one counts as worthless
    assert found.snips.estimate == 1.0  # or as worth what the rest is
    nothing = estimate([replace(log, looks={}, clicks={}, shows={})], lambda _: ["a"], np.random.default_rng(0))
    assert (nothing.support, nothing.snips.estimate, nothing.effective_sample_size) == (0.0, 0.0, 0.0)


def test_with_short_lists_the_self_normalised_estimate_is_nearer() -> None:
    liking = likings(8)
    _, best = rankings(liking)
    found = [
        estimate(
            pooled(logged(liking, seed, sessions=2, k=4), {query: query for query in QUERIES}),
            lambda log: best[log.query],
            np.random.default_rng(0),
        )
        for seed in range(12)
    ]
    truth = true_value(liking, best, "dcg", 10)
    ips, snips = (np.array([getattr(each, name).estimate for each in found]) for name in ("ips", "snips"))
    assert (ips < truth).all()  # half of the chunks was never in a list of 4, and counts as worthless
    assert abs(snips.mean() - truth) < abs(ips.mean() - truth) / 2
    assert all(each.support < 0.8 for each in found)
    assert all(math.isfinite(each.snips.high) for each in found)


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(ValueError, match="log is empty"):
        estimate([], lambda log: [], np.random.default_rng(0))
