"""What the database sums of a search log, against the same log summed in memory and by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.learning.retrieval.analysis import LOW_SCORE
from glow_pipelines.learning.retrieval.figures import figures
from glow_pipelines.store import Store
from glow_pipelines.store.retrieval_analytics import NoSuchConfiguration, Period
from tests.api.calling import AGENT, Refused, attempt, call, execution, feedback, register
from tests.retrieval.searching import seed

NOW = datetime.now(UTC)
ALL = Period(AGENT, NOW - timedelta(days=60), NOW + timedelta(days=1))


@pytest.fixture
def store(database_url: str, connection: psycopg.Connection) -> Iterator[Store]:
    register(connection)
    connection.commit()
    store = Store(database_url)
    yield store
    store.close()


def search(connection: psycopg.Connection, n: int, conversation: str, query: str, *hits: dict[str, Any]) -> None:
    numbered = [{"rank": rank, **hit} for rank, hit in enumerate(hits, 1)]
    call(
        connection, "log_retrieval", event_id=f"s-{n}", agent=AGENT, query=query, hits=Jsonb(numbered),
        execution_id=f"e-{n}", user_id=f"u-{conversation}", conversation_id=conversation,
        occurred_at=NOW - timedelta(minutes=60 - n),
    )  # fmt: skip


def embed(connection: psycopg.Connection, **vectors: str) -> None:
    for query, vector in vectors.items():
        connection.execute(
            "insert into glow.embeddings (model, content_hash, embedding)"
            " values ('m', encode(sha256(convert_to(%s, 'UTF8')), 'hex'), %s::vector)",
            (query.replace("_", " "), vector),
        )


@pytest.fixture
def told(store: Store, connection: psycopg.Connection) -> psycopg.Connection:
    """Five searches: liked below a rejected hit, asked again in other words, empty, judged by an expert, cited."""
    a, b = {"chunk_id": "a", "score_dense": 0.8}, {"chunk_id": "b", "score_dense": 0.2}
    search(connection, 1, "c1", "visa rules", {**a, "explicit": -1, "clicked": True}, {**b, "clicked": True})
    search(connection, 2, "c2", "visa fee", b)
    search(connection, 3, "c2", "cost of a visa")
    search(connection, 4, "c3", "visa rules", {**a, "explicit": 1, "expert": True}, b)
    search(connection, 5, "c4", "taxi", {**a, "cited": True}, {**b, "cited": True})
    for n, thumbs in ((5, 1), (2, -1)):
        call(connection, "log_execution", **{**execution(n), "conversation_id": None})
        vote = {"thumbs": thumbs, "issues": ["irrelevant"] if thumbs < 0 else []}
        call(connection, "submit_feedback", **{**feedback(n), **vote})
    embed(connection, visa_fee="[1,0.1]", cost_of_a_visa="[1,0]", visa_rules="[0.9,0.3]", taxi="[0,1]")
    connection.commit()
    return connection


def test_every_sum_by_hand(told: psycopg.Connection, store: Store) -> None:
    with store.transaction() as t:
        tallies = t.retrieval_analytics.tallies(ALL, LOW_SCORE)
        totals = t.retrieval_analytics.totals(ALL)
    (part,) = figures(tallies, "all", np.random.default_rng(0))
    assert {name: interval.estimate for name, interval in part.figures.items()} == pytest.approx(
        {
            "zero_hit_rate": 1 / 5,
            "low_score_rate": 1 / 4,
            "liked_rate": 1 / 4,  # an expert's thumb is no liking
            "rejected_rate": 1 / 4,
            "citation_rate": 1 / 4,
            "answer_support_rate": 1.0,
            "first_liked_rank": 2.0,
            "logged_mrr": 0.5 / 4,
            "liked_in_first_5": 1 / 4,
        }
    )
    assert (totals["events"], totals["users"], totals["conversations"]) == (5, 4, 4)


def test_the_face_tells_the_same(told: psycopg.Connection, store: Store) -> None:
    rows = call(told, "retrieval_performance", agent=AGENT)
    said = {row[2]: row[3] for row in rows if row[0] == "all"}
    assert said["zero_hit_rate"] == pytest.approx(0.2)
    assert said["answer_support_rate"] == 1.0
    assert said["first_liked_rank"] == 2.0
    assert said["top_hub_share"] == 1.0  # b is in each of the four lists
    assert {row[0] for row in rows} == {"all", "policy", "configuration", "week"}
    assert call(told, "retrieval_performance", agent=AGENT, until=NOW - timedelta(days=3)) == []
    answer = attempt(told, "retrieval_performance", agent=AGENT, since=NOW, until=NOW)
    assert isinstance(answer, Refused)
    assert answer.code == "PT422"


def test_limits_of_the_face_and_of_the_bootstrap_agree(store: Store, connection: psycopg.Connection) -> None:
    seed(connection, AGENT, 3000)
    with store.transaction() as t:
        tallies = t.retrieval_analytics.tallies(ALL, LOW_SCORE)
    (part,) = figures(tallies, "all", np.random.default_rng(0))
    rows = [row for row in call(connection, "retrieval_performance", agent=AGENT) if row[0] == "all"]
    said = {row[2]: row for row in rows}
    for name in ("citation_rate", "logged_mrr", "liked_in_first_5"):
        found = part.figures[name]
        assert said[name][3] == pytest.approx(found.estimate)
        assert said[name][5] - said[name][4] == pytest.approx(found.high - found.low, rel=0.25)
    assert said["citation_rate"][6:] == (3000, 751)
    assert said["latency_p50_ms"][3:6] == (pytest.approx(24.5, abs=0.6), None, None)
    assert {each.name for each in figures(tallies, "configuration", np.random.default_rng(0))} == {"old", "new"}


def test_what_was_asked_again_in_other_words_was_not_answered(told: psycopg.Connection, store: Store) -> None:
    with store.transaction() as t:
        outcomes, vectors = t.retrieval_analytics.query_outcomes(ALL, "m", LOW_SCORE, 0.8, 100)
    found = {each.query: each for each in outcomes}
    fee = found["visa fee"]
    assert (fee.unanswered, fee.rephrased, fee.low, fee.rejected, fee.empty) == (1, 1, 1, 1, 0)
    assert (found["cost of a visa"].empty, found["cost of a visa"].rephrased) == (1, 0)
    assert found["visa rules"].unanswered == 0  # once answered, once merely not clicked: silence proves nothing
    assert found["taxi"].unanswered == 0
    assert set(vectors) == {"visa fee", "cost of a visa", "visa rules", "taxi"}
    with store.transaction() as t:
        strict, _ = t.retrieval_analytics.query_outcomes(ALL, "other model", LOW_SCORE, 0.8, 100)
    assert sum(each.rephrased for each in strict) == 0


def test_pairs_count_conversations_once(store: Store, connection: psycopg.Connection) -> None:
    hits = [{"chunk_id": name, "cited": name != "z"} for name in "abz"]
    for n in range(12):
        search(connection, n, f"c{n % 6}", "same", *hits)
    search(connection, 20, "c7", "same", hits[0])
    connection.commit()
    with store.transaction() as t:
        found = t.retrieval_analytics.co_retrieval(ALL, "m", 5)
    assert found.conversations == 7
    assert {tuple(sorted((p.first, p.second))): (p.together, p.cited_together) for p in found.pairs} == {
        ("a", "b"): (6, 6),
        ("a", "z"): (6, 0),
        ("b", "z"): (6, 0),
    }
    assert found.shown_in == {"a": 7, "b": 6, "z": 6}
    assert found.cited_in == {"a": 7, "b": 6, "z": 0}


def test_logs_by_query_exposures_and_judgements(told: psycopg.Connection, store: Store) -> None:
    with store.transaction() as t:
        logs = {each.query: each for each in t.retrieval_analytics.query_logs(ALL, 10)}
        exposures = t.retrieval_analytics.exposures(ALL, NOW - timedelta(minutes=57, seconds=30))
        judged = t.retrieval_analytics.judgements(ALL)
    assert logs["visa rules"].events == 2
    assert logs["visa rules"].looks == {"a": 2.0, "b": 1.0}
    assert logs["visa rules"].clicks == {"a": 0.0, "b": 1.0}
    assert logs["cost of a visa"].shows == {}
    assert exposures.before == {"a": 1, "b": 2}
    assert exposures.after == {"a": 2, "b": 2}
    assert exposures.lists == (2, 2)
    assert [(each.query, each.chunk_id, each.grade) for each in judged] == [("visa rules", "a", 1.0)]


def test_scores_before_make_the_bins_of_scores_after(store: Store, connection: psycopg.Connection) -> None:
    for n in range(40):
        search(connection, n, f"c{n}", "q", {"chunk_id": "a", "score_dense": n / 100 if n < 30 else 0.0})
    connection.commit()
    with store.transaction() as t:
        before, after = t.retrieval_analytics.score_bins(ALL, NOW - timedelta(minutes=30, seconds=30))
    assert sum(before) == 30
    assert max(before) - min(before) <= 1
    assert after == [10] + [0] * 9


def test_a_configuration_nobody_has_is_refused(store: Store) -> None:
    with store.transaction() as t, pytest.raises(NoSuchConfiguration, match="no such configuration"):
        t.retrieval_analytics.configuration(AGENT, "production")
