"""Readers that miss nothing, and the months that rows live in.

Belongs here: watermarks over commits out of order, partitions, retention. Does not: what readers do with rows.
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from glow_pipelines.store import Store
from tests.api.calling import AGENT, call, execution, feedback, one
from tests.incremental.reading import arrivals, settle, vote

WRITERS = 8
EACH = 60


# --- commits out of order ---


def test_an_older_transaction_that_commits_later_is_not_stepped_over(
    url: str, store: Store, sessions: Callable[[], psycopg.Connection]
) -> None:
    slow, fast = sessions(), sessions()
    first = vote(slow, 1)
    second = vote(fast, 2)
    fast.commit()
    assert first < second
    seen, mark = arrivals(store, "0")
    assert seen == 0, "a row behind an open transaction may not be taken: the mark would pass the open one"
    slow.commit()
    settle(url)
    seen, mark = arrivals(store, mark)
    assert seen == 2
    assert arrivals(store, mark)[0] == 0


def test_a_cursor_over_ids_would_lose_that_row(sessions: Callable[[], psycopg.Connection]) -> None:
    """Why there is a watermark at all."""
    slow, fast, reader = sessions(), sessions(), sessions()
    newer = "select coalesce(array_agg(feedback_id order by feedback_id), '{}') from glow.agent_feedback where feedback_id > %s"
    late = vote(slow, 1)
    vote(fast, 2)
    fast.commit()
    (taken,) = [one(reader, newer, 0)]
    reader.commit()
    slow.commit()
    assert late not in taken
    assert late not in one(reader, newer, max(taken))


def test_a_transaction_that_is_rolled_back_holds_nobody_up(
    url: str, store: Store, sessions: Callable[[], psycopg.Connection]
) -> None:
    dropped, kept = sessions(), sessions()
    vote(dropped, 1)
    vote(kept, 2)
    kept.commit()
    dropped.rollback()
    settle(url)
    assert arrivals(store, "0")[0] == 1


def test_a_batch_and_an_import_are_seen_once(url: str, store: Store, admin: psycopg.Connection) -> None:
    call(admin, "submit_feedback_batch", rows=Jsonb([feedback(n) for n in range(50)]))
    settle(url)
    seen, mark = arrivals(store, "0")
    assert seen == 50
    admin.execute("insert into glow.imports (import_id, source, format) values (repeat('0', 64), 's', 'jsonl')")
    lines = list(range(50, 80))
    admin.execute(
        "insert into glow.import_batches (import_id, line, kind, lines, parts, rows) "
        "values (repeat('0', 64), 79, 'feedback', %s, %s, %s)",
        (lines, [0] * 30, Jsonb([feedback(n) for n in lines])),
    )
    call(admin, "apply_import", import_id="0" * 64)
    settle(url)
    assert arrivals(store, mark)[0] == 30


def test_an_execution_that_comes_late_touches_its_agent_again(
    url: str, store: Store, admin: psycopg.Connection
) -> None:
    vote(admin, 1)
    settle(url)
    with store.transaction() as t:
        mark = t.feedback.horizon()
        assert t.feedback.touched_agents("0", mark) == [AGENT]
    with store.transaction() as t:
        assert t.feedback.touched_agents(mark, t.feedback.horizon()) == []
    call(admin, "log_execution", **{**execution(1), "execution_id": "e-1"})
    settle(url)
    with store.transaction() as t:
        assert t.feedback.touched_agents(mark, t.feedback.horizon()) == [AGENT]
        assert len(t.feedback.feedback_of_agent(AGENT)) == 1


def write(url: str, writer: int, committed: "list[int]") -> None:
    """Transactions of random length, some rolled back; what was committed is noted afterwards."""
    dice = random.Random(writer)
    with connect(url) as connection:
        for number in range(EACH):
            ids = [vote(connection, f"{writer}-{number}-{n}") for n in range(dice.randrange(1, 4))]
            connection.execute("select pg_sleep(%s)", (dice.random() ** 3 * 0.03,))
            if dice.random() < 0.1:
                connection.rollback()
            else:
                connection.commit()
                committed.extend(ids)


def test_eight_writers_and_a_reader_that_misses_nothing(url: str, store: Store) -> None:
    """The rows themselves are read by the rule the store counts by, so that one lost and one double cannot cancel out."""
    committed: list[int] = []
    read: Counter[int] = Counter()
    counted, mark, count_mark = 0, "0", "0"
    between = "select feedback_id from glow.agent_feedback where agent = %s and xid >= %s::text::xid8 and xid < %s::text::xid8"
    done = threading.Event()

    def poll() -> None:
        nonlocal counted, mark, count_mark
        with store.transaction() as t:
            horizon = t.feedback.horizon()
            rows = t.connection.execute(between, (AGENT, mark, horizon)).fetchall()
            touched = t.feedback.touched_agents(mark, horizon)
        assert touched == ([AGENT] if rows else [])
        read.update(row["feedback_id"] for row in rows)
        mark = horizon
        arrived, count_mark = arrivals(store, count_mark)
        counted += arrived

    def writing() -> None:
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(lambda writer: write(url, writer, committed), range(WRITERS)))
        done.set()

    with ThreadPoolExecutor(1) as background:
        running = background.submit(writing)
        polls = 0
        while not done.is_set() and not running.done():
            poll()
            polls += 1
        running.result()
    settle(url)
    poll()
    assert polls > 10
    assert len(committed) > WRITERS * EACH
    assert set(read) == set(committed)
    assert set(read.values()) == {1}
    assert counted == len(committed)
