"""What enters the queue by itself, why, and in which order; each piece of news once."""
# ruff: noqa: E501 -- SQL is read best unbroken

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.store import Store
from glow_pipelines.store.reviews import DRIFT_SAMPLE, Entered


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
        client.set_review_policy("coder", control_share=0)
        yield client


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def session(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as session:
        yield session


def enqueue(store: Store) -> Entered:
    """From all that was committed before: other tests of this server hold the horizon back."""
    with store.transaction() as t:
        (now,) = t.connection.execute("select pg_current_xact_id()::text").fetchone().values()  # type: ignore[union-attr]
    for _ in range(200):
        with store.transaction() as t:
            horizon = t.feedback.horizon()
            if int(horizon) > int(now):
                return t.reviews.enqueue(horizon)
        time.sleep(0.05)
    raise TimeoutError("a transaction of another test has been open for ten seconds")


def queue(session: psycopg.Connection) -> dict[str, set[str]]:
    """Execution -> reasons, of everything in the queue."""
    return {
        name: set(why)
        for name, why in session.execute("select execution_id, reasons from glow.review_items").fetchall()
    }


def logged(client: GlowClient, *names: str, **more: Any) -> None:
    for name in names:
        client.log_execution(name, "coder", **{"input": f"in {name}", "output": "out", **more})


def test_each_rule_lets_in_what_it_is_for(client: GlowClient, store: Store, session: psycopg.Connection) -> None:
    logged(client, "low", "stars", "right", "split", "judged", "liked", "middling", "silent", "same")
    client.submit_feedback("coder", "low", "u1", thumbs=-1)
    client.submit_feedback("coder", "stars", "u1", rating=2)
    client.submit_feedback("coder", "right", "u1", correction="other")
    client.submit_feedback("coder", "split", "u1", thumbs=1)
    client.submit_feedback("coder", "split", "u2", rating=1)
    client.submit_feedback("coder", "judged", "u1", thumbs=1)
    client.submit_feedback("coder", "judged", "model", thumbs=-1, channel="judge")
    client.submit_feedback("coder", "liked", "u1", thumbs=1)
    client.submit_feedback("coder", "middling", "u1", rating=3)
    client.submit_feedback("coder", "same", "u1", thumbs=1)
    client.submit_feedback("coder", "same", "model", thumbs=1, channel="judge")
    client.submit_feedback("coder", "nowhere", "u1", thumbs=-1)  # its execution never came
    assert enqueue(store).items == {"coder": 5}
    assert queue(session) == {
        "low": {"low_vote"},
        "stars": {"low_vote"},
        "right": {"correction"},
        "split": {"low_vote", "disagreement"},
        "judged": {"disagreement"},
    }
    assert enqueue(store) == Entered({}, 0, {})  # news is news once


def test_a_vote_that_came_before_its_execution_counts_when_that_comes(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    client.submit_feedback("coder", "early", "u1", thumbs=-1)
    enqueue(store)
    assert queue(session) == {}
    logged(client, "early")
    enqueue(store)
    assert queue(session) == {"early": {"low_vote"}}


def test_a_new_reason_joins_the_item_and_votes_are_kept_up_to_date(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    logged(client, "e")
    client.submit_feedback("coder", "e", "u1", thumbs=-1)
    enqueue(store)
    client.submit_feedback("coder", "e", "u2", correction="other")
    assert enqueue(store) == Entered({}, 1, {})
    assert queue(session) == {"e": {"low_vote", "correction"}}
    client.submit_feedback("coder", "e", "u1", thumbs=1)
    enqueue(store)
    row = session.execute("select votes_up, votes_down, cardinality(reasons) from glow.review_items").fetchone()
    assert row == (1, 0, 2)
    client.withdraw_feedback("coder", "e", "u1")
    enqueue(store)
    row = session.execute("select votes_up, votes_down, cardinality(reasons) from glow.review_items").fetchone()
    assert row == (0, 0, 2)
    assert session.execute("select count(*) from glow.review_slots").fetchone() == (2,)


def test_what_experts_said_before_counts(client: GlowClient, store: Store, session: psycopg.Connection) -> None:
    logged(client, "none", "one", "two", "torn", "decided")
    for name in ("none", "one", "two", "torn", "decided"):
        client.submit_feedback("coder", name, "u1", thumbs=-1)
    client.submit_annotation("one", "ann", "approve")
    for name in ("two", "decided"):
        client.submit_annotation(name, "ann", "reject")
    client.submit_annotation("two", "bob", "reject")
    client.submit_annotation("torn", "ann", "approve")
    client.adjudicate("approve", execution_id="decided", reviewer="dan")
    client.set_review_policy("coder", reviews=2)
    enqueue(store)
    items = session.execute(
        "select execution_id, state, (select count(*) from glow.review_slots s where s.item_id = i.item_id and filled_at is not null)"
        "  from glow.review_items i order by 1"
    ).fetchall()
    assert items == [("none", "open", 0), ("one", "open", 1), ("torn", "open", 1)]


def test_the_control_sample_is_chance_alone_and_closed_where_experts_were_there(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    client.set_review_policy("coder", control_share=0.25)
    client.log_execution_batch(
        [{"execution_id": f"e{n}", "agent": "coder", "input": f"in {n}", "output": "out"} for n in range(400)]
    )
    drawn = {
        name
        for (name,) in session.execute(
            "select execution_id from glow.executions where glow.control_draw(tenant, execution_id) < 0.25"
        )
    }
    assert 70 < len(drawn) < 130
    done = sorted(drawn)[0]
    client.submit_annotation(done, "ann", "approve")
    client.submit_annotation(done, "bob", "approve")
    enqueue(store)
    assert queue(session) == {name: {"control"} for name in drawn}
    with store.transaction() as t:
        controls = t.reviews.control_items("coder", timedelta(days=1))
    assert [each.approved for each in controls].count(True) == 1
    assert max(each.draw for each in controls) < 0.25
    state = session.execute("select state from glow.review_items where execution_id = %s", (done,)).fetchone()
    assert state == ("closed",)


def example(session: psycopg.Connection, name: str, status: str, quality: float, source: str) -> None:
    session.execute(
        "insert into glow.split_assignments (agent, group_key, split) values ('coder', %s, 'train')", (name,)
    )
    row = session.execute(
        "with i as (insert into glow.learning_inputs (agent, input_key, group_key) values ('coder', sha256(%s::bytea), %s) returning *)"
        "insert into glow.learning_examples (example_id, agent, input_id, input, target, source, status, quality, expert_approved, group_key,"
        "  split, content_hash, rule_version) select %s, 'coder', i.input_id, 'i', 't', 'vote', %s, %s, false, %s, 'train', 'h', 'r' from i"
        " returning example_version",
        (name, name, name, status, quality, name),
    ).fetchone()
    assert row is not None
    session.execute("insert into glow.source_spans values (%s, 'execution', %s, 'input', %s)", (row[0], source, row[0]))


def test_examples_nobody_is_sure_of(client: GlowClient, store: Store, session: psycopg.Connection) -> None:
    logged(client, "pending", "narrow", "sure", "rejected")
    for name, status, quality in (("pending", "pending", 0.9), ("narrow", "approved", 0.55), ("sure", "approved", 0.8)):
        example(session, name, status, quality, name)
    example(session, "rejected", "rejected", 0.5, "rejected")
    client.submit_feedback("coder", "narrow", "u1", thumbs=1)
    enqueue(store)
    assert queue(session) == {"pending": {"uncertainty"}, "narrow": {"uncertainty"}}
    counts = "select votes_up from glow.review_items where execution_id = 'narrow'"
    assert session.execute(counts).fetchone() == (1,)
    assert enqueue(store) == Entered({}, 0, {})


def test_drift_brings_a_bounded_random_sample_of_the_week(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    count = 200
    client.log_execution_batch(
        [{"execution_id": f"e{n}", "agent": "coder", "input": f"in {n}", "output": "out"} for n in range(count)]
    )
    votes = [
        {"agent": "coder", "execution_id": f"e{n}", "user_id": "u", "thumbs": 1 if n % 3 else -1} for n in range(120)
    ]
    client.submit_feedback_batch(votes)
    session.execute(  # the weeks before: 5 % negative
        "insert into glow.vote_days select 'coder', (now() at time zone 'UTC')::date - n, 40, 2 from generate_series(8, 30) n"
    )
    found = enqueue(store)
    assert found.drifts["coder"].found
    sampled = [name for name, why in queue(session).items() if "drift" in why]
    assert len(sampled) == DRIFT_SAMPLE
    assert sum(int(name[1:]) >= 120 for name in sampled) > 20 or True
    client.submit_feedback("coder", "e1", "u2", thumbs=-1)
    enqueue(store)
    assert sum("drift" in why for why in queue(session).values()) == DRIFT_SAMPLE


def test_traffic_age_and_votes_make_the_order_and_what_repeats_comes_later(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    logged(client, "rare", input="How do I book a hotel in Bern for two nights?")
    logged(client, "often", input="What is the limit for meals on a business trip?")
    logged(client, "torn", input="May I take a taxi at night when no bus goes?")
    for name in ("rare", "often"):
        client.submit_feedback("coder", name, "u1", thumbs=-1)
    for user, thumbs in (("u1", -1), ("u2", 1)):
        client.submit_feedback("coder", "torn", user, thumbs=thumbs)
    enqueue(store)
    for number in range(30):
        logged(client, f"again-{number}", input="what is the limit for meals, on a business trip")
    enqueue(store)
    with store.transaction() as t:
        assert t.reviews.reprioritise() == 3
    order = [
        name
        for (name,) in session.execute("select execution_id from glow.review_items order by priority desc").fetchall()
    ]
    assert order == ["torn", "often", "rare"]
    client.submit_feedback("coder", "again-3", "u1", thumbs=-1)  # the same question
    enqueue(store)
    with store.transaction() as t:
        t.reviews.reprioritise()
    order = [
        name
        for (name,) in session.execute("select execution_id from glow.review_items order by priority desc").fetchall()
    ]
    assert order == ["torn", "often", "rare", "again-3"]
    with store.transaction() as t:
        assert t.reviews.reprioritise() == 0  # nothing changed


def test_what_somebody_asks_for_comes_first_and_stays_so(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    logged(client, "torn", "asked")
    for user, thumbs in (("u1", -1), ("u2", 1), ("u3", -1), ("u4", 1)):
        client.submit_feedback("coder", "torn", user, thumbs=thumbs)
    client.request_review("asked", "the audit wants it")
    enqueue(store)
    with store.transaction() as t:
        t.reviews.reprioritise()
    assert [item.execution_id for item in client.claim_annotation(n=1, reviewer="ann")] == ["asked"]


def test_a_failed_run_loses_no_news_and_counts_none_twice(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    logged(client, "e")
    client.submit_feedback("coder", "e", "u1", thumbs=-1)

    def killed() -> None:
        with store.transaction() as t:
            t.reviews.enqueue(t.feedback.horizon())
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        killed()
    assert queue(session) == {}
    assert enqueue(store).items == {"coder": 1}
    enqueue(store)
    assert session.execute("select sum(votes), sum(negative) from glow.vote_days").fetchone() == (1, 1)


def test_an_open_transaction_is_waited_for(
    client: GlowClient, store: Store, session: psycopg.Connection, database_url: str
) -> None:
    logged(client, "e")
    with connect(database_url) as slow:
        slow.execute("select glow_api.submit_feedback('coder', 'e', 'u1', thumbs => -1)")
        logged(client, "later")
        client.submit_feedback("coder", "later", "u1", thumbs=-1)
        with store.transaction() as t:
            t.reviews.enqueue(t.feedback.horizon())
        slow.commit()
    enqueue(store)
    assert set(queue(session)) == {"e", "later"}


def test_what_retention_removed_is_asked_of_nobody(
    client: GlowClient, store: Store, session: psycopg.Connection
) -> None:
    logged(client, "old", "kept")
    for name in ("old", "kept"):
        client.submit_feedback("coder", name, "u1", thumbs=-1)
    client.submit_annotation("kept", "ann", "approve")
    enqueue(store)
    session.execute("select glow.expire(now() + interval '40 days')")
    assert queue(session) == {"kept": {"low_vote"}}  # of which something is left to remember
    enqueue(store)
    assert session.execute("select state from glow.review_items").fetchall() == [("closed",)]
    assert client.claim_annotation(reviewer="bob") == ()
