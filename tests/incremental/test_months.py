"""Partitions by month: made ahead, made under writers, and expired."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from glow_pipelines.store import Store
from tests.api.calling import AGENT, attempt, call, execution, feedback, one, retrieval
from tests.api.test_votes import assert_sound
from tests.incremental.reading import TABLES, arrivals, settle, vote


def months(admin: psycopg.Connection, table: str) -> set[str]:
    """The partitions of a table, less its name."""
    rows = admin.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = %s::regclass",
        (f"glow.{table}",),
    ).fetchall()
    return {name.removeprefix(f"{table}_") for (name,) in rows}


def month(offset: int) -> str:
    now = datetime.now(UTC)
    years, index = divmod(now.year * 12 + now.month - 1 + offset, 12)
    return f"{years}_{index + 1:02}"


def unmake(admin: psycopg.Connection, *wanted: str) -> None:
    """As if upkeep had stopped long ago: these months were never made."""
    for table in TABLES:
        for name in wanted:
            admin.execute(f"drop table glow.{table}_{name}".encode())


def shift(admin: psycopg.Connection, back: int) -> None:
    """Moves all that is recorded some months into the past, keys and rows alike."""
    rows = admin.execute(
        "select relname from pg_class c where relnamespace = 'glow'::regnamespace and relkind in ('r', 'p') and not relispartition"
        "   and exists (select from pg_attribute a where a.attrelid = c.oid and attname = 'recorded_at')"
        "   and relname not in ('learning_examples')"
    ).fetchall()
    for (table,) in rows:
        admin.execute(f"update glow.{table} set recorded_at = recorded_at - make_interval(months => {back})".encode())


def everywhere(*names: str) -> dict[str, set[str]]:
    return {table: set(names) for table in TABLES}


def home_of(admin: psycopg.Connection, table: str) -> set[str]:
    rows = admin.execute(f"select distinct tableoid::regclass::text from glow.{table}".encode()).fetchall()
    return {name.removeprefix("glow.").removeprefix(f"{table}_") for (name,) in rows}


def write_all(connection: psycopg.Connection, n: int) -> None:
    call(connection, "log_execution", **execution(n))
    call(connection, "log_retrieval", **{**retrieval(n), "hits": Jsonb(retrieval(n)["hits"])})
    call(connection, "submit_feedback", **feedback(n))


def test_months_are_made_ahead_once(admin: psycopg.Connection) -> None:
    expected = {"default", *map(month, range(4))}
    assert {table: months(admin, table) for table in TABLES} == everywhere(*expected)
    assert admin.execute("select glow.ensure_partitions()").fetchall() == []
    made = [name for (name,) in admin.execute("select glow.ensure_partitions(5)").fetchall()]
    assert sorted(made) == sorted(f"{table}_{month(n)}" for table in TABLES for n in (4, 5))
    write_all(admin, 1)
    assert {table: home_of(admin, table) for table in TABLES} == everywhere(month(0))


def test_a_partition_is_like_its_parent(admin: psycopg.Connection) -> None:
    admin.execute("select glow.ensure_partitions(6)")
    shape = (
        "select array_agg(row(attname, atttypid, attnotnull, pg_get_expr(adbin, adrelid))::text order by attname) from pg_attribute"
        "  left join pg_attrdef on adrelid = attrelid and adnum = attnum where attrelid = %s::regclass and attnum > 0"
    )
    indexes = "select count(*) from pg_index where indrelid = %s::regclass"
    for table in TABLES:
        for name in (month(0), month(6)):
            assert one(admin, shape, f"glow.{table}_{name}") == one(admin, shape, f"glow.{table}")
            assert one(admin, indexes, f"glow.{table}_{name}") == one(admin, indexes, f"glow.{table}")


def test_rows_of_a_month_that_nobody_made_are_kept_and_moved(url: str, admin: psycopg.Connection, store: Store) -> None:
    unmake(admin, *map(month, range(4)))
    for n in range(20):
        write_all(admin, n)
    assert {table: home_of(admin, table) for table in TABLES} == everywhere("default")
    settle(url)
    seen, mark = arrivals(store, "0")
    before = {table: rows_of(admin, table) for table in TABLES}
    admin.execute("select glow.ensure_partitions()")
    assert {table: home_of(admin, table) for table in TABLES} == everywhere(month(0))
    assert {table: rows_of(admin, table) for table in TABLES} == before
    settle(url)
    assert (seen, arrivals(store, mark)[0]) == (20, 0)
    assert attempt(admin, "submit_feedback", **feedback(3))["status"] == "replayed"
    assert vote(admin, 3, user_id="u-3", thumbs=-1)
    assert_sound(admin)


def rows_of(admin: psycopg.Connection, table: str) -> Any:
    return one(admin, f"select array_agg(t::text order by t::text) from glow.{table} t")


def test_upkeep_by_several_at_once_makes_each_month_once(url: str, admin: psycopg.Connection) -> None:
    unmake(admin, *map(month, range(4)))
    write_all(admin, 1)

    def upkeep(_: int) -> list[str]:
        with connect(url) as connection:
            return [name for (name,) in connection.execute("select glow.ensure_partitions()").fetchall()]

    with ThreadPoolExecutor(4) as threads:
        made = [name for names in threads.map(upkeep, range(4)) for name in names]
    assert sorted(made) == sorted(f"{table}_{month(n)}" for table in TABLES for n in range(4))


def test_upkeep_waits_for_an_open_transaction_and_not_the_other_way_round(
    url: str, admin: psycopg.Connection, sessions: Callable[[], psycopg.Connection]
) -> None:
    """The row under way was written into the default partition before its month was made."""
    unmake(admin, *map(month, range(4)))
    slow = sessions()
    write_all(slow, 1)
    with ThreadPoolExecutor(1) as thread:
        upkeep = thread.submit(lambda: admin.execute("select glow.ensure_partitions()").fetchall())
        waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())"
        with connect(url, autocommit=True) as watcher:
            while not one(watcher, waiting) and not upkeep.done():
                watcher.execute("select pg_sleep(0.01)")
        slow.execute("set local lock_timeout = '5s'")
        call(slow, "submit_feedback", **feedback(2))
        slow.commit()
        upkeep.result(timeout=20)
    assert {table: home_of(admin, table) for table in TABLES} == everywhere(month(0))
    assert_sound(admin)


def test_votes_given_during_upkeep_are_all_there(url: str, admin: psycopg.Connection) -> None:
    unmake(admin, *map(month, range(4)))
    for n in range(200):
        write_all(admin, 10_000 + n)
    stop, sent = threading.Event(), list[int]()

    def writing(writer: int) -> None:
        with connect(url, autocommit=True) as connection:
            for n in range(writer * 1000, writer * 1000 + 999):
                if stop.is_set():
                    return
                write_all(connection, n)
                sent.append(n)

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(writing, writer) for writer in range(4)]
        try:
            while len(sent) < 20:
                admin.execute("select pg_sleep(0.01)")
            made = admin.execute("select glow.ensure_partitions()").fetchall()
            goal = len(sent) + 20
            while len(sent) < goal and not any(writer.done() for writer in writers):
                admin.execute("select pg_sleep(0.01)")
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    assert len(made) == len(TABLES) * 4
    for table in TABLES:
        assert one(admin, f"select count(*) from glow.{table}") == len(sent) + 200
        assert home_of(admin, table) == {month(0)}
    assert_sound(admin)


def test_a_vote_changed_in_the_next_month_is_still_one_vote(admin: psycopg.Connection) -> None:
    first = vote(admin, 1, idempotency_key="k")
    shift(admin, 1)
    admin.execute("select glow.ensure_partitions()")
    assert home_of(admin, "agent_feedback") == {month(-1)}
    changed = call(admin, "submit_feedback", agent=AGENT, execution_id="e-1", user_id="u", thumbs=-1)
    assert changed["supersedes"] == first
    assert home_of(admin, "agent_feedback") == {month(-1), month(0)}
    again = {"agent": AGENT, "execution_id": "e-1", "user_id": "u", "thumbs": 1, "idempotency_key": "k"}
    assert call(admin, "submit_feedback", **again) == {
        "status": "replayed",
        "feedback_id": first,
        "execution_known": False,
    }
    answers = call(admin, "submit_feedback_batch", rows=Jsonb([again, {**again, "idempotency_key": "l"}]))
    assert [answer["status"] for answer in answers] == ["replayed", "accepted"]
    assert call(admin, "feedback_stats", agent=AGENT)["users"] == 1
    assert_sound(admin)


# --- retention ---


def expire(admin: psycopg.Connection, before: str = "now()") -> list[str]:
    return [name for (name,) in admin.execute(f"select glow.expire({before})".encode()).fetchall()]


def test_the_running_month_never_expires(admin: psycopg.Connection) -> None:
    write_all(admin, 1)
    assert expire(admin) == []
    assert [one(admin, f"select count(*) from glow.{table}") for table in TABLES] == [1, 1, 1, 1]


def test_months_that_ended_go_with_their_keys(admin: psycopg.Connection) -> None:
    for n in range(3):
        write_all(admin, n)
    shift(admin, 2)
    admin.execute("select glow.ensure_partitions()")
    write_all(admin, 9)
    assert sorted(expire(admin)) == sorted(f"{table}_{month(-2)}" for table in TABLES)
    for table in (*TABLES, "execution_keys", "current_feedback", "retrieval_keys"):
        assert one(admin, f"select count(*) from glow.{table}") == 1, table
    assert attempt(admin, "submit_feedback", **feedback(1))["status"] == "accepted"
    assert attempt(admin, "log_execution", **execution(1))["status"] == "accepted"
    assert_sound(admin)


def test_what_learning_rests_on_outlives_its_month(admin: psycopg.Connection) -> None:
    for n in range(4):
        write_all(admin, n)
    judged = {"reviewer": "r", "verdict": "correct", "output": "right"}
    call(admin, "submit_annotation", execution_id="e-1", **judged)
    call(admin, "submit_demonstration", agent=AGENT, expert="x", input="in", output="out")
    admin.execute(
        "with i as (insert into glow.learning_inputs (agent, input_key, group_key) values ('desk', sha256('in'), 'g') returning input_id),"
        "  x as (insert into glow.learning_examples (example_id, agent, input_id, input, target, source, status, quality,"
        "  expert_approved, group_key, content_hash, rule_version)"
        "  select 'x', 'desk', input_id, 'in', 'out', 'vote', 'pending', 1, false, 'g', 'h', 'r' from i"
        "  returning example_version)"
        " insert into glow.source_spans (first_version, since, kind, source_id, role) select example_version, example_version, 'execution', 'e-2', 'input' from x"
    )
    shift(admin, 2)
    admin.execute(
        "insert into glow.execution_inputs (tenant, execution_id, input_id, judged, recorded_at)"
        " select k.tenant, k.execution_id, i.input_id, true, k.recorded_at from glow.execution_keys k, glow.learning_inputs i"
    )
    admin.execute("select glow.ensure_partitions()")
    assert len(expire(admin)) == len(TABLES)
    kept = admin.execute("select execution_id, expired_at is not null from glow.execution_keys order by 1").fetchall()
    assert kept == [("e-1", True), ("e-2", True)]
    assert one(admin, "select count(*) from glow.expert_annotations") == 1
    assert one(admin, "select count(*) from glow.demonstrations") == 1
    assert one(admin, "select count(*) from glow.learning_examples") == 1
    # Who asked it once is heard no more, and need not be looked through each night.
    assert one(admin, "select count(*) from glow.execution_inputs") == 0
    # Its id is taken still, and says the same of the same contents.
    assert attempt(admin, "log_execution", **execution(2))["status"] == "replayed"
    assert attempt(admin, "log_execution", **{**execution(2), "input": "else"}).code == "PT409"
    assert expire(admin) == []


def test_rows_in_no_month_of_their_own_expire_whole_or_not_at_all(admin: psycopg.Connection) -> None:
    """Upkeep stood still: old rows lie in the default partition. Their keys may not go without them."""
    for n in range(3):
        write_all(admin, n)
    shift(admin, 2)
    assert home_of(admin, "agent_feedback") == {"default"}
    expire(admin)
    left = {table: one(admin, f"select count(*) from glow.{table}") for table in ("agent_feedback", "current_feedback")}
    assert len(set(left.values())) == 1, left
    vote(admin, 1, user_id="u-1", thumbs=-1)
    assert_sound(admin)


def test_a_late_vote_outlives_the_vote_that_overruled_it(admin: psycopg.Connection) -> None:
    vote(admin, 1, occurred_at="2026-06-02T00:00:00Z")
    shift(admin, 2)
    admin.execute("select glow.ensure_partitions()")
    late = call(
        admin,
        "submit_feedback",
        agent=AGENT,
        execution_id="e-1",
        user_id="u",
        thumbs=-1,
        occurred_at="2026-06-01T00:00:00Z",
    )
    assert late["status"] == "late"
    expire(admin)
    again = call(admin, "submit_feedback", agent=AGENT, execution_id="e-1", user_id="u", thumbs=1)
    assert again["status"] == "accepted"
    current = "select array_agg(feedback_id) from glow.agent_feedback where superseded_by is null"
    assert one(admin, current) == [again["feedback_id"]]
