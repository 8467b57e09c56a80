"""Signals in the database: equal to the pure engine's whatever came when, counted once, and erased."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime

import psycopg
import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from glow_pipelines.learning.retrieval.signals import heirs
from glow_pipelines.learning.retrieval.types import Signal
from glow_pipelines.store import Store
from tests.api.calling import AGENT, call, one, register
from tests.incremental.reading import settle
from tests.store.searching import Log, fold, folded


@pytest.fixture
def url(database_url: str) -> str:
    with connect(database_url) as connection:
        register(connection)
    return database_url


@pytest.fixture
def app(url: str) -> Iterator[psycopg.Connection]:
    with connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


def assert_equal(found: Sequence[Signal], expected: Sequence[Signal]) -> None:
    def exact(signals: Sequence[Signal]) -> list[tuple[object, ...]]:
        return [(s.query, s.chunk_id, s.user_id, s.explicit, s.day, s.event_ids) for s in signals]

    assert exact(found) == exact(expected)
    assert [s.credit for s in found] == pytest.approx([s.credit for s in expected])
    assert [s.looks for s in found] == pytest.approx([s.looks for s in expected])


def search(
    connection: psycopg.Connection, event: str, *hits: dict[str, object], query: str = "how", **more: object
) -> None:
    listed = [{"rank": rank, **hit} for rank, hit in enumerate(hits, 1)]
    given = {"user_id": "u", "occurred_at": datetime.fromisoformat("2026-06-01T10:00:00Z"), **more}
    call(connection, "log_retrieval", event_id=event, agent=AGENT, query=query, hits=Jsonb(listed), **given)


@pytest.mark.parametrize("seed", range(6))
def test_any_number_of_folds_of_any_log_is_the_pure_engine(
    url: str, app: psycopg.Connection, store: Store, seed: int
) -> None:
    log = Log(app, random.Random(seed))
    log.begin()
    for _ in range(log.dice.choice([1, 4, 10])):
        for _ in range(log.dice.randrange(1, 40)):
            log.step()
        settle(url)
        fold(store, log.dice.choice([1, 3, 1000]))
        assert_equal(folded(store), log.signals())
    assert fold(store) == 0


def test_folding_again_from_the_beginning_changes_nothing(url: str, app: psycopg.Connection, store: Store) -> None:
    log = Log(app, random.Random(1))
    log.begin()
    for _ in range(60):
        log.step()
    settle(url)
    fold(store, 5)
    app.execute("update glow.watermarks set xid = '0' where consumer = 'retrieval_signals'")
    assert fold(store, 7) > 0
    assert_equal(folded(store), log.signals())


def test_what_is_not_behind_the_horizon_waits_and_a_late_click_counts_once(
    url: str, app: psycopg.Connection, store: Store
) -> None:
    with connect(url) as slow:
        search(slow, "early", {"chunk_id": "a"})
        search(app, "later", {"chunk_id": "a", "clicked": True}, query="other")
        assert fold(store) == 0
        slow.commit()
    settle(url)
    assert fold(store) == 2
    search(app, "early", {"chunk_id": "a", "clicked": True})
    settle(url)
    assert fold(store) == 1
    assert [(s.credit, s.looks) for s in folded(store)] == [(1.0, 1.0), (1.0, 1.0)]


def test_one_transaction_of_many_searches_is_taken_whole(url: str, app: psycopg.Connection, store: Store) -> None:
    with app.transaction():
        for n in range(7):
            search(app, f"s{n}", {"chunk_id": "a"}, query=f"q{n}")
    search(app, "after", {"chunk_id": "a"}, query="after")
    settle(url)
    with store.transaction() as t:
        first = t.retrieval_signals.fold(AGENT, t.feedback.horizon(), most=3)
    assert (first.visits, first.done) == (7, False)
    assert fold(store) == 1


def test_a_changed_vote_is_news_of_the_searches_behind_the_answer(
    url: str, app: psycopg.Connection, store: Store
) -> None:
    search(
        app,
        "s",
        {"chunk_id": "a", "cited": True},
        {"chunk_id": "b", "cited": True},
        {"chunk_id": "c"},
        execution_id="x",
    )

    def vote(**said: object) -> list[tuple[float, float]]:
        call(app, "submit_feedback", agent=AGENT, execution_id="x", user_id="u", **said)
        settle(url)
        assert fold(store) == 1
        return [(round(s.credit, 3), round(s.looks, 3)) for s in folded(store)]

    silent = (0.0, 0.333)
    assert vote(thumbs=1) == [(1.0, 1.0), (1.0, 1.0), silent]
    assert vote(thumbs=-1) == [(0.5, 1.0), (0.5, 0.5), silent], "bad answers are given from good sources too"
    assert vote(thumbs=-1, issues=["wrong_source"]) == [(0.0, 1.0), (0.0, 1.0), silent]
    call(app, "submit_feedback", agent=AGENT, execution_id="x", user_id="stranger", thumbs=1)
    settle(url)
    fold(store)
    assert [s.credit for s in folded(store)] == [0, 0, 0], "another's vote is not this person's"


def test_agents_with_news_are_those_behind(url: str, app: psycopg.Connection, store: Store) -> None:
    def behind() -> list[str]:
        settle(url)
        with store.transaction() as t:
            return t.retrieval_signals.behind(t.feedback.horizon())

    call(app, "submit_feedback", agent=AGENT, execution_id="x", user_id="u", thumbs=1)
    assert behind() == [], "votes alone, and never a search"
    search(app, "s", {"chunk_id": "a"})
    assert behind() == [AGENT]
    fold(store)
    assert behind() == []
    call(app, "submit_feedback", agent=AGENT, execution_id="x", user_id="u", thumbs=-1)
    assert behind() == [AGENT]


def test_the_signals_of_an_erased_person_go_and_what_others_said_stays(
    url: str, app: psycopg.Connection, store: Store
) -> None:
    call(
        app, "log_execution", execution_id="x", agent=AGENT, input="i", output="o", user_id="u", conversation_id="talk"
    )
    search(app, "mine", {"chunk_id": "a", "clicked": True}, query="my secret", conversation_id="talk")
    search(app, "shared", {"chunk_id": "a"}, conversation_id="talk")
    search(app, "in my talk", {"chunk_id": "a"}, query="of my talk", user_id=None, conversation_id="talk")
    search(app, "of my run", {"chunk_id": "a", "clicked": True}, user_id=None, execution_id="x")
    search(app, "nobody's", {"chunk_id": "a"}, user_id=None)
    search(app, "theirs", {"chunk_id": "a"}, user_id="other")
    settle(url)
    fold(store)
    assert {s.event_ids for s in folded(store) if s.user_id == ""} == {("nobody's", "of my run")}
    seen = call(app, "erase_subject", subject="u")
    told = call(app, "erase_subject", subject="u", dry_run=False, confirm=seen["confirm"])
    assert told["tables"]["retrieval_signals"] == 4
    assert told["tables"]["retrieval_queries"] == 2
    assert [s.user_id for s in folded(store)] == ["other"]
    settle(url)
    assert fold(store) == 1
    assert [(s.user_id, s.credit, s.event_ids) for s in folded(store)] == [
        ("", 0.0, ("nobody's",)),
        ("other", 0.0, ("theirs",)),
    ]
    assert one(app, "select array_agg(query) from glow.retrieval_queries") == ["how"]


def test_retention_takes_signals_with_their_searches(url: str, app: psycopg.Connection, store: Store) -> None:
    search(app, "s", {"chunk_id": "a"})
    settle(url)
    fold(store)
    app.execute("update glow.retrieval_signals set oldest = oldest - interval '3 months'")
    app.execute("select glow.expire(now() - interval '1 month')")
    assert folded(store) == []


def test_searches_are_read_as_logged_and_later_only_what_is_new(
    url: str, app: psycopg.Connection, store: Store
) -> None:
    log = Log(app, random.Random(5))
    log.begin()
    for _ in range(40):
        log.step()
    settle(url)
    logged = sorted((event for _, _, event in log.events.values()), key=lambda event: event.id)
    with store.transaction() as t:
        read, mark = t.retrieval.events(AGENT), t.feedback.horizon()
        assert [each.hits for each in read] == [each.hits for each in logged]
        assert [(e.id, e.query, e.policy, e.user_id, e.day) for e in read] == [
            (e.id, e.query, e.policy, e.user_id, pytest.approx(e.day)) for e in logged
        ]
        assert t.retrieval.events(AGENT, mark) == []
    search(app, "new", {"chunk_id": "a"})
    search(app, "of another question", query="what else")
    log.send(log.arguments[logged[0].id], logged[0].hits)
    with store.transaction() as t:
        pages = list(t.retrieval.pages_of_events(AGENT, mark, most=2))
        assert [len(page) for page in pages] == [2, 1]
        assert {e.id for page in pages for e in page} == {"new", "of another question", logged[0].id}
        (page,) = t.retrieval.pages_of_events(AGENT, queries=["what else"])
        assert [(e.id, e.hits) for e in page] == [("of another question", ())]


def test_the_newest_searches_tell_the_curve_and_how_much_was_explored(
    url: str, app: psycopg.Connection, store: Store
) -> None:
    for n in range(6):
        search(
            app,
            f"s{n}",
            {"chunk_id": "a", "clicked": n > 3},
            {"chunk_id": "b"},
            policy="explore" if n % 2 else "production",
        )
    settle(url)
    with store.transaction() as t:
        horizon = t.feedback.horizon()
        signals = t.retrieval_signals
        assert signals.explored(AGENT, horizon) == 0.5
        assert signals.explored(AGENT, horizon, most=1) == 1
        assert signals.explored("nobody", horizon) == 0
        assert [e.id for e in t.retrieval.events(AGENT, signals.recent(AGENT, horizon, most=2))] == ["s4", "s5"]
        assert len(t.retrieval.events(AGENT, signals.recent(AGENT, horizon))) == 6
        seen = signals.exposures(AGENT, horizon, most=3)
    assert (seen.shown.sum(), seen.clicked.sum(), seen.mixed.sum()) == (6, 2, 2)


def test_chunks_that_inherit_are_read(app: psycopg.Connection, store: Store) -> None:
    app.execute("alter table glow.chunk_successors disable trigger all")
    app.execute(
        "insert into glow.chunk_successors (agent, chunk_id, successor, jaccard, overlap) values"
        " (%(a)s, 'old', 'new', 0.95, 0), (%(a)s, 'cut', 'part', 0.2, 0.9), (%(a)s, 'gone', 'other', 0.5, 0.5)",
        {"a": AGENT},
    )
    with store.transaction() as t:
        found = heirs(t.retrieval_signals.successors(AGENT), ["new", "part", "other"], ["old", "cut", "gone"])
    assert found == {"old": "new", "cut": "part"}
