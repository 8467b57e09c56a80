"""Indexing: what is searched is what the documents say, changes at once, and is embedded once."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg
import pytest

from glow_pipelines.learning.retrieval import Configuration, RetrievalIndex
from glow_pipelines.learning.retrieval.bm25 import Bm25
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.steps.retrieval import indexing
from glow_pipelines.steps.retrieval.indexing import index_agent
from glow_pipelines.store import Store
from glow_pipelines.store.documents import Documents
from glow_pipelines.store.noun import Row
from glow_pipelines.store.prompts import MoveRefused
from tests.api.logins import Logins
from tests.steps.dying import Died, dying
from tests.steps.indexing_world import AGENT, CountingModel, Library

TEXTS = {
    "travel": "Trams are paid back. Taxis are paid back after ten at night.",
    "meals": "A lunch with a customer is paid back. Tips are not.",
    "tools": "Licences are ordered by the desk.",
}
SENTENCES = {"kind": "sentences", "target": 50}


@pytest.fixture
def library(database_url: str) -> Iterator[Library]:
    library = Library(database_url)
    library.put(**TEXTS)
    yield library
    library.close()


def sound(library: Library) -> None:
    """Every ready index is exactly the live chunks, and they are the documents."""
    with library.store.transaction() as t:
        assert t.retrieval_index.incomplete(AGENT) == []
        assert t.retrieval_index.behind(AGENT) == 0


def test_documents_are_searched_once_they_are_indexed(library: Library) -> None:
    report = index_agent(library.services, AGENT)
    assert (report.documents, report.added, report.removed, report.embedded, len(report.built)) == (3, 3, 0, 3, 1)
    assert library.searched() == dict(sorted(TEXTS.items()))
    sound(library)
    again = index_agent(library.services, AGENT)
    assert (again.documents, again.added, again.embedded, again.built) == (0, 0, 0, ())
    with library.store.transaction() as t:
        current = t.retrieval.in_force(AGENT)
        assert current is not None
        assert current.configuration == Configuration(chunking=current.chunking, model="toy").sha256
        assert [(row["alias"], row["moved_by"]) for row in t.retrieval.history(AGENT)] == [("production", "pipeline")]


def test_large_documents_are_cut_a_few_at_a_time(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []
    read = Documents.by_id

    def by_id(self: Documents, agent: str, ids: Sequence[str]) -> list[Row]:
        taken.append(list(ids))
        return read(self, agent, ids)

    monkeypatch.setattr(Documents, "by_id", by_id)
    monkeypatch.setattr(indexing, "CHARACTERS", 110)
    library.put(essay="Trams are paid back. " * 10)
    assert index_agent(library.services, AGENT).documents == 4
    assert taken == [["essay"], ["meals", "tools"], ["travel"]]
    monkeypatch.setattr(indexing, "DOCUMENTS", 2)
    taken.clear()
    library.put(**{name: f"Of {name}." for name in "abc"})
    index_agent(library.services, AGENT)
    assert taken == [["a", "b"], ["c"]]


def test_only_what_changed_is_embedded_and_a_retired_document_leaves(library: Library) -> None:
    index_agent(library.services, AGENT)
    library.put(meals="A lunch with a customer is paid back. Tips are, too.")
    library.client.retire_document(AGENT, "tools")
    report = index_agent(library.services, AGENT)
    assert (report.documents, report.added, report.removed, report.embedded, report.built) == (1, 1, 2, 1, ())
    assert set(library.searched()) == {"meals", "travel"}
    sound(library)
    library.put(meals=TEXTS["meals"], tools=TEXTS["tools"])
    back = index_agent(library.services, AGENT)
    assert (back.added, back.removed, back.embedded) == (2, 1, 0)
    assert library.searched() == dict(sorted(TEXTS.items()))
    assert set(library.model.asked.values()) == {1}
    sound(library)


def test_a_passage_that_stays_keeps_its_id_where_it_moves_to(library: Library) -> None:
    with library.store.transaction() as t:
        t.documents.add_chunking(AGENT, SENTENCES)
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        before = {chunk.text: chunk.id for chunk in t.retrieval.chunks(AGENT)}
    library.put(travel="Ask before you book a flight to a far place. " + TEXTS["travel"])
    report = index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        after = {chunk.text: chunk.id for chunk in t.retrieval.chunks(AGENT)}
        spans = t.connection.execute(
            "select l.starts, l.ends, c.text, d.body from glow.live_chunks l join glow.chunks c using (agent, chunk_id)"
            "  join glow.documents d on d.agent = l.agent and d.document_id = l.document_id"
        ).fetchall()
    staying = set(before) & set(after)
    assert len(staying) >= 3
    assert all(before[text] == after[text] for text in staying)
    assert (report.added, report.removed) == (len(after) - len(staying), len(before) - len(staying))
    assert all(row["text"].endswith(row["body"][row["starts"] : row["ends"]]) for row in spans)
    sound(library)


def test_feedback_is_carried_over_to_what_took_the_place_of_a_chunk(library: Library) -> None:
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        chunking = t.documents.current_chunking(AGENT)
        assert chunking is not None
        old = {chunk.document_id: chunk.id for chunk in t.retrieval.chunks(AGENT)}
    library.put(
        travel=TEXTS["travel"] + " Bicycles, too.",  # nearly all of it stays
        meals="Who eats alone pays alone.",  # nothing does
    )
    index_agent(library.services, AGENT)
    library.put(travel=TEXTS["travel"] + " Bicycles and boats, too.")
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        new = {chunk.document_id: chunk.id for chunk in t.retrieval.chunks(AGENT)}
        heirs = t.documents.heirs(AGENT, chunking)
    assert heirs[old["travel"]] == [new["travel"]], "over two changes"
    assert old["meals"] not in heirs
    library.put(travel=TEXTS["travel"])
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        assert old["travel"] not in t.documents.heirs(AGENT, chunking), "it is live again itself"


def test_a_chunking_that_is_cut_anew_says_where_each_chunk_went(library: Library) -> None:
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        whole = {chunk.document_id: chunk.id for chunk in t.retrieval.chunks(AGENT)}
        first = t.documents.current_chunking(AGENT)
        finer = t.documents.add_chunking(AGENT, SENTENCES, first)
        t.retrieval_index.begin(AGENT, finer, "toy", 8)
    report = index_agent(library.services, AGENT)
    assert len(report.built) == 1
    assert library.searched() == dict(sorted(TEXTS.items())), "the old one is in force"
    with library.store.transaction() as t:
        rows = t.connection.execute("select chunk_id, successor, overlap from glow.chunk_successors").fetchall()
    parts = [row for row in rows if row["chunk_id"] == whole["travel"]]
    assert len(parts) == 2
    assert sum(row["overlap"] for row in parts) == pytest.approx(1, abs=0.03)
    assert [row["overlap"] for row in rows if row["chunk_id"] == whole["tools"]] == [1.0]


def test_a_new_model_is_a_new_index_and_the_old_one_serves_until_the_new_is_whole(library: Library) -> None:
    index_agent(library.services, AGENT)
    library.model = CountingModel("finer", 12)
    report = index_agent(library.services, AGENT)
    assert (report.embedded, len(report.built), report.unserved) == (3, 1, ("toy",))
    library.put(travel="Walk.")
    report = index_agent(library.services, AGENT)
    assert library.searched()["travel"] == "Walk."
    with library.store.transaction() as t:
        gaps = t.retrieval_index.incomplete(AGENT)
        assert [(row["model"], row["missing"], row["stray"], row["unembedded"]) for row in gaps] == [("toy", 0, 0, 1)]
        chunking = t.documents.current_chunking(AGENT)
        assert chunking is not None
        better = Configuration(chunking=chunking, model="finer")
        t.retrieval_configurations.write(AGENT, RetrievalIndex([], better), None)
        assert t.retrieval.move_alias(AGENT, better.sha256, "me", "another model")
        assert {len(chunk.embedding) for chunk in t.retrieval.chunks(AGENT) if chunk.embedding is not None} == {12}
        unbuilt = Configuration(chunking=chunking, model="nobody")
        t.retrieval_configurations.write(AGENT, RetrievalIndex([], unbuilt), None)
    with library.store.transaction() as t, pytest.raises(MoveRefused, match="no index that is ready"):
        t.retrieval.move_alias(AGENT, unbuilt.sha256, "me", "why")


def bm25(library: Library, query: str) -> dict[str, float]:
    """By the tables alone, as a search computes it: once by the entries' weights, once by the postings."""
    with library.store.transaction() as t:
        rows = t.connection.execute(
            "select i.index_number, i.chunks as n, t.term, t.term_number, t.chunks from glow.retrieval_indexes i"
            "  join glow.index_terms t using (index_number) where i.state = 'ready' and t.term = any(%s)",
            (terms(query),),
        ).fetchall()
        idf = {r["term_number"]: math.log1p((r["n"] - r["chunks"] + 0.5) / (r["chunks"] + 0.5)) for r in rows}
        asked = "{" + ",".join(f"{number}:{weight}" for number, weight in sorted(idf.items())) + "}/1000000000"
        exact = t.connection.execute(
            "select e.chunk_id, -(e.lexical <#> %s::sparsevec) as score from glow.retrieval_indexes i"
            "  join glow.index_entries e using (index_number) where i.state = 'ready'",
            (asked,),
        ).fetchall()
        posted: dict[str, float] = {}
        for row in t.connection.execute(
            "select e.chunk_id, p.term_number, p.weight from glow.retrieval_indexes i"
            "  join glow.index_postings p using (index_number) join glow.index_entries e using (index_number, entry)"
            " where i.state = 'ready'"
        ).fetchall():
            posted[row["chunk_id"]] = posted.get(row["chunk_id"], 0) + row["weight"] * idf.get(row["term_number"], 0)
    found = {row["chunk_id"]: row["score"] for row in exact}
    assert found == pytest.approx({chunk: posted.get(chunk, 0.0) for chunk in found}, abs=1e-5)
    return found


def test_the_weights_are_bm25_also_after_changes(library: Library) -> None:
    index_agent(library.services, AGENT)
    query = "is a taxi paid back at night"
    for n in range(6):
        with library.store.transaction() as t:
            chunks = t.retrieval.chunks(AGENT)
        texts = [chunk.text for chunk in chunks]
        with library.store.transaction() as t:
            (average,) = (index.average_words for index in t.retrieval_index.all(AGENT))
        mine = bm25(library, query)
        model = Bm25(texts)
        lengths = [len(terms(text)) for text in texts]
        now = sum(lengths) / len(lengths)
        assert abs(now / average - 1) <= 0.1
        scores = dict(zip((chunk.id for chunk in chunks), model.scores(query), strict=True))
        assert mine == pytest.approx(scores, rel=0.06)
        if now == pytest.approx(average):
            assert mine == pytest.approx(scores, abs=1e-5)
        library.put(**{f"d{n}": " ".join(["Taxi rides at night"] * (n + 1)), "travel": f"{n} taxis"})
        index_agent(library.services, AGENT)
        sound(library)


def test_a_hostile_text_is_indexed_like_any_other(library: Library) -> None:
    library.put(
        hostile="\\N \\. \\x41 {1:2}/3 'quoted\" \t\r\n \u0430\u0301 \U0001f600 " + "x" * 5000,
        many=" ".join(f"w{n}" for n in range(20_000)),
        empty="  ",
    )
    library.client.put_document(AGENT, "d" * 200, "", "a document with a long id")
    index_agent(library.services, AGENT)
    sound(library)
    library.put(hostile="\\", many="w1", empty="\n")
    index_agent(library.services, AGENT)
    sound(library)
    with library.store.transaction() as t:
        assert max(len(chunk.id) for chunk in t.retrieval.chunks(AGENT)) <= 200


def states(library: Library) -> tuple[Any, ...]:
    with library.store.transaction() as t:
        return tuple(t.connection.execute("select state from glow.retrieval_indexes order by 1").fetchall())


@pytest.mark.parametrize("change", ["document", "model", "chunking"])
def test_a_death_anywhere_leaves_the_old_index_in_force_and_the_next_run_goes_on(
    library: Library, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """At every statement and commit there is; what was embedded before a death is not embedded again after it."""
    index_agent(library.services, AGENT)
    at, steps = 0, None
    while steps is None or at <= steps:
        word = f"Round {at} of many."
        with library.store.transaction() as t:  # or every round would have more indexes to keep than the one before
            for index in t.retrieval_index.all(AGENT):
                if (index.chunking, index.model) not in t.retrieval_index.wanted(AGENT):
                    t.retrieval_index.retire(index.index_number)
        library.put(travel=f"{TEXTS['travel']} {word}")
        if change == "model":
            library.model = CountingModel(f"model {at}")
        elif change == "chunking":
            with library.store.transaction() as t:
                chunking = t.documents.add_chunking(AGENT, {"kind": "sentences", "target": 51 + at})
                t.retrieval_index.begin(AGENT, chunking, library.model.name, 8)
        library.model.asked.clear()
        before = library.searched()
        try:
            with dying(monkeypatch, at) as made:
                index_agent(library.services, AGENT)
            steps = len(made)
        except Died:
            found = library.searched()
            assert found in (before, before | {"travel": f"{TEXTS['travel']} {word}"}), "half of it"
            with library.store.transaction() as t:
                assert [g for g in t.retrieval_index.incomplete(AGENT) if g["missing"] or g["stray"]] == []
        index_agent(library.services, AGENT)
        assert library.searched()["travel"].replace("|", " ").endswith(word)
        twice = [text for text, times in library.model.asked.items() if times > 1]
        # A death between the model's answer and the commit that keeps it loses this one batch.
        assert len(twice) <= 3
        at += 1 if change == "document" else 3
    assert at > 10


def test_what_nothing_searches_any_more_is_removed_in_time(library: Library, connection: psycopg.Connection) -> None:
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        chunking = t.documents.add_chunking(AGENT, SENTENCES)
        t.retrieval_index.begin(AGENT, chunking, "toy", 8)
    index_agent(library.services, AGENT)
    assert len(states(library)) == 2
    connection.autocommit = True
    connection.execute("update glow.retrieval_indexes set built_at = now() - interval '8 days'")
    index_agent(library.services, AGENT)
    assert [row["state"] for row in states(library)] == ["ready", "retired"]
    connection.execute(
        "update glow.retrieval_indexes set retired_at = now() - interval '2 hours' where state = 'retired'"
    )
    tables = "select relname from pg_class where relname ~ '^index_entries_[0-9]+$'"
    assert len(connection.execute(tables).fetchall()) == 2
    index_agent(library.services, AGENT)
    assert len(connection.execute(tables).fetchall()) == 1
    assert len(library.searched()) == 3


def test_python_searches_what_is_stored(library: Library) -> None:
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        index = RetrievalIndex(t.retrieval.chunks(AGENT))
    asked = library.model.embed([index.chunks[0].text])[0].astype(np.float64)
    assert index.search(re.sub(r"\W", " ", index.chunks[0].text), asked, 1)[0].chunk_id == index.chunks[0].id


def test_the_pipelines_own_login_has_the_rights_that_indexing_needs(library: Library) -> None:
    with Logins(library.url) as logins:
        _, url = logins.make("glow_pipeline")
        store, library.store = library.store, Store(url)
        index_agent(library.services, AGENT)
        library.put(travel="Walk.")
        library.client.retire_document(AGENT, "meals")
        index_agent(library.services, AGENT)
        assert library.searched() == {"tools": TEXTS["tools"], "travel": "Walk."}
        with library.store.transaction() as t, pytest.raises(psycopg.errors.InsufficientPrivilege):
            t.connection.execute("insert into glow.index_entries_1 select * from glow.index_entries")
        library.store.close()
        library.store = store
