"""GlowClient and AsyncGlowClient for owners: how texts are screened, and what people keep correcting."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from glow_pipelines.client import AsyncGlowClient, GlowClient, InvalidValue
from glow_pipelines.database import connect

SNAPSHOT = "insert into glow.correction_snapshots (agent, corrections, outputs) values ('coder', 9, 40)"
PATTERN = """
insert into glow.correction_patterns (agent, position, kind, about, detail, standing, count, experts, people,
  conversations, share, share_low, share_high, lift, q, first_seen, last_seen, feedback, annotations)
values ('coder', 1, 'wrong', 'number', 'net', 'named', 4, 1, 3, 4, 0.4, 0.2, 0.7, 3, 0.01, now(), now(), '{5,7}', '{}'),
       ('coder', 2, 'tone', '', 'sorry', 'emerging', 2, 0, 2, 2, 0.2, 0.1, 0.5, null, null, now(), now(), '{8}', '{}')
"""


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
        yield client


def test_a_policy_is_set_and_read(client: GlowClient) -> None:
    before = client.curation_policy("coder")
    assert (before.pii, before.secrets, before.set_by, before.status) == ("redact", "quarantine", None, None)
    changed = client.set_curation_policy("coder", pii="quarantine", keep=["name"], languages=("de", "und"))
    assert (changed.status, changed.out_of_reach) == ("accepted", 0)
    known = client.curation_policy("coder")
    assert (known.pii, known.keep, known.languages, known.shortest_input) == ("quarantine", ["name"], ["de", "und"], 1)
    assert known.recorded_at == changed.recorded_at
    assert known.recorded_at is not None
    assert abs(known.recorded_at - datetime.now(UTC)) < timedelta(minutes=5)
    # What is not named is the default, here and in SQL.
    assert client.set_curation_policy("coder", shortest_input=3, keep=()).pii == "redact"
    with pytest.raises(InvalidValue, match="languages"):
        client.set_curation_policy("coder", languages=["klingon"])


def test_patterns_are_read(client: GlowClient, database_url: str) -> None:
    assert client.correction_patterns("coder") == ()
    with connect(database_url, autocommit=True) as connection:
        connection.execute(SNAPSHOT)
        connection.execute(PATTERN.encode())
    first, second = client.correction_patterns("coder")
    assert (first.standing, first.detail, first.feedback, first.annotations) == ("named", "net", [5, 7], [])
    assert (first.share_low, first.lift, second.lift, second.trend) == (0.2, 3.0, None, None)
    assert client.correction_patterns("coder", which="emerging") == (second,)
    assert client.correction_patterns("coder", most=1) == (first,)
    assert client.correction_patterns("coder", datetime.now(UTC) + timedelta(days=1)) == ()


def test_the_asynchronous_client_has_them_too(client: GlowClient, database_url: str) -> None:
    async def ask() -> tuple[str | None, str, int]:
        async with AsyncGlowClient(database_url) as other:
            changed = await other.set_curation_policy("coder", secrets="redact")
            known = await other.curation_policy("coder")
            return changed.status, known.secrets, len(await other.correction_patterns("coder"))

    assert asyncio.run(ask()) == ("accepted", "redact", 0)
