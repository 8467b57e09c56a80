"""Indexing and searching at the same time: documents that change under way, and what a search sees of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.steps.indexing_world import AGENT, Library
from tests.steps.test_indexing import TEXTS, sound


@pytest.fixture
def library(database_url: str) -> Iterator[Library]:
    library = Library(database_url)
    library.put(**TEXTS)
    yield library
    library.close()


def test_a_document_that_changes_while_it_is_indexed_does_not_leave_the_searches(library: Library) -> None:
    index_agent(library.services, AGENT)
    library.put(travel="Trams are paid back twice.")
    embed = library.model.embed

    def meanwhile(texts: Any) -> Any:
        library.put(travel="Trams are not paid back.")
        return embed(texts)

    library.model.embed = meanwhile  # type: ignore[method-assign]
    index_agent(library.services, AGENT)
    assert library.searched()["travel"] == "Trams are paid back twice."
    with library.store.transaction() as t:
        assert (t.retrieval_index.incomplete(AGENT), t.retrieval_index.behind(AGENT)) == ([], 1)
    index_agent(library.services, AGENT)
    assert library.searched()["travel"] == "Trams are not paid back."
    sound(library)


def test_a_hit_is_of_one_version_until_the_next_indexing(library: Library) -> None:
    index_agent(library.services, AGENT)
    library.client.put_document(AGENT, "meals", "New title", "A lunch is paid back never.")
    old = library.client.search(AGENT, "lunch", event_id="e").hits[0]
    assert (old.title, old.text) == ("About meals", "About meals\n" + TEXTS["meals"])
    index_agent(library.services, AGENT)
    new = library.client.search(AGENT, "lunch").hits[0]
    assert (new.title, new.text) == ("New title", "New title\nA lunch is paid back never.")
    assert library.client.search(AGENT, "lunch", event_id="e").hits == (old,)


def test_a_question_of_more_words_than_a_sparse_vector_holds(library: Library) -> None:
    words = [f"{n:04x}" for n in range(4096, 4096 + 19_000)]
    library.put(first=" ".join(words[:9_500]), second=" ".join(words[9_500:]))
    index_agent(library.services, AGENT)
    for policy in ("production", "interleave"):
        hits = library.client.search(AGENT, " ".join(words), embedding=[1.0] + [0.0] * 7, policy=policy).hits
        assert {"first", "second"} <= {hit.document_id for hit in hits}


def test_an_index_that_grows_after_the_plan_of_a_search_was_read(library: Library) -> None:
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        (row,) = t.connection.execute("select glow_api.plan_search(%s, null)::text as plan", [AGENT]).fetchall()
    library.put(**{f"d{n}": "taxi" + " tram" * (n % 2) for n in range(40)})
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        found = t.connection.execute(
            "select chunk_id, lexical from glow_api.found_chunks("
            "%s::glow_api.search_plan, '{taxi,tram,rare}', '{1,1,1}', null, null, 10, false)",
            [row["plan"]],
        ).fetchall()
    assert len(found) == 10
    assert all(each["lexical"] > 0 for each in found)
