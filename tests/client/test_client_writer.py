"""GlowWriter against PostgreSQL, behind a gate that shuts."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from gate import Gate

from glow_pipelines.client import (
    AsyncGlowWriter,
    GlowClient,
    GlowError,
    GlowWriter,
    InvalidValue,
    NotSent,
    QueueFull,
    Refusal,
    Retries,
    Spool,
)

QUICK: dict[str, Any] = {"linger": 0.01, "pauses": Retries(first=0.01, longest=0.05)}


@pytest.fixture
def gate(database_url: str) -> Iterator[Gate]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
    with Gate(database_url) as gate:
        yield gate


@pytest.fixture
def client(gate: Gate) -> Iterator[GlowClient]:
    with GlowClient(gate.url, timeout=0.2, retries=Retries(first=0.01, longest=0.05)) as client:
        yield client


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def count(url: str) -> int:
    return int(ask(url, "select count(*) from glow.agent_feedback")[0][0])


def until(is_so: Any, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.01)


def test_rows_of_every_kind_arrive(client: GlowClient, database_url: str) -> None:
    refusals: list[Refusal] = []
    with GlowWriter(client, on_refused=refusals.append) as writer:
        writer.submit_annotation("e0", "x1", "approve")  # given before its execution: sent after it
        for number in range(30):
            writer.log_execution(f"e{number}", "coder", "taxi", "meals", cost_usd=0.001, metadata={"n": number})
            writer.submit_feedback("coder", f"e{number}", "u1", thumbs=1, issues=["tone"])
        writer.log_retrieval("r1", "coder", "tax?", [{"chunk_id": "a", "rank": 1}])
        writer.submit_demonstration("coder", "x1", "train", "travel")
        assert writer.flush(20)
        writer.withdraw_feedback("coder", "e0", "u1")
        assert writer.flush(20)
        status = writer.status()
    assert refusals == []
    assert (status.sent, status.queued, status.refused, status.away, status.oldest_seconds) == (64, 0, 0, False, None)
    stats = client.feedback_stats("coder")
    assert (stats.executions, stats.thumbs_up, stats.waiting_for_execution) == (30, 29, 0)
    assert ask(database_url, "select count(*) from glow.expert_annotations") == [(1,)]
    query = "select cost_usd::float8, metadata from glow.executions where execution_id = 'e7'"
    assert ask(database_url, query) == [(0.001, {"n": 7})]


def test_calls_return_before_anything_is_sent(client: GlowClient) -> None:
    with GlowWriter(client, linger=30.0, batch_rows=10_000) as writer:
        writer.submit_feedback("coder", "e1", "u1", thumbs=1)
        status = writer.status()
        assert (status.queued, status.sent) == (1, 0)
        assert status.oldest_seconds is not None
        assert status.queued_bytes > 50


def test_a_full_batch_does_not_linger(client: GlowClient) -> None:
    with GlowWriter(client, linger=30.0, batch_rows=5) as writer:
        for number in range(5):
            writer.submit_feedback("coder", f"e{number}", "u1", thumbs=1)
        until(lambda: writer.status().sent == 5)


def test_refused_rows_are_told_with_their_reason(client: GlowClient) -> None:
    refusals: list[Refusal] = []
    with GlowWriter(client, on_refused=refusals.append) as writer:
        writer.submit_feedback("coder", "e1", "u1", rating=6)
        writer.submit_feedback("coder", "e1", "u2", rating=5)
        writer.submit_feedback("nobody", "e1", "u3", rating=5)
        with pytest.raises(InvalidValue, match="NUL"):
            writer.submit_feedback("coder", "e1", "u4", comment="nul \x00")
        writer.flush(20)
        assert (writer.status().sent, writer.status().refused) == (1, 2)
    told = {(each.code, each.field, each.row["user_id"]) for each in refusals}
    assert told == {("PT422", "rating", "u1"), ("PT404", "agent", "u3")}
    assert {each.hint for each in refusals} >= {"whole stars from 1 to 5"}


def test_the_callers_wait_when_the_database_is_away_and_memory_is_full(client: GlowClient, gate: Gate) -> None:
    gate.shut()
    writer = GlowWriter(client, queue_rows=3, block_seconds=0.05, **QUICK)
    for number in range(3):
        writer.submit_feedback("coder", f"e{number}", "u1", thumbs=1)
    with pytest.raises(QueueFull, match="3 rows"):
        writer.submit_feedback("coder", "e3", "u1", thumbs=1)
    until(lambda: writer.status().away)
    assert "refused" in str(writer.status().last_error)
    gate.open()
    until(lambda: writer.status().queued == 0)
    writer.submit_feedback("coder", "e3", "u1", thumbs=1)
    writer.close()
    assert client.feedback_stats("coder").thumbs_up == 4


def test_what_cannot_be_sent_is_not_lost_in_silence(client: GlowClient, gate: Gate) -> None:
    gate.shut()
    writer = GlowWriter(client, **QUICK)
    writer.submit_feedback("coder", "e1", "u1", thumbs=1)
    with pytest.raises(NotSent, match="1 rows"):
        writer.close(timeout=0.3)
    with pytest.raises(GlowError, match="closed"):
        writer.submit_feedback("coder", "e1", "u1", thumbs=1)
    writer.close()  # a second time it does nothing


def test_rows_wait_on_disk_while_the_database_is_away(
    client: GlowClient, gate: Gate, tmp_path: Path, database_url: str
) -> None:
    with GlowWriter(client, spool=Spool(tmp_path / "spool"), queue_rows=50, **QUICK) as writer:
        gate.shut()
        for number in range(40):
            writer.submit_feedback("coder", f"e{number}", "u1", thumbs=1)
        until(lambda: writer.status().spooled == 40)
        status = writer.status()
        assert (status.away, status.sent) == (True, 0)
        assert status.spooled_bytes > 40 * 50
        gate.open()
        writer.submit_feedback("coder", "e40", "u1", thumbs=1)
        assert writer.flush(20)
        assert (writer.status().spooled, writer.status().away) == (0, False)
    rows = ask(database_url, "select execution_id from glow.agent_feedback order by feedback_id")
    assert sorted(rows) == sorted((f"e{number}",) for number in range(41))


def test_closed_while_the_database_is_away_the_next_writer_sends(
    client: GlowClient, gate: Gate, tmp_path: Path, database_url: str
) -> None:
    gate.shut()
    writer = GlowWriter(client, spool=Spool(tmp_path / "spool"), **QUICK)
    writer.submit_feedback("coder", "e1", "u1", thumbs=1)
    writer.close()
    gate.open()
    with GlowWriter(client, spool=Spool(tmp_path / "spool"), **QUICK) as writer:
        assert writer.flush(20)
    assert count(database_url) == 1


def test_closed_while_the_database_hangs_rows_go_to_disk_and_still_count_once(
    client: GlowClient, tmp_path: Path, database_url: str
) -> None:
    writer = GlowWriter(client, spool=Spool(tmp_path / "spool"), **QUICK)
    with psycopg.connect(database_url) as locker:
        locker.execute("lock table glow.agent_feedback in access exclusive mode")
        writer.submit_feedback("coder", "e1", "u1", thumbs=1)
        time.sleep(0.1)
        writer.close(timeout=0.1)  # its batch is on the way and unanswered
        with closing(Spool(tmp_path / "spool")) as spool:
            assert spool.counts().rows == 1
    writer._thread.join(10)
    with GlowWriter(client, spool=Spool(tmp_path / "spool"), **QUICK) as writer:
        assert writer.flush(20)
    assert count(database_url) == 1


def test_a_vote_that_was_spooled_does_not_overrule_a_newer_one(
    client: GlowClient, gate: Gate, tmp_path: Path, database_url: str
) -> None:
    gate.shut()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    writer = GlowWriter(client, spool=Spool(tmp_path / "spool"), durable=True, clock=lambda: hour_ago, **QUICK)
    writer.submit_feedback("coder", "e1", "u1", thumbs=-1)
    writer.close(timeout=0.5)
    gate.open()
    client.submit_feedback("coder", "e1", "u1", thumbs=1)
    with GlowWriter(client, spool=Spool(tmp_path / "spool"), **QUICK) as writer:
        assert writer.flush(20)
    assert (client.feedback_stats("coder").thumbs_up, client.feedback_stats("coder").thumbs_down) == (1, 0)
    assert count(database_url) == 2  # the late one is history


def test_a_clock_that_is_wrong_does_no_harm(client: GlowClient, database_url: str) -> None:
    """An hour ahead or behind: what counts is how long before sending it happened."""
    for name, off in (("ahead", timedelta(hours=1)), ("behind", timedelta(hours=-1))):
        with GlowWriter(client, clock=lambda off=off: datetime.now(UTC) + off) as writer:  # type: ignore[misc]
            writer.submit_feedback("coder", name, "u1", thumbs=1)
    ages = ask(database_url, "select extract(epoch from clock_timestamp() - occurred_at) from glow.agent_feedback")
    assert len(ages) == 2
    assert all(0 <= age < 60 for (age,) in ages)


def test_the_last_of_quick_votes_is_current(client: GlowClient) -> None:
    with GlowWriter(client, batch_rows=1, linger=0.0) as writer:
        for number in range(60):
            writer.submit_feedback("coder", "e1", "u1", rating=1 + number % 5)
        writer.submit_feedback("coder", "e1", "u1", thumbs=1)
    stats = client.feedback_stats("coder")
    assert (stats.thumbs_up, stats.ratings) == (1, 0)


def test_two_writers_share_one_spool(client: GlowClient, gate: Gate, tmp_path: Path, database_url: str) -> None:
    writers = [GlowWriter(client, spool=Spool(tmp_path / "spool"), durable=True, **QUICK) for _ in range(2)]
    gate.shut()

    def fill(index: int) -> None:
        for number in range(20):
            writers[index].submit_feedback("coder", f"e{index}-{number}", "u1", thumbs=1)

    threads = [threading.Thread(target=fill, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writers[0].status().spooled == 40
    gate.open()
    assert all(writer.flush(20) for writer in writers)
    assert sum(writer.status().sent for writer in writers) == 40
    for writer in writers:
        writer.close()
    assert count(database_url) == 40


def test_an_answer_that_is_lost_on_the_way_counts_once(client: GlowClient, gate: Gate, database_url: str) -> None:
    with GlowWriter(client, linger=0.2) as writer:
        client.learning_stats()
        for number in range(20):
            writer.submit_feedback("coder", f"e{number}", "u1", thumbs=1)
        gate.lose_next_answer()
        assert writer.flush(20)
    assert (gate.lost, count(database_url)) == (1, 20)


def test_durable_needs_a_spool(client: GlowClient) -> None:
    with pytest.raises(ValueError, match="spool"):
        GlowWriter(client, durable=True)


def test_a_child_process_is_told_to_make_its_own(client: GlowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with GlowWriter(client) as writer:
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with pytest.raises(GlowError, match="fork"):
            writer.submit_feedback("coder", "e1", "u1", thumbs=1)


def test_threads_share_a_writer(client: GlowClient, database_url: str) -> None:
    with GlowWriter(client, queue_rows=50, batch_rows=40, **QUICK) as writer:

        def fill(name: int) -> None:
            for number in range(100):
                writer.submit_feedback("coder", f"e{number}", f"u{name}", thumbs=1)

        threads = [threading.Thread(target=fill, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert count(database_url) == 400


def test_the_event_loop_is_free_while_a_writer_waits(client: GlowClient, gate: Gate, tmp_path: Path) -> None:
    async def write() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        spool = Spool(tmp_path / "spool")
        async with AsyncGlowWriter(GlowWriter(client, spool=spool, durable=True, **QUICK)) as writer:
            ticking = asyncio.create_task(tick())
            await asyncio.gather(*(writer.submit_feedback("coder", f"e{n}", "u1", thumbs=1) for n in range(20)))
            assert await writer.flush(20)
            assert (await writer.status()).sent == 20
            ticking.cancel()
        return ticks

    assert asyncio.run(write()) > 1


def test_nothing_is_left_behind(client: GlowClient, tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(3):
        GlowWriter(client, spool=Spool(tmp_path / "spool")).close()
    assert threading.active_count() == before
    with closing(Spool(tmp_path / "spool")) as spool:
        assert spool.counts().rows == 0
