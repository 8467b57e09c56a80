"""Figures of a log with intervals, and quality on judged queries."""

import json

import numpy as np
import pytest

from glow_pipelines.learning.retrieval import Judgement, RagTrainer, RetrievalIndex
from glow_pipelines.learning.retrieval.analysis import describe, tallied
from glow_pipelines.learning.retrieval.evaluation import judged_report
from glow_pipelines.learning.retrieval.figures import Tally, figures
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent
from tests.learning.retrieval.retrieval_world import build


def event(n: int, conversation: str, *hits: Hit, configuration: str | None = None, day: float = 0.0) -> RetrievalEvent:
    return RetrievalEvent(f"e{n}", f"q{n}", None, "production", "u", conversation, hits, day, configuration)


def test_every_figure_by_hand() -> None:
    events = [
        event(
            0, "c1", Hit("a", 1, 0, "both", 1, score_dense=0.8), Hit("b", 2, 0, "both", 0.5, clicked=True, cited=True)
        ),
        event(1, "c1", Hit("a", 1, 0, "both", 1, score_dense=0.2, explicit=-1, clicked=True)),
        event(2, "c2", configuration="x", day=8.0),
        event(3, "c3", Hit("a", 1, 0, "both", 1, kept=True), Hit("b", 2, 0, "both", 1, clicked=True)),
    ]
    slices = {(part.kind, part.name): part for part in describe(events, ["a", "b", "c"], topic_of={"q3": "t"}).slices}
    found = {name: interval.estimate for name, interval in slices["all", ""].figures.items()}
    assert found == pytest.approx(
        {
            "zero_hit_rate": 1 / 4,
            "low_score_rate": 1 / 2,
            "liked_rate": 2 / 3,
            "rejected_rate": 1 / 3,
            "citation_rate": 1 / 3,
            "first_liked_rank": 1.5,
            "logged_mrr": 0.5,
            "liked_in_first_5": 1.0,
        }
    )
    assert (slices["all", ""].events, slices["all", ""].clusters) == (4, 3)
    assert slices["configuration", "x"].figures["zero_hit_rate"].estimate == 1.0
    assert slices["topic", "t"].events == 1
    assert {name for kind, name in slices if kind == "week"} == {"0", "1"}
    json.dumps(describe(events, []).to_json(), allow_nan=False)


def test_intervals_hold_the_truth_as_often_as_they_say_with_alike_conversations() -> None:
    """Conversations of ten events that mostly agree: intervals of events alone would hold it half as often."""
    held = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        tallies = [
            Tally({}, f"c{n}", {"events": 10.0, "listed": 10.0, "liked": float(rng.binomial(10, rate))})
            for n, rate in enumerate(rng.beta(0.6, 1.4, size=80))
        ]
        (part,) = figures(tallies, "all", rng)
        held += part.figures["liked_rate"].low <= 0.3 <= part.figures["liked_rate"].high
    assert 0.89 <= held / 150 <= 0.99


def test_buckets_of_conversations_say_what_conversations_say() -> None:
    rng = np.random.default_rng(1)
    alone = [
        Tally({}, f"c{n}", {"events": 5.0, "listed": 5.0, "liked": float(rng.binomial(5, rate))})
        for n, rate in enumerate(rng.beta(1, 2, size=4000))
    ]
    bucketed = [Tally({}, f"b{n % 400}", tally.sums) for n, tally in enumerate(alone)]
    one, other = (figures(each, "all", rng)[0].figures["liked_rate"] for each in (alone, bucketed))
    assert one.estimate == other.estimate
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.15)


def test_the_same_seed_tells_the_same_and_one_cluster_tells_no_spread() -> None:
    events = [event(n, f"c{n % 7}", Hit("a", 1, 0, "both", 1, clicked=n % 3 == 0)) for n in range(40)]
    assert describe(events, ["a"], seed=3) == describe(events, ["a"], seed=3)
    (part,) = figures(tallied(events[:1], {}), "all", np.random.default_rng(0))
    assert part.figures["liked_rate"].low == part.figures["liked_rate"].high == 1.0
    assert figures([], "all", np.random.default_rng(0)) == []


def test_sparse_judgements_are_told_and_condensed() -> None:
    world = build(2)
    index = RetrievalIndex(world.chunks)
    trainer = RagTrainer(world.embed, 2)
    full = trainer.judged(
        [
            Judgement(query, chunk.id, float(world.answers[query] == chunk.id))
            for query in {each.query: None for each in world.held_out}
            for chunk in world.chunks
        ]
    )
    report = judged_report(index, full, np.random.default_rng(0))
    assert (report.judged_at_10, report.condensed, report.note) == (1.0, None, "")
    assert report.figures["mrr@10"].low <= report.figures["mrr@10"].estimate <= report.figures["mrr@10"].high
    assert report.figures["precision@5"].estimate == pytest.approx(
        np.mean([world.answers[q.query] in index.ranking(q.query, q.embedding)[:5] for q in full]) / 5
    )
    sparse = judged_report(index, trainer.judged(world.held_out), np.random.default_rng(0))
    assert sparse.judged_at_10 < 0.5
    assert "condensed" in sparse.note
    assert sparse.condensed is not None
    assert sparse.condensed["ndcg@10"].estimate == 1.0
    json.dumps(sparse.to_json(), allow_nan=False)
    with pytest.raises(ValueError, match="no judged query"):
        judged_report(index, [], np.random.default_rng(0))
