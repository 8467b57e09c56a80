"""Second tries, corrected answers and citations as the database tells them: equal to the pure engine, and current."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from glow_pipelines.learning.retrieval.reformulations import reformulations
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent
from glow_pipelines.store import Store
from glow_pipelines.store.retrieval_sessions import Citations, Library, RetrievalSessions
from tests.api.calling import AGENT, call, register

START = datetime(2026, 5, 30, 20, tzinfo=UTC)
WORDS = ["cash back", "Cash back!", "refund", "roster plan", "ümlaut\nline"]


@pytest.fixture
def app(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, autocommit=True) as connection:
        register(connection)
        yield connection


@pytest.fixture
def store(app: psycopg.Connection[Any], database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def _search(app: psycopg.Connection[Any], event: str, query: str, hits: list[dict[str, Any]], **more: Any) -> None:
    listed = [{"rank": rank, "propensity": 1.0, **hit} for rank, hit in enumerate(hits, 1)]
    given = {"user_id": "u", "conversation_id": "s", "occurred_at": START, **more}
    call(app, "log_retrieval", event_id=event, agent=AGENT, query=query, hits=Jsonb(listed), **given)


def _qualified(tenant: str, id: str) -> str:
    return id if tenant == "default" else f"{tenant}\x1f{id}"


@pytest.mark.parametrize("seed", range(4))
def test_second_tries_are_those_of_the_pure_engine(app: psycopg.Connection[Any], store: Store, seed: int) -> None:
    dice, events = random.Random(seed), []
    for number in range(90):
        at = START + timedelta(minutes=dice.randrange(40))
        tenant, user = dice.choice(["default", "default", "other"]), dice.choice(["u", "u", "v", None])
        conversation, query = dice.choice(["s", "s", "t", None]), dice.choice(WORDS)
        hits = tuple(
            Hit(chunk, rank, 0.0, "both", 1.0, clicked=dice.random() < 0.15, explicit=dice.choice([-1, *[0] * 9, 1]))
            for rank, chunk in enumerate(dice.sample(["a", "b", "c"], dice.randrange(3)), 1)
        )
        told = [{"chunk_id": h.chunk_id, "clicked": h.clicked, "explicit": h.explicit} for h in hits]
        given = {"user_id": user, "conversation_id": conversation, "tenant": tenant, "occurred_at": at}
        _search(app, f"e{number}", query, told, **given)
        people = (_qualified(tenant, user) if user else "", _qualified(tenant, conversation) if conversation else "")
        id = _qualified(tenant, f"e{number}")
        events.append(RetrievalEvent(id, query, None, "production", *people, hits, at.timestamp() / 86400))
    with store.transaction() as t:
        found = RetrievalSessions(t.connection).reformulations(AGENT, t.feedback.horizon())
    expected = reformulations(events)
    assert len(expected) > 2
    key = [(p.user_id, p.conversation_id, p.event_ids) for p in expected]
    assert sorted((p.user_id, p.conversation_id, p.event_ids) for p in found) == sorted(key)
    by_ids = {p.event_ids: p for p in expected}
    for pair in found:
        assert (pair.first, pair.then, pair.liked) == (
            by_ids[pair.event_ids].first,
            by_ids[pair.event_ids].then,
            by_ids[pair.event_ids].liked,
        )
        assert pair.day == pytest.approx(by_ids[pair.event_ids].day)


def test_corrections_of_users_and_experts_are_read_while_they_stand(app: psycopg.Connection[Any], store: Store) -> None:
    for n in range(2):
        call(app, "log_execution", execution_id=f"x{n}", agent=AGENT, input="i", output="o")
        _search(app, f"e{n}", f"question {n}", [], execution_id=f"x{n}")
    for text in ("first thought", "It is the refund."):
        call(app, "submit_feedback", agent=AGENT, execution_id="x0", user_id="u", correction=text)
    call(app, "submit_annotation", execution_id="x1", reviewer="r", verdict="correct", output="An expert's answer.")
    with store.transaction() as t:
        found = RetrievalSessions(t.connection).corrected_answers(AGENT, t.feedback.horizon())
    assert sorted((c.query, c.text, c.user_id, c.source_id.split()[0]) for c in found) == [
        ("question 0", "It is the refund.", "u", "feedback"),
        ("question 1", "An expert's answer.", "r", "annotation"),
    ]


BODY = "Parcels leave on Monday. You may cancel within ten days of delivery. Refunds take a week or two."
BORDERS = [0, 25, 69, len(BODY)]


def _put(app: psycopg.Connection[Any]) -> None:
    """A document cut in three, as indexing leaves it."""
    app.execute(
        """insert into glow.documents (agent, document_id, title, body, content_hash)
           values (%(agent)s, 'd', 'Terms', %(body)s, glow.document_hash('Terms', %(body)s))""",
        {"agent": AGENT, "body": BODY},
    )
    app.execute(
        """insert into glow.chunkings (chunking, agent, parameters) values ('k', %s, '{"kind": "whole"}')""", [AGENT]
    )
    for n, (start, end) in enumerate(itertools.pairwise(BORDERS)):
        row = {"agent": AGENT, "id": f"d#{n}", "n": n, "a": start, "b": end, "text": f"Terms\n{BODY[start:end]}"}
        app.execute(
            """insert into glow.chunks (agent, chunk_id, chunking, document_id, document_hash, position, starts, ends,
                                        text, content_hash, words)
               select agent, %(id)s, 'k', 'd', content_hash, %(n)s, %(a)s, %(b)s, %(text)s, md5(%(text)s), 5
                 from glow.documents where agent = %(agent)s""",
            row,
        )
        app.execute(
            """insert into glow.live_chunks (agent, chunking, document_id, position, chunk_id, document_hash,
                                             starts, ends)
               select agent, 'k', 'd', %(n)s, %(id)s, content_hash, %(a)s, %(b)s
                 from glow.documents where agent = %(agent)s""",
            row,
        )


def _cited(store: Store) -> tuple[Library, Citations]:
    with store.transaction() as t:
        sessions = RetrievalSessions(t.connection)
        library = sessions.library(AGENT, "k")
        return library, sessions.citations(AGENT, "k", library, t.feedback.horizon())


def test_citations_are_what_answers_quote_across_chunks(app: psycopg.Connection[Any], store: Store) -> None:
    _put(app)
    answer = "You may cancel within ten days of delivery, and refunds take a week or two!"
    call(app, "log_execution", execution_id="x", agent=AGENT, input="i", output=answer)
    hits = [{"chunk_id": "d#1", "cited": True}, {"chunk_id": "d#2", "kept": True}, {"chunk_id": "d#0"}]
    _search(app, "e", "can I cancel", hits, execution_id="x")
    library, citations = _cited(store)
    assert library.chunks == {"d#0": ("d", 0, 25), "d#1": ("d", 25, 69), "d#2": ("d", 69, len(BODY))}
    (span,) = citations.spans  # two chunks, one passage
    assert BODY[span.starts : span.ends] == BODY[25:-1]
    assert (span.query, span.user_id, span.source_id) == ("can I cancel", "u", "e")
    assert citations.together == (frozenset({"d#1", "d#2"}),)


def test_a_corrected_answer_cites_and_a_disliked_one_does_not(app: psycopg.Connection[Any], store: Store) -> None:
    _put(app)
    for n in range(3):
        call(app, "log_execution", execution_id=f"x{n}", agent=AGENT, input="i", output=BODY[25:68])
        _search(app, f"e{n}", f"q{n}", [{"chunk_id": "d#0", "cited": True}], execution_id=f"x{n}")
    call(app, "submit_feedback", agent=AGENT, execution_id="x1", user_id="u", correction="Our parcels leave on Monday.")
    call(app, "submit_feedback", agent=AGENT, execution_id="x2", user_id="u", thumbs=-1)
    _, citations = _cited(store)
    assert citations.answers == 2
    assert [(s.source_id, BODY[s.starts : s.ends]) for s in citations.spans] == [("e1", "Parcels leave on Monday")]


def test_a_changed_document_is_cited_no_more(app: psycopg.Connection[Any], store: Store) -> None:
    _put(app)
    call(app, "log_execution", execution_id="x", agent=AGENT, input="i", output=BODY)
    _search(app, "e", "q", [{"chunk_id": "d#0", "cited": True}], execution_id="x")
    assert _cited(store)[1].spans
    app.execute("update glow.documents set body = 'x' || body, content_hash = glow.document_hash(title, 'x' || body)")
    library, citations = _cited(store)
    assert library.chunks == {}
    assert citations.spans == ()
