"""`glow retrieval` against a real database: what it prints, what it writes, and how it says no."""
# ruff: noqa: E501 -- SQL is read best unbroken

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from glow_pipelines.cli import main
from glow_pipelines.steps.retrieval.indexing import index_agent
from glow_pipelines.store import Store
from glow_pipelines.store.retrieval_analytics import Period
from tests.api.calling import AGENT, register
from tests.retrieval.searching import seed
from tests.steps.indexing_world import Library

FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture
def store(database_url: str, connection: psycopg.Connection) -> Iterator[Store]:
    """Two configurations, the second learned and in force."""
    register(connection)
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\":\"whole\"}')",
        (AGENT,),
    )
    connection.execute(
        "insert into glow.retrieval_indexes (agent, chunking, model, dimensions, state, built_at)"
        " values (%s, 'whole', 'm', 2, 'ready', now())",
        (AGENT,),
    )
    for configuration, parent in ((FIRST, None), (SECOND, FIRST)):
        connection.execute(
            "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model, parent)"
            " values (%s, %s, '{\"shift\": 0.1}', 'whole', 'm', %s)",
            (configuration, AGENT, parent),
        )
        connection.execute(
            "select glow.move_retrieval_alias(%s, %s, 'ann', %s)", (AGENT, configuration, f"try {configuration[:3]}")
        )
    connection.execute(
        "insert into glow.retrieval_memory values (%s, 0, 'what of [red]visas?', '[1,0]', 'chunk 7', 0.8, 3.5, '{s-1,s-2}')",
        (SECOND,),
    )
    connection.commit()
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def glow(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command; its output is one text."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "240")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["retrieval", *map(str, arguments)])

    return run


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def told(result: Result) -> str:
    """What a refusal says: one line, no traceback."""
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def test_what_is_in_force_and_why_a_chunk_is_first(glow: Callable[..., Result]) -> None:
    shown = ok(glow("show", AGENT))
    assert SECOND in shown
    assert "production" in shown
    assert "1 memory rows" in shown
    assert "ready" in shown
    why = ok(glow("show", AGENT, "--chunk", "chunk 7"))
    assert "what of [red]visas?" in why
    assert "s-1, s-2" in why
    assert "nothing was learned of chunk 9" in ok(glow("show", AGENT, "--chunk", "chunk 9"))
    assert FIRST in ok(glow("show", AGENT, "aaaa"))
    assert "no such configuration" in told(glow("show", AGENT, "cc"))


def test_going_back_is_one_command_and_kept(glow: Callable[..., Result]) -> None:
    assert "must say why" in told(glow("rollback", AGENT, "--reason", " "))
    assert "aaaaaaaaaaaa is in force again" in ok(glow("rollback", AGENT, "--reason", "worse on [b]visas"))
    assert FIRST in ok(glow("show", AGENT))
    history = ok(glow("history", AGENT))
    assert "rollback: worse on [b]visas" in history
    assert "try bbb" in history
    assert "no previous" in told(glow("rollback", AGENT, "--reason", "again"))
    assert "bbbbbbbbbbbb is in force again" in ok(glow("rollback", AGENT, "--to", "bbb", "--reason", "back"))


def test_an_analysis_says_what_the_log_shows(glow: Callable[..., Result], connection: psycopg.Connection) -> None:
    assert "0 searches" in ok(glow("analyze", AGENT))
    seed(connection, AGENT, 1200, 40, 200)
    shown = ok(glow("analyze", AGENT, "--days", 30))
    assert "1,200 searches, 201 users" in shown
    assert "interleave" in shown
    assert "Gini" in shown
    found = json.loads(ok(glow("analyze", AGENT, "--days", 30, "--json")))
    assert found == json.loads(json.dumps(found, allow_nan=False))
    assert found["slices"][0]["figures"]["liked_rate"]["low"] <= 1
    assert {each["kind"] for each in found["slices"]} == {"all", "policy", "configuration", "week"}
    assert "known are desk" in told(glow("analyze", "nobody"))
    for option in ("--judged", "--expect"):  # a question of one model and chunks of another: an error of numpy's
        assert "is searched with m, and the provider serves" in told(glow("analyze", AGENT, option))


def test_an_analysis_indexes_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(database_url)
    monkeypatch.setattr("glow_pipelines.commands.retrieval.open_services", lambda: library.services)
    library.put(travel="Trams are paid back.")
    for indexed in (0, 1):
        ok(CliRunner().invoke(main, ["retrieval", "analyze", AGENT, "--judged", "--expect"]))
        with library.store.transaction() as t:
            assert len(t.retrieval_index.all(AGENT)) == indexed
        assert len([each for each in library.client.documents(AGENT) if each.chunks]) == indexed
        assert len(library.model.asked) == indexed
        index_agent(library.services, AGENT)
        library.put(meals="A lunch is paid back.")
    library.close()


def test_pairs_go_to_a_file_and_training_says_what_it_needs(
    glow: Callable[..., Result], connection: psycopg.Connection, tmp_path: Path
) -> None:
    assert "no embedding pairs in train" in told(glow("pairs", "export", AGENT))
    nowhere = tmp_path / "pairs.jsonl"
    nowhere.write_text("", "utf-8")
    result = glow("finetune", "--pairs", nowhere, "--model", tmp_path, "--out", tmp_path / "out")
    assert "has no rows" in told(result)


def test_a_period_is_read_from_the_database_alone(store: Store, connection: psycopg.Connection) -> None:
    """What `analyze` does without its command: nothing is embedded, and the same log tells the same."""
    from datetime import UTC, datetime, timedelta

    from glow_pipelines.steps.retrieval.performance import analyze

    seed(connection, AGENT, 800, 40, 200)
    now = datetime.now(UTC)
    period = Period(AGENT, now - timedelta(days=40), now)
    with store.transaction() as t:
        first, again = (analyze(t, period, "m", now - timedelta(days=14)) for _ in range(2))
    assert first.to_json() == again.to_json()
    assert first.totals["events"] == 800
    assert first.associations
    assert all(each.q_value < 0.01 for each in first.associations)
