"""Corrections become snapshots of patterns: of agents with news, complete, replaced as a whole."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.defs import corrections as defs
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store import Store


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    yield services
    services.store.close()


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
        client.register_agent("quiet")
        for number in range(12):
            client.log_execution(f"e{number}", "coder", f"expense {number}", "meals", conversation_id=f"c{number}")
            client.log_execution(f"f{number}", "coder", f"other {number}", "travel", conversation_id=f"c{number}")
        yield client


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


def run(services: Services) -> dict[str, Any]:
    """Run the asset with its check; metadata by label."""
    result = dg.materialize([defs.correction_patterns, defs.no_correction_rises], resources={"services": services})
    (event,) = result.asset_materializations_for_node("correction_patterns")
    (check,) = result.get_asset_check_evaluations()
    return {key: value.value for key, value in event.metadata.items()} | {"passed": check.passed}


def patterns(admin: psycopg.Connection) -> list[tuple[Any, ...]]:
    return admin.execute(
        "select detail, standing, count, people, conversations, experts from glow.correction_patterns"
        " where agent = 'coder' and standing <> 'total' order by position"
    ).fetchall()


def test_corrections_of_users_and_experts_become_a_pattern(
    services: Services, client: GlowClient, admin: psycopg.Connection
) -> None:
    for number in range(4):
        client.submit_feedback("coder", f"e{number}", f"u{number}", correction="travel")
    client.submit_annotation("e5", "expert", "correct", output="travel")
    client.submit_annotation("e6", "expert", "approve")
    told = run(services)
    assert patterns(admin) == [("meals → travel", "named", 5, 5, 5, 1)]
    assert told["looked at"] == 1
    assert "meals → travel" in told["sample"]
    assert "meals" not in str({key: value for key, value in told.items() if key != "sample"})
    assert told["passed"]
    # 12 executions answered travel and none of them was corrected, 7 answered meals.
    assert admin.execute("select corrections, outputs from glow.correction_snapshots").fetchall() == [(5, 19)]


def test_reviews_of_gold_are_no_corrections(services: Services, client: GlowClient, admin: psycopg.Connection) -> None:
    for number in range(3):
        client.set_gold(f"e{number}", "correct", output="travel")
        for expert in ("ann", "bob"):
            client.submit_annotation(f"e{number}", expert, "correct", output="lodging")
    run(services)
    assert "meals → lodging" not in [row[0] for row in patterns(admin)]


def test_without_news_nothing_is_looked_at(services: Services, client: GlowClient, admin: psycopg.Connection) -> None:
    client.submit_feedback("coder", "e1", "ann", correction="travel")
    assert run(services)["looked at"] == 1
    assert run(services)["looked at"] == 0
    client.submit_feedback("coder", "e2", "ann", thumbs=1)
    client.log_execution("new", "quiet", "in", "out")
    assert run(services)["looked at"] == 0
    admin.execute("update glow.correction_snapshots set stale = true")
    assert run(services)["looked at"] == 1
    assert run(services)["looked at"] == 0


def test_a_correction_taken_back_is_news(services: Services, client: GlowClient, admin: psycopg.Connection) -> None:
    for number in range(2):
        client.submit_feedback("coder", f"e{number}", "ann", correction="travel")
    run(services)
    assert len(patterns(admin)) == 1
    admin.execute("select glow_api.withdraw_feedback('coder', 'e0', 'ann', 'correction')")
    assert run(services)["looked at"] == 1
    assert patterns(admin) == []
    client.submit_annotation("e3", "expert", "correct", output="travel")
    run(services)
    client.submit_annotation("e3", "expert", "approve")
    assert run(services)["looked at"] == 1


def test_a_correction_that_came_before_its_execution_counts_when_that_comes(
    services: Services, client: GlowClient, admin: psycopg.Connection
) -> None:
    for number in range(2):
        client.submit_feedback("coder", f"late{number}", f"u{number}", correction="travel")
    assert run(services)["looked at"] == 1
    assert patterns(admin) == []
    for number in range(2):
        client.log_execution(f"late{number}", "coder", "in", "meals")
    assert run(services)["looked at"] == 1
    assert [row[0] for row in patterns(admin)] == ["meals → travel"]


def test_the_check_warns_of_a_rise(services: Services, client: GlowClient, admin: psycopg.Connection) -> None:
    client.submit_feedback("coder", "e1", "ann", correction="travel")
    run(services)
    admin.execute(
        "insert into glow.correction_patterns (agent, position, kind, about, detail, standing, count, experts, people,"
        " conversations, share, share_low, share_high, trend, trend_low, trend_high, first_seen, last_seen, feedback,"
        " annotations) values ('coder', 900, 'missing', '', 'x', 'named', 9, 0, 3, 4, .5, .4, .6, .1, .05, .15, now(),"
        " now(), '{}', '{}')"
    )
    assert not run(services)["passed"]


def test_the_newest_are_read_and_no_more(client: GlowClient, database_url: str) -> None:
    for number in range(6):
        client.submit_feedback("coder", f"e{number}", "ann", correction=f"right {number}")
    store = Store(database_url)
    with store.transaction() as t:
        found = t.patterns.corrections("coder", 3)
        outputs = t.patterns.uncorrected_outputs("coder", 7)
    store.close()
    assert [each.after for each in found] == ["right 5", "right 4", "right 3"]
    assert found[0].conversation == "c5"
    assert found[0].at > datetime.now(UTC) - timedelta(minutes=5)
    assert len(outputs) == 7
