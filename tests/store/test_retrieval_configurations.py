"""A configuration in the database is the configuration that was learned: it ranks the same, and never changes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
import pytest
from psycopg import sql

from glow_pipelines.learning.retrieval import (
    Configuration,
    Expansion,
    MemoryRow,
    RetrievalIndex,
    RetrievalParameters,
)
from glow_pipelines.learning.retrieval.types import unit
from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.steps.indexing_world import AGENT, Library

PARAMETERS = RetrievalParameters(
    memory_weight=2.0, shift=0.3, prior_weight=0.1, adapter_weight=1.0, expansion_weight=1.0, pseudo_weight=0.8
)


@pytest.fixture
def library(database_url: str) -> Iterator[Library]:
    library = Library(database_url)
    library.put(travel="Trains and taxis.", meals="Lunch with clients.", rent="Rooms and desks.")
    index_agent(library.services, AGENT)
    yield library
    library.close()


def learned(library: Library) -> RetrievalIndex:
    rng = np.random.default_rng(0)
    with library.store.transaction() as t:
        chunks, first = t.retrieval.chunks(AGENT), t.retrieval.in_force(AGENT)
    assert first is not None
    vector = library.model.embed(["a question"])[0].astype(np.float64)
    memory = [MemoryRow("a question", vector, chunks[0].id, 0.9, 3.5, ("e1", "e2"))]
    memory.append(MemoryRow("a question", vector, chunks[1].id, 1 / 3, 2.0, ("e1",)))
    adapter = (np.eye(8) + 0.1 * rng.normal(size=(8, 8))).astype(np.float32).astype(np.float64)
    rule = Expansion("business lunch", ("meal", "client's"), 0.5, 6, 4, 3.0, 0.01, ("e1",))
    parameters = replace(PARAMETERS, base_attractiveness=0.25)
    configuration = Configuration(parameters, tuple(memory), adapter, (rule,), first.chunking, first.model)
    return RetrievalIndex(chunks, configuration)


def test_what_comes_back_is_what_was_written(library: Library) -> None:
    index = learned(library)
    with library.store.transaction() as t:
        address = t.retrieval_configurations.write(AGENT, index, None)
        assert t.retrieval_configurations.write(AGENT, index, None) == address, "written once"
        again = t.retrieval_configurations.read(address)
        moved = t.retrieval_configurations.moved(address)
        assert t.retrieval_configurations.read("0" * 64) is None
    assert again is not None
    assert again.sha256 == address == index.configuration.sha256
    assert again.adapter == pytest.approx(index.configuration.adapter)
    twin = index.reconfigured(again)
    for question in ("a question", "business lunch", "trains"):
        asked = library.model.embed([question])[0].astype(np.float64)
        ours, theirs = index.search(question, asked, 3), twin.search(question, asked, 3)
        assert [s.chunk_id for s in ours] == [s.chunk_id for s in theirs]
        assert [s.score for s in ours] == pytest.approx([s.score for s in theirs], abs=1e-5)
    liked = index.configuration.memory[0].chunk_id
    assert set(moved) >= {liked}
    own = next(chunk.embedding for chunk in index.chunks if chunk.id == liked)
    assert own is not None
    assert moved[liked] @ unit(index.configuration.memory[0].embedding) > own @ index.configuration.memory[0].embedding


def test_a_transaction_that_fails_leaves_nothing_of_a_configuration(library: Library) -> None:
    index = learned(library)
    rule = replace(index.configuration.expansions[0], adds=())
    broken = index.reconfigured(replace(index.configuration, expansions=(rule,)))
    with pytest.raises(psycopg.errors.CheckViolation), library.store.transaction() as t:
        t.retrieval_configurations.write(AGENT, broken, None)
    with library.store.transaction() as t:
        assert t.retrieval_configurations.read(broken.configuration.sha256) is None
        for name in ("memory", "adapters", "expansions", "shifts"):
            table = sql.Identifier("glow", f"retrieval_{name}")
            row = t.connection.execute(sql.SQL("select count(*) as rows from {}").format(table)).fetchone()
            assert row == {"rows": 0}


@pytest.mark.parametrize("table", ["retrieval_adapters", "retrieval_shifts"])
def test_what_was_learned_never_changes(library: Library, table: str) -> None:
    with library.store.transaction() as t:
        t.retrieval_configurations.write(AGENT, learned(library), None)
    with pytest.raises(psycopg.Error, match=table), library.store.transaction() as t:
        t.connection.execute(sql.SQL("delete from {}").format(sql.Identifier("glow", table)))
