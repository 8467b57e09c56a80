"""Queries that nothing answers, and who gets shown."""

import json

import numpy as np
import pytest

from glow_pipelines.learning.retrieval.missing import QueryOutcome, medoid, missing_content
from glow_pipelines.learning.retrieval.popularity import gini, popularity_drift, score_drift
from glow_pipelines.learning.retrieval.types import Vector, unit


def around(centre: int, spread: float, rng: np.random.Generator) -> Vector:
    return unit(np.eye(16)[centre] + spread * rng.normal(size=16))


@pytest.fixture
def embeddings() -> dict[str, Vector]:
    rng = np.random.default_rng(0)
    found = {f"visa {n}": around(0, 0.02 if n else 0.0, rng) for n in range(4)}
    return found | {f"taxi {n}": around(1, 0.02, rng) for n in range(4)} | {"odd": around(2, 0.0, rng)}


def test_a_topic_nobody_answers_is_named_by_its_typical_question(embeddings: dict[str, Vector]) -> None:
    asked = [QueryOutcome(f"visa {n}", 10, 6, 9, 9, empty=1, low=4, rephrased=6, rejected=3) for n in range(4)]
    asked += [QueryOutcome(f"taxi {n}", 50, 30, 45, 4, rephrased=4) for n in range(4)]
    asked += [QueryOutcome("odd", 2, 2, 2, 2, empty=2), QueryOutcome("no vector", 90, 80, 80, 90)]
    (found,) = missing_content(asked, embeddings)
    assert found.medoid == "visa 0"
    assert (found.queries, found.events, found.unanswered, found.users) == (4, 40, 36, 24)
    assert found.reasons == {"empty": 4, "low": 16, "rephrased": 24, "rejected": 12}
    assert found.share.low > 0.5
    assert found.share.estimate == pytest.approx(0.9)
    assert json.dumps(found.to_json(), allow_nan=False)


def test_one_user_asking_ten_times_is_no_witness_for_ten(embeddings: dict[str, Vector]) -> None:
    assert missing_content([QueryOutcome("visa 0", 30, 1, 1, 30, rephrased=30)], embeddings) == []
    assert missing_content([QueryOutcome("visa 0", 30, 2, 2, 30, rephrased=30)], embeddings) == []
    assert len(missing_content([QueryOutcome("visa 0", 30, 6, 6, 30, rephrased=30)], embeddings)) == 1


def test_a_medoid_is_pulled_by_how_often_queries_are_asked() -> None:
    vectors = {"a": np.array([1.0, 0.0]), "b": np.array([0.8, 0.6]), "c": np.array([0.0, 1.0])}
    assert medoid(["a", "b", "c"], [1, 1, 1], vectors) == "b"
    assert medoid(["a", "b", "c"], [9, 1, 1], vectors) == "a"


def test_gini() -> None:
    assert gini([5, 5, 5, 5]) == pytest.approx(0.0)
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([0, 0]) is None


def test_popularity_that_feeds_on_itself_is_seen() -> None:
    chunks = [f"c{i}" for i in range(50)]
    even = dict.fromkeys(chunks, 20)
    steady = popularity_drift(even, {name: 20 + i % 3 for i, name in enumerate(chunks)}, (100, 100), chunks)
    assert not steady.collapsing
    assert not steady.drift.matters
    assert steady.risen == ()
    loop = popularity_drift(
        even, {**dict.fromkeys(chunks[:45], 2), **dict.fromkeys(chunks[45:], 90)}, (100, 100), chunks
    )
    assert loop.collapsing
    assert loop.drift.matters
    assert {name for name, _, _ in loop.risen} == set(chunks[45:])
    assert json.dumps(loop.to_json(), allow_nan=False)
    nothing = popularity_drift({}, {}, (0, 0), chunks)
    assert (nothing.gini, nothing.overlap, nothing.collapsing) == ((None, None), None, False)


def test_scores_that_sank_drift_and_small_samples_do_not() -> None:
    assert not score_drift([100] * 10, [103, 97] * 5).matters
    assert score_drift([100] * 10, [300, 200, 100, 50, 50, 50, 50, 50, 50, 100]).matters
    assert not score_drift([2] * 10, [4, 0] * 5).matters
