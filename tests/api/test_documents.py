"""The knowledge base as apps and engineers see it."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.client.errors import GlowError
from glow_pipelines.client.results import Refusal
from glow_pipelines.learning.retrieval import Configuration, RetrievalIndex, RetrievalParameters
from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.api import calling
from tests.api.calling import Refused, attempt, call
from tests.api.logins import Logins
from tests.steps.indexing_world import AGENT, Library


@pytest.fixture
def library(database_url: str) -> Iterator[Library]:
    library = Library(database_url)
    yield library
    library.close()


@pytest.fixture
def client(library: Library) -> GlowClient:
    return library.client


def test_a_document_is_put_once_and_retired_once(library: Library, client: GlowClient) -> None:
    first = client.put_document(AGENT, "d", "Title", "Some words.")
    assert first.status == "accepted"
    assert client.put_document(AGENT, "d", "Title", "Some words.").status == "unchanged"
    assert client.put_document(AGENT, "d", "Titl", "eSome words.").content_hash != first.content_hash
    (seen,) = client.documents(AGENT)
    assert (seen.chunks, seen.indexed, seen.retired_at) == (0, False, None)
    index_agent(library.services, AGENT)
    (seen,) = client.documents(AGENT)
    assert (seen.chunks, seen.indexed) == (1, True)
    assert client.retire_document(AGENT, "d").status == "retired"
    assert client.retire_document(AGENT, "d").status == "unchanged"
    (seen,) = client.documents(AGENT)
    assert (seen.chunks, seen.indexed) == (1, False)
    index_agent(library.services, AGENT)
    (seen,) = client.documents(AGENT)
    assert (seen.chunks, seen.indexed) == (0, True)
    assert client.put_document(AGENT, "d", "Titl", "eSome words.").status == "accepted"


def test_of_many_documents_a_wrong_one_stops_no_other(client: GlowClient) -> None:
    good = {"document_id": "a", "title": "", "body": "words"}
    told = client.put_documents(
        AGENT,
        [
            good,
            {**good, "document_id": "b\n"},
            {**good, "body": ""},
            {**good, "more": "x"},
            {**good, "title": "t" * 1001},
            {**good, "title": None},
            {**good, "document_id": "z"},
        ],
    )
    fields = [each.field if isinstance(each, Refusal) else each.status for each in told]
    assert fields == ["accepted", "document_id", "body", "documents", "title", "documents", "accepted"]
    assert [each.document_id for each in client.documents(AGENT, after="a")] == ["z"]


def test_what_is_wrong_with_a_document_is_said(client: GlowClient) -> None:
    with pytest.raises(GlowError, match="body"):
        client.put_document(AGENT, "d", "t", "")
    with pytest.raises(GlowError, match="body: '10000001 bytes'"):
        client.put_document(AGENT, "d", "t", "x" * 10_000_001)
    with pytest.raises(GlowError, match="agent"):
        client.put_document("nobody", "d", "t", "words")
    with pytest.raises(GlowError, match="document_id: 'lost'"):
        client.retire_document(AGENT, "lost")
    with pytest.raises(GlowError, match="most"):
        client.documents(AGENT, 0)


def test_retrieval_is_put_back_in_one_call_and_not_twice(library: Library, client: GlowClient) -> None:
    with pytest.raises(GlowError, match="no retrieval configuration in force"):
        client.rollback_retrieval(AGENT, "bad")
    client.put_document(AGENT, "d", "Title", "Some words.")
    index_agent(library.services, AGENT)
    with pytest.raises(GlowError, match="no previous"):
        client.rollback_retrieval(AGENT, "bad")
    with library.store.transaction() as t:
        first = t.retrieval.in_force(AGENT)
        assert first is not None
        tuned = Configuration(RetrievalParameters(lexical_weight=2), chunking=first.chunking, model=first.model)
        t.retrieval_configurations.write(AGENT, RetrievalIndex([], tuned), first.configuration)
        assert t.retrieval.move_alias(AGENT, tuned.sha256, "me", "better", expected=first.revision)
        assert not t.retrieval.move_alias(AGENT, tuned.sha256, "me", "better")
    done = client.rollback_retrieval(AGENT, "finds nothing")
    assert (done.configuration, done.rolled_back) == (first.configuration, tuned.sha256)
    with pytest.raises(GlowError, match="no previous"):
        client.rollback_retrieval(AGENT, "again")
    with pytest.raises(GlowError, match="never in force"):
        client.rollback_retrieval(AGENT, "bad", "0" * 64)
    with pytest.raises(GlowError, match="in force already"):
        client.rollback_retrieval(AGENT, "bad", first.configuration)
    assert client.rollback_retrieval(AGENT, "it was right", tuned.sha256).rolled_back == first.configuration
    moves = [(each.alias, each.move, each.reason) for each in client.retrieval_history(AGENT)]
    assert moves == [
        ("production", "rollback", "it was right"),
        ("previous", "rollback", "finds nothing"),
        ("production", "rollback", "finds nothing"),
        ("previous", "move", "better"),
        ("production", "move", "better"),
        ("production", "move", "the first index of the agent is ready"),
    ]
    with library.store.transaction() as t:
        for index in t.retrieval_index.all(AGENT):
            t.retrieval_index.retire(index.index_number)
    with pytest.raises(GlowError, match="no index that is ready"):
        client.rollback_retrieval(AGENT, "bad", first.configuration)


def test_a_login_of_one_tenant_changes_no_document_that_every_tenant_reads(logins: Logins) -> None:
    own = f"own-{uuid4().hex}"
    call(logins.admin, "register_agent", agent=own, tenant="default", prompt={"instruction": "Answer."})
    bound, unbound = logins.connect("glow_app", tenant="default"), logins.connect("glow_app")
    everywhere = logins.connect("glow_app", tenant=None, note="all tenants")
    for function in ("put_document", "put_documents", "retire_document"):
        arguments = calling.GOOD[function](1)
        for app in (bound, unbound):
            told = attempt(app, function, **arguments)
            assert isinstance(told, Refused), function
            assert told.code == "PT403"
            assert told.message.startswith("agent")
            assert "a login that serves all tenants" in told.hint
            call(app, function, **{**arguments, "agent": own})
        call(everywhere, function, **arguments)
        call(everywhere, function, **{**arguments, "tenant": "default"})


def test_a_login_that_speaks_for_one_person_changes_no_document(logins: Logins) -> None:
    app = logins.connect("glow_app", tenant="default", person="ann")
    for function in ("put_document", "put_documents", "retire_document"):
        with pytest.raises(psycopg.Error, match="login") as refused:
            calling.call(app, function, **calling.GOOD[function](1))
        assert refused.value.sqlstate == "PT403"
