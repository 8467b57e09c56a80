"""glow_api.search as apps call it: rights, refusals, policies, what is logged and what is shown again."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.client import AsyncGlowClient, GlowClient
from glow_pipelines.database import connect
from glow_pipelines.learning.experiments.assignment import Trial
from glow_pipelines.learning.retrieval import Chunk, Configuration, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.interleaving import EventChance
from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.api.calling import Refused, attempt, call, refusal
from tests.api.logins import Logins
from tests.experiments.assigning import AGENT as DESK
from tests.experiments.assigning import made
from tests.retrieval.search_world import put_agent, put_chunking, put_configuration, put_index, search
from tests.steps.indexing_world import Library

AGENT = "library"
CHUNKS = [
    Chunk("a", "d1", "refund of value added tax for travel", np.array([1.0, 0.0, 0.0])),
    Chunk("b", "d2", "depreciation of office machines", np.array([0.0, 1.0, 0.0])),
    Chunk("c", "d3", "travel allowances for employees", np.array([0.6, 0.0, 0.8])),
    Chunk("d", "d4", "meals with customers", np.array([0.0, 0.6, 0.8])),
]
EAST = [1.0, 0.0, 0.0]
QUERY = "tax on travel"


@pytest.fixture
def world(connection: psycopg.Connection) -> psycopg.Connection:
    put_agent(connection, AGENT)
    put_index(connection, AGENT, CHUNKS, 3)
    put_configuration(connection, AGENT, Configuration(), name="untuned")
    connection.commit()
    return connection


@pytest.fixture
def logins(database_url: str, world: psycopg.Connection) -> Iterator[Logins]:
    with Logins(database_url) as logins:
        yield logins


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["chunk_id"] for hit in answer["hits"]]


def logged(connection: psycopg.Connection) -> list[Any]:
    query = "select rank, chunk_id, leg, propensity, score_dense is not null from glow.retrieval_hits order by event_id, rank"
    return connection.execute(query).fetchall()


def test_an_answer_has_what_an_app_shows(world: psycopg.Connection) -> None:
    answer = search(world, AGENT, QUERY, embedding=EAST, k=2)
    assert (answer["configuration"], answer["model"], answer["dense"], answer["event_id"]) == (
        "untuned",
        "small",
        True,
        None,
    )
    first = answer["hits"][0]
    assert {key: first[key] for key in ("rank", "chunk_id", "document_id", "title", "text", "starts", "ends", "leg")} == {
        "rank": 1, "chunk_id": "a", "document_id": "d1", "title": "", "text": CHUNKS[0].text, "starts": 0,
        "ends": len(CHUNKS[0].text), "leg": "both",
    }  # fmt: skip
    assert first["score"] == pytest.approx(2.0)
    assert logged(world) == []


def test_what_the_pipeline_indexed_is_found_as_the_engine_finds_it(database_url: str) -> None:
    library = Library(database_url)
    bodies = {f"d{n}": f"Travel cost {n}. " * n + "The tax on meals is refunded." for n in range(1, 8)}
    library.put(**bodies)
    index_agent(library.services, DESK)
    with library.store.transaction() as t:
        index = RetrievalIndex(t.retrieval_index.chunks(DESK))
    vector = library.model.embed([QUERY])[0]
    with GlowClient(database_url, embed=library.model.embed) as client:
        found = client.search(DESK, QUERY, 5)
    assert [h.chunk_id for h in found.hits] == [s.chunk_id for s in index.search(QUERY, vector, 5)]
    first = found.hits[0]
    assert first.title == f"About {first.document_id}"
    assert first.text == f"{first.title}\n{bodies[first.document_id or ''][first.starts : first.ends]}"
    library.close()


def test_without_a_vector_the_cached_one_of_this_very_text_is_used_or_words_alone(world: psycopg.Connection) -> None:
    words = search(world, AGENT, QUERY)
    assert (words["dense"], ids(words)) == (False, ["a", "c"])
    assert search(world, AGENT, "nothing of it")["hits"] == []
    world.execute(
        "insert into glow.embeddings (model, content_hash, embedding)"
        " values ('small', encode(sha256(convert_to(%s, 'UTF8')), 'hex'), '[0,2,0]')",
        (QUERY,),
    )
    cached = search(world, AGENT, QUERY)
    assert cached["dense"] is True
    assert cached == search(world, AGENT, QUERY, embedding=[0.0, 1.0, 0.0])
    assert search(world, AGENT, QUERY + "!")["dense"] is False


def test_a_retry_shows_the_same_list_and_logs_it_once(world: psycopg.Connection) -> None:
    arguments = {"embedding": EAST, "event_id": "e1", "user_id": "u", "policy": "explore", "k": 3}
    first = search(world, AGENT, QUERY, **arguments)
    assert [row[1] for row in logged(world)] == ids(first)
    put_configuration(world, AGENT, Configuration(RetrievalParameters(dense_weight=0.0)), name="other")
    again = search(world, AGENT, QUERY, **{**arguments, "embedding": [0.0, 1.0, 0.0]})
    assert again == first
    assert len(logged(world)) == 3
    with pytest.raises(psycopg.Error) as caught:
        search(world, AGENT, "another question", **arguments)
    assert refusal(caught.value).code == "PT409"


def test_an_embedding_of_another_model_counts_as_none(world: psycopg.Connection) -> None:
    for embedding in ([0.0, 1.0, 0.0], [1.0, 0.0], [0.0, 0.0, 0.0]):
        found = search(world, AGENT, QUERY, embedding=embedding, model="large", event_id=f"e{embedding}")
        assert (found["dense"], found["model"]) == (False, "small")
        assert ids(found) == ids(search(world, AGENT, QUERY))
    assert search(world, AGENT, QUERY, embedding=EAST, model="small") == search(world, AGENT, QUERY, embedding=EAST)
    world.execute(
        "insert into glow.embeddings (model, content_hash, embedding)"
        " values ('small', encode(sha256(convert_to(%s, 'UTF8')), 'hex'), '[1,0,0]')",
        (QUERY,),
    )
    cached = search(world, AGENT, QUERY, embedding=[0.0, 1.0], model="large")
    assert cached == search(world, AGENT, QUERY, embedding=EAST)
    assert world.execute("select distinct model from glow.retrieval_events").fetchall() == [("small",)]


def test_clients_say_whose_their_embeddings_are(logins: Logins, world: psycopg.Connection) -> None:
    class Embed:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, texts: Any) -> list[list[float]]:
            return [EAST[: 3 if self.name == "small" else 2] for _ in texts]

    _, url = logins.make("glow_app")
    for embed, model, dense in (
        (Embed("small"), None, True),
        (Embed("large"), None, False),
        (Embed("small"), "large", False),
        (lambda texts: [EAST for _ in texts], "small", True),
    ):
        with GlowClient(url, embed=embed, model=model) as client:
            assert client.search(AGENT, QUERY).dense is dense
            assert client.search(AGENT, QUERY, embedding=EAST).dense, "not the client's own embedding"
            assert not client.search(AGENT, QUERY, embedding=[1.0], model="large").dense

        async def later(embed: Any = embed, model: Any = model) -> bool:
            async with AsyncGlowClient(url, embed=embed, model=model) as client:
                return (await client.search(AGENT, QUERY)).dense

        assert asyncio.run(later()) is dense


def test_only_what_a_search_showed_is_clicked(world: psycopg.Connection) -> None:
    shown = search(world, AGENT, QUERY, embedding=EAST, event_id="e1", k=2)["hits"]
    common = {"agent": AGENT, "query": QUERY}
    for rank, chunk_id in ((3, "d"), (3, shown[0]["chunk_id"]), (1, "d"), (1, shown[1]["chunk_id"])):
        hits = Jsonb([{"rank": rank, "chunk_id": chunk_id, "clicked": True}])
        told = attempt(world, "log_retrieval", **common, event_id="e1", hits=hits)
        assert isinstance(told, Refused), (rank, chunk_id)
        assert told.code == "PT409"
        assert "hits" in told.message
        assert "rank" in told.hint
    assert not world.execute("select from glow.retrieval_hits where clicked").fetchall()
    click = Jsonb([{"rank": 2, "chunk_id": shown[1]["chunk_id"], "clicked": True}])
    assert call(world, "log_retrieval", **common, event_id="e1", hits=click)["status"] == "merged"
    assert search(world, AGENT, "nothing of it", event_id="e2")["hits"] == []
    told = attempt(world, "log_retrieval", agent=AGENT, query="nothing of it", event_id="e2", hits=click)
    assert isinstance(told, Refused)
    assert told.code == "PT409"


def test_an_app_may_add_to_a_list_of_its_own(world: psycopg.Connection) -> None:
    common = {"agent": AGENT, "query": QUERY, "event_id": "mine"}
    for rank, status in ((1, "accepted"), (2, "merged")):
        hits = Jsonb([{"rank": rank, "chunk_id": f"mine {rank}"}])
        assert call(world, "log_retrieval", **common, hits=hits)["status"] == status


def test_policies_show_what_the_engine_shows(world: psycopg.Connection) -> None:
    index = RetrievalIndex(CHUNKS)
    for n in range(12):
        for policy in ("interleave", "explore"):
            name = f"{policy}-{n}"
            answer = search(world, AGENT, QUERY, embedding=EAST, policy=policy, event_id=name, k=3)
            listed = getattr(index, policy)(QUERY, np.array(EAST), 3, EventChance(name))
            assert [(h["chunk_id"], h["leg"]) for h in answer["hits"]] == [(s.chunk_id, s.leg) for s in listed]
    policies = world.execute("select policy, count(*) from glow.retrieval_events group by 1 order by 1").fetchall()
    assert policies == [("explore", 12), ("interleave", 12)]
    assert {row[3] for row in logged(world) if row[0] == 2} == {0.5}


@pytest.mark.parametrize(
    ("field", "arguments", "code"),
    [
        ("k", {"k": 0}, "PT422"),
        ("k", {"k": 101}, "PT422"),
        ("policy", {"policy": "best"}, "PT422"),
        ("query", {"query": ""}, "PT422"),
        ("query", {"query": "x" * 100_001}, "PT413"),
        ("embedding", {"embedding": [1.0]}, "PT422"),
        ("embedding", {"embedding": []}, "PT422"),
        ("embedding", {"embedding": [1.0, float("nan"), 0.0]}, "PT422"),
        ("embedding", {"embedding": [1.0, float("inf"), 0.0]}, "PT422"),
        ("embedding", {"embedding": [1.0, 1e300, 0.0]}, "PT422"),
        ("embedding", {"embedding": [1.0, None, 0.0]}, "PT422"),
        ("embedding", {"embedding": [[1.0, 0.0, 0.0]]}, "PT422"),
        ("embedding", {"embedding": [0.0, 0.0, 0.0]}, "PT422"),
        ("embedding", {"embedding": [0.0, -0.0, 1e-300]}, "PT422"),
        ("event_id", {"event_id": "a\nb"}, "PT422"),
        ("model", {"model": "a\nb"}, "PT422"),
        ("agent", {"agent": "nobody"}, "PT404"),
        ("configuration", {"configuration": "unheard"}, "PT403"),
        ("tenant", {"tenant": "other"}, "PT403"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(
    logins: Logins, field: str, arguments: dict[str, Any], code: str
) -> None:
    app = logins.connect("glow_app")
    with pytest.raises(psycopg.Error) as caught:
        call(app, "search", **{"agent": AGENT, "query": QUERY, **arguments})
    told = refusal(caught.value)
    assert told.code == code
    assert caught.value.diag.message_primary is not None
    assert caught.value.diag.message_primary.startswith(field)
    assert told.hint


def test_an_agent_without_an_index_and_a_half_built_one_are_refused(world: psycopg.Connection) -> None:
    put_agent(world, "empty")
    world.commit()
    for configuration, code in ((None, "PT404"), ("unbuilt", "PT409")):
        if configuration is not None:
            world.execute(
                "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
                " values ('unbuilt', 'empty', '{}', 'whole of empty', 'small')"
            )
        with pytest.raises(psycopg.Error) as caught:
            search(world, "empty", QUERY, configuration=configuration)
        assert refusal(caught.value).code == code
        world.rollback()


def test_engineers_may_try_a_configuration_and_tenants_only_see_their_own(
    logins: Logins, world: psycopg.Connection
) -> None:
    put_configuration(world, AGENT, Configuration(RetrievalParameters(lexical_weight=0.0)), name="tried")
    world.execute("select glow.move_retrieval_alias(%s, 'untuned', 'test', 'back')", (AGENT,))
    world.commit()
    engineer = logins.connect("glow_engineer")
    assert call(engineer, "search", agent=AGENT, query=QUERY, configuration="tried")["configuration"] == "tried"
    assert call(engineer, "search", agent=AGENT, query=QUERY)["configuration"] == "untuned"
    stranger = logins.connect("glow_app", tenant="stranger")
    with pytest.raises(psycopg.Error) as caught:
        call(stranger, "search", agent=AGENT, query=QUERY)
    assert refusal(caught.value).code == "PT404"
    person = logins.connect("glow_app", tenant="default", person="me")
    assert call(person, "search", agent=AGENT, query=QUERY, event_id="mine", user_id="me")["event_id"] == "mine"
    with pytest.raises(psycopg.Error) as caught:
        call(person, "search", agent=AGENT, query=QUERY, event_id="theirs", user_id="you")
    assert refusal(caught.value).code == "PT403"


def test_a_unit_gets_its_arm_and_only_the_retrieval_experiment_counts_it(connection: psycopg.Connection) -> None:
    desk = made(connection)
    put_chunking(connection, DESK)
    put_index(connection, DESK, CHUNKS, 3)
    put_configuration(connection, DESK, Configuration(), name="control-arm")
    put_configuration(connection, DESK, Configuration(RetrievalParameters(lexical_weight=0.5)), name="treatment-arm")
    desk.versions["retrieval"] = ("control-arm", "treatment-arm")
    desk.start(Trial("x-retrieval", DESK, "s", kind="retrieval", layer="r"))
    desk.start(Trial("x-prompt", DESK, "p", layer="p"))
    arms = {f"u{n}": search(connection, DESK, QUERY, unit=f"u{n}")["configuration"] for n in range(20)}
    assert set(arms.values()) == {"control-arm", "treatment-arm"}
    exposed = connection.execute("select experiment_id, unit_id, variant from glow.exposures order by 2").fetchall()
    assert {row[0] for row in exposed} == {"x-retrieval"}
    assert len(exposed) == 20
    assert all(arms[unit.split("/")[-1]] == f"{variant}-arm" for _, unit, variant in exposed)
    assert search(connection, DESK, QUERY)["configuration"] == "treatment-arm", "no unit: what is in force"


def test_a_graph_full_of_dead_entries_still_gives_k(world: psycopg.Connection) -> None:
    """pgvector filters and drops the dead after the scan: with 40 looked at and most of them gone, few came back."""
    rng = np.random.default_rng(3)
    put_agent(world, "large")
    near = rng.standard_normal((300, 8)) * 0.05 + np.eye(8)[0]
    far = rng.standard_normal((60, 8)) * 0.05 - np.eye(8)[0]
    chunks = [Chunk(f"c{n:03d}", f"c{n:03d}", f"word{n}", v) for n, v in enumerate([*near, *far])]
    number = put_index(world, "large", chunks, 8)
    put_configuration(world, "large", Configuration(), name="untuned-large")
    assert world.execute("select glow.index_vectors(%s, 1)", (number,)).fetchone() == (True,)
    world.execute(f"delete from glow.index_entries_{number} where entry <= 300")
    world.execute("set enable_seqscan = off")
    answer = search(world, "large", "word999", embedding=[1.0] + [0.0] * 7, k=50)
    assert len(answer["hits"]) == 50
    assert len(search(world, "large", "word999", embedding=[1.0] + [0.0] * 7, k=100)["hits"]) == 60


def test_clients_embed_what_they_are_given_or_leave_it_to_the_cache(logins: Logins, world: psycopg.Connection) -> None:
    _, url = logins.make("glow_app")
    asked: list[str] = []

    def embed(texts: Any) -> list[list[float]]:
        asked.extend(texts)
        return [EAST for _ in texts]

    async def embed_later(texts: Any) -> list[list[float]]:
        return embed(texts)

    with GlowClient(url, embed=embed) as client:
        found = client.search(AGENT, QUERY, 2, event_id="e1", user_id="u")
        assert found.dense
        assert [hit.chunk_id for hit in found.hits] == ["a", "c"]
        assert client.search(AGENT, QUERY, embedding=np.array([0.0, 1.0, 0.0])).hits[0].chunk_id in "ab"
    assert asked == [QUERY]
    with GlowClient(url) as client:
        assert not client.search(AGENT, QUERY).dense

    async def search_both() -> None:
        for given in (embed, embed_later):
            async with AsyncGlowClient(url, embed=given) as client:
                assert (await client.search(AGENT, QUERY, 2)).dense
        async with AsyncGlowClient(url) as client:
            assert not (await client.search(AGENT, QUERY)).dense

    asyncio.run(search_both())


def test_two_at_once_with_one_id_show_one_list(database_url: str, world: psycopg.Connection) -> None:
    with connect(database_url) as first, connect(database_url) as second:
        shown = search(first, AGENT, QUERY, embedding=EAST, event_id="same", policy="interleave")
        second.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            search(second, AGENT, QUERY, event_id="same")
        second.rollback()
        first.commit()
        assert search(second, AGENT, QUERY, event_id="same") == shown
