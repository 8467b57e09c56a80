"""glow_api.search against the engine: the same chunks in the same order with the same scores, whatever was learned."""

from uuid import uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from glow_pipelines.learning.retrieval import Chunk, Configuration, MemoryRow, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.interleaving import EventChance
from glow_pipelines.learning.retrieval.types import Expansion, unit
from tests.retrieval.search_world import put_agent, put_configuration, put_index, search

DIMENSIONS = 4
WORDS = ["tax", "refund", "travel", "meals", "office", "machine", "rent", "été", "größe", "invoice"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
WEIGHT = st.sampled_from([0.0, 0.25, 1.0, 2.0])
# Whole numbers: equal vectors are equal on both sides, and different ones differ by more than single precision.
VECTOR = st.lists(st.integers(-3, 3), min_size=DIMENSIONS, max_size=DIMENSIONS).filter(any).map(lambda v: unit([v])[0])


@st.composite
def worlds(draw: DrawFn) -> tuple[list[Chunk], Configuration]:
    n = draw(st.integers(1, 12))
    chunks = [Chunk(f"c{i}", f"d{i}", draw(TEXT), draw(st.none() | VECTOR) if i else draw(VECTOR)) for i in range(n)]
    liked, looked = st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.sampled_from([0.5, 4.0])
    memory = [
        MemoryRow(f"asked {q}", vector, f"c{c}", draw(liked), draw(looked), ())
        for q, vector in enumerate(draw(st.lists(VECTOR, max_size=3)))
        for c in draw(st.lists(st.integers(0, n), max_size=3, unique=True))
    ]
    expansions = [
        Expansion(draw(TEXT), tuple(draw(st.lists(TEXT, min_size=1, max_size=2))), draw(WEIGHT), 5, 5, 2.0, 0.1)
        for _ in range(draw(st.integers(0, 3)))
    ]
    adapter = draw(st.none() | st.lists(VECTOR, min_size=DIMENSIONS, max_size=DIMENSIONS).map(np.array))
    parameters = RetrievalParameters(
        dense_weight=draw(st.sampled_from([0.0, 1.0])),
        lexical_weight=draw(WEIGHT),
        memory_weight=draw(WEIGHT),
        shift=draw(st.sampled_from([0.0, 0.5])),
        prior_weight=draw(WEIGHT),
        adapter_weight=draw(st.sampled_from([0.0, 0.5, 1.0])),
        expansion_weight=draw(WEIGHT),
        pseudo_weight=draw(st.sampled_from([0.0, 0.5])),
        pseudo_depth=draw(st.sampled_from([1, 3])),
        base_attractiveness=draw(st.sampled_from([0.0, 0.2])),
        memory_neighbours=draw(st.sampled_from([1, 20])),
        dense_floor=draw(st.none() | st.sampled_from([0.0, 0.3])),
    )
    return chunks, Configuration(parameters, tuple(memory), adapter, tuple(expansions))


def exact_scores(index: RetrievalIndex, query: str, vector: np.ndarray | None) -> dict[str, float]:
    total = index.components(query, vector).total(index.parameters)
    return {chunk.id: float(score) for chunk, score in zip(index.chunks, total, strict=True) if np.isfinite(score)}


def assert_same(found: list[dict], expected: dict[str, float], k: int) -> None:
    """Ids and scores; chunks whose scores differ by less than single precision tells may stand either way round."""
    assert len(found) == min(k, len(expected))
    best = sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))
    for rank, (hit, (chunk_id, score)) in enumerate(zip(found, best, strict=False), 1):
        assert hit["rank"] == rank
        assert hit["score"] == pytest.approx(expected[hit["chunk_id"]], abs=5e-6)
        assert hit["chunk_id"] == chunk_id or expected[hit["chunk_id"]] == pytest.approx(score, abs=5e-6)


@given(world=worlds(), query=TEXT.filter(bool), vector=st.none() | VECTOR, k=st.integers(1, 15))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_search_scores_as_the_engine_does(
    connection: psycopg.Connection,
    world: tuple[list[Chunk], Configuration],
    query: str,
    vector: np.ndarray | None,
    k: int,
) -> None:
    chunks, configuration = world
    index = RetrievalIndex(chunks, configuration)
    agent = f"a{uuid4().hex}"
    try:
        put_agent(connection, agent)
        put_index(connection, agent, chunks, DIMENSIONS)
        put_configuration(connection, agent, configuration, index, agent)
        given_vector = None if vector is None else [float(x) for x in vector]
        answer = search(connection, agent, query, k=k, embedding=given_vector)
        assert answer["dense"] == (vector is not None)
        assert_same(answer["hits"], exact_scores(index, query, vector), k)
        drafted = search(connection, agent, query, k=k, embedding=given_vector, policy="interleave", event_id=agent)
        expected = index.interleave(query, vector, k, EventChance(agent))
        assert len(drafted["hits"]) == len(expected)
        for hit, scored in zip(drafted["hits"], expected, strict=True):
            assert hit["leg"] == scored.leg
            assert hit["propensity"] == pytest.approx(scored.propensity)
    finally:
        connection.rollback()
