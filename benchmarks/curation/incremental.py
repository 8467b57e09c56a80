"""Claim: a night of 10,000 new rows costs the same whether 100,000 or 10,000,000 came before.

History is written set by set, as curation would have left it: ten votes on each question, an example of each, its near
keys. A night is 10,000 new executions with a vote each: 9,000 on old questions, 1,000 corrections of new questions, one
in five of which is nearly an old one. Measured is the step that the asset calls, and apart from it the counts it shows.

Two nights: `cold` after the server was started anew and nothing of its files was in memory, `warm` about the same old
questions once more. What is the same for every history is what is touched; how long the disk takes for it is not ours.

Usage: python benchmarks/curation/incremental.py [--quick] [--sizes N,…]
"""
# ruff: noqa: E501 -- SQL is read best unbroken

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import psycopg

from benchmarks.curation.variants import Writer
from benchmarks.ingest.world import World, world
from glow_pipelines.database import EmbeddedServer, migrate
from glow_pipelines.learning.datasets import example_hash, example_id, input_key, near_marks
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.curation import CONSUMER, curate

SIZES, QUICK = (100_000, 10_000_000), (100_000, 1_000_000)
AGENT, VOTES, NIGHT, NEW = "desk", 10, 10_000, 0.1
_PART = 20_000

_STAGED = """
create unlogged table staged (input_id bigint, input_key bytea, words text, example_id text, content_hash text, sketch text);
"""
_HISTORY = (
    """insert into glow.learning_inputs (input_id, agent, input_key, group_key, sketch) overriding system value
       select input_id, %(agent)s, input_key, 'g-' || encode(input_key, 'hex'), sketch::bit(256) from staged""",
    """insert into glow.split_assignments (agent, group_key, split)
       select %(agent)s, 'g-' || encode(input_key, 'hex'),
              case input_id %% 10 when 0 then 'test' when 1 then 'val' else 'train' end from staged""",
    """insert into glow.learning_examples (example_version, example_id, agent, input_id, input, target, source, status, quality,
         expert_approved, group_key, split, content_hash, rule_version, reason) overriding system value
       select input_id, example_id, %(agent)s, input_id, words, 'answer', 'vote', 'approved', 0.8, false,
              'g-' || encode(input_key, 'hex'), case input_id %% 10 when 0 then 'test' when 1 then 'val' else 'train' end,
              content_hash, 'behavior-1', '10 users for, none against' from staged""",
    """insert into glow.source_spans (first_version, since, kind, source_id, role)
       select input_id, input_id, 'execution', 'e-' || k || '-' || input_id, 'input' from staged, generate_series(1, %(votes)s) k
       union all
       select input_id, input_id, 'feedback', (k * %(inputs)s + input_id)::text, 'supports' from staged, generate_series(1, %(votes)s) k""",
    """insert into glow.heard_inputs (input_id, oldest, said)
       select input_id, %(at)s, json_build_array(json_build_array(words, 'answer'), (
                select json_agg(json_build_array('default', e, false, %(at)s::timestamptz, e, 0, 1, null, null, null, json_build_array(
                         json_build_array(k * %(inputs)s + input_id, 'u-' || k, 'vote', 1, null, json_build_array(), null, null, null, %(at)s::timestamptz))))
                  from generate_series(1, %(votes)s::bigint) k, lateral (select 'e-' || k || '-' || input_id) as x(e)))
         from staged""",
    """select setval('glow.feedback_ids', (%(votes)s + 1) * %(inputs)s + 1),
              setval(pg_get_serial_sequence('glow.learning_inputs', 'input_id'), %(inputs)s + 1),
              setval(pg_get_serial_sequence('glow.learning_examples', 'example_version'), %(inputs)s + 1)""",
)  # fmt: skip
# Each question once a pass: the votes on it lie far apart, as when they come over years.
_PASS = (
    """insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)
       select 'default', 'e-' || %(k)s || '-' || input_id, %(agent)s, '', %(at)s from staged""",
    """insert into glow.executions (tenant, execution_id, agent, input, output, started_at, recorded_at)
       select 'default', 'e-' || %(k)s || '-' || input_id, %(agent)s, words, 'answer', %(at)s, %(at)s from staged""",
    """insert into glow.agent_feedback (feedback_id, tenant, agent, execution_id, user_id, kind, thumbs, occurred_at, recorded_at)
       select %(k)s::bigint * %(inputs)s + input_id, 'default', %(agent)s, 'e-' || %(k)s || '-' || input_id, 'u-' || %(k)s, 'vote', 1, %(at)s, %(at)s
         from staged""",
    """insert into glow.current_feedback (tenant, execution_id, user_id, kind, agent, feedback_id, withdrawn, occurred_at, corrected, recorded_at)
       select 'default', 'e-' || %(k)s || '-' || input_id, 'u-' || %(k)s, 'vote', %(agent)s, %(k)s::bigint * %(inputs)s + input_id, false, %(at)s, false, %(at)s
         from staged""",
    """insert into glow.execution_inputs (tenant, execution_id, input_id, judged, recorded_at)
       select 'default', 'e-' || %(k)s || '-' || input_id, input_id, false, %(at)s from staged""",
)  # fmt: skip
# Rows first, then their indexes: one by one in random order, ten million rows took 44 minutes.
_NO_INDEXES = """update pg_index i set indisready = false, indisvalid = false from pg_class c
                  where c.oid = i.indrelid and c.relnamespace = 'glow'::regnamespace and c.relkind = 'r'"""
_NIGHT = (
    """create temporary table night on commit drop as
       select n, case when n > %(new)s then n - %(new)s end as input_id from generate_series(1, %(night)s) n""",
    """insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)
       select 'default', %(name)s || n, %(agent)s, '', %(at)s from night""",
    """insert into glow.executions (tenant, execution_id, agent, input, output, started_at, recorded_at)
       select 'default', %(name)s || n, %(agent)s, coalesce(x.input, (%(texts)s::text[])[n]), 'answer', %(at)s, %(at)s
         from night left join glow.learning_examples x on x.input_id = night.input_id * %(step)s and x.superseded_at is null""",
    """insert into glow.agent_feedback (tenant, agent, execution_id, user_id, kind, thumbs, correction, occurred_at, recorded_at)
       select 'default', %(agent)s, %(name)s || n, %(name)s || n, 'vote', case when input_id is not null then 1 end,
              case when input_id is null then 'rather this' end, %(at)s, %(at)s from night""",
    """insert into glow.current_feedback (tenant, execution_id, user_id, kind, agent, feedback_id, withdrawn, occurred_at, corrected, recorded_at)
       select f.tenant, f.execution_id, f.user_id, f.kind, f.agent, f.feedback_id, false, f.occurred_at, false, f.recorded_at
         from glow.agent_feedback f where f.recorded_at = %(at)s""",
)  # fmt: skip


def measure(place: World) -> dict[str, Any]:
    """Both sizes of history, one night each."""
    return compare(place, SIZES)


def compare(place: World, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Figures of the nights over each size of history, and what the last took of what the first did."""
    figures = {f"{rows} rows": nights_over(place, rows) for rows in sizes}
    least, most = (figures[f"{rows} rows"] for rows in (sizes[0], sizes[-1]))
    # Not of the seconds by the clock: between two sizes lies half an hour, and whoever else was at the machine.
    wanted = ("processor seconds", "buffers touched", "megabytes of log")
    ratios = {
        night: {name: round(most[night][name] / least[night][name], 3) for name in wanted} for night in ("cold", "warm")
    }
    return figures | {"ratio": ratios}


def nights_over(place: World, rows: int) -> dict[str, Any]:
    """Write the history, then a night, and curate it; and another."""
    url = place.database(f"history_{rows}")
    migrate(url)
    services = Services(Settings.from_environment({"DATABASE_URL": url}))
    begin = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("select glow_api.register_agent(%s)", (AGENT,))
        texts = _history(admin, rows)
        seeded = time.perf_counter() - begin
        with services.store.transaction() as t:
            t.operations.set_watermark(CONSUMER, t.feedback.horizon())
        size = admin.execute("select pg_database_size(current_database()) / 1e9").fetchone()
        _night(admin, rows, texts, "cold")
    services.store.close()
    _forget(place.server)
    cold = _measured(url, services)
    counted = time.perf_counter()
    with services.store.transaction() as t:
        t.datasets.example_counts()
    counted = time.perf_counter() - counted
    services.store.close()
    with psycopg.connect(url, autocommit=True) as admin:
        _night(admin, rows, texts, "warm")
        admin.execute("checkpoint")
    warm = _measured(url, services)
    services.store.close()
    return {
        "cold": cold,
        "warm": warm,
        "seconds for the counts it shows": round(counted, 3),
        "seconds to write the history": round(seeded),
        "gigabytes": round(float(size[0]), 2) if size else None,
    }


def _forget(server: EmbeddedServer) -> None:
    """Start the server anew, with nothing of its files in memory."""
    folder = server.status().data_directory
    assert folder is not None
    server.stop()
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    server.start()


def _measured(url: str, services: Services) -> dict[str, Any]:
    """One night: what it took, and what it was."""
    before = _counters(url)
    wall, own = time.perf_counter(), time.process_time()
    (done,) = curate(services)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    processor = own + _of_the_server(url)
    services.store.close()
    counts = {name: after - before[name] for name, after in _counters(url).items()}
    return {
        "seconds": round(wall, 2),
        "load": round(os.getloadavg()[0], 1),
        "processor seconds": round(processor, 2),
        "processor seconds of Python": round(own, 2),
        "buffers touched": counts["hit"] + counts["read"],
        "buffers not in the server's memory": counts["read"],
        "rows read": counts["rows"],
        "megabytes of log": round(counts["log"] / 1e6, 1),
        **{name: getattr(done, name) for name in ("inputs", "new_inputs", "written", "closed", "joined", "bridges")},
    }


def _of_the_server(url: str) -> float:
    """Processor seconds of the server's processes that are busy for others here, all from the beginning of a night."""
    with psycopg.connect(url) as admin:
        rows = admin.execute(
            "select pid from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
        ).fetchall()
    ticks = 0
    for (pid,) in rows:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _counters(url: str) -> dict[str, int]:
    """What the sessions that have ended did: a session tells its last numbers when it ends."""
    with psycopg.connect(url, autocommit=True) as admin:
        others = (
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        while admin.execute(others).fetchone() != (0,):
            time.sleep(0.05)
        row = admin.execute(
            "select blks_hit, blks_read, tup_returned, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
            "  from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return dict(zip(("hit", "read", "rows", "log"), row, strict=True))


def _history(admin: psycopg.Connection, rows: int) -> list[str]:
    """Everything that came before. Returns texts of some of it."""
    at = admin.execute("select clock_timestamp() - interval '1 minute'").fetchone()
    admin.execute(_STAGED)
    admin.execute(_NO_INDEXES)
    texts: list[str] = []
    with admin.cursor() as cursor:
        for begin, part, marks in _parts(rows // VOTES):
            texts += part[: NIGHT // 5]
            with cursor.copy("copy staged from stdin") as copy:
                for n, words in enumerate(part):
                    key = bytes.fromhex(input_key(words))
                    hashed = example_hash(words, "answer")
                    copy.write_row(
                        (begin + n + 1, key, words, example_id(AGENT, words, "answer"), hashed, marks.bit_string(n))
                    )
            with cursor.copy("copy glow.near_keys (key, input_id) from stdin (format binary)") as copy:
                copy.set_types(["int8", "int8"])
                for n, keys in enumerate(marks.keys.tolist(), begin + 1):
                    for key in keys:
                        copy.write_row((key, n))
    assert at is not None
    values = {"agent": AGENT, "votes": VOTES, "inputs": rows // VOTES, "at": at[0]}
    # Without triggers: a foreign key looks up each of 80 million rows. What is written is right by construction.
    admin.execute("set session_replication_role = replica")
    with psycopg.ClientCursor(admin) as cursor:
        for statement in _HISTORY:
            cursor.execute(statement.encode(), values)
        for k in range(1, VOTES + 1):
            for statement in _PASS:
                cursor.execute(statement.encode(), values | {"k": k})
    admin.execute("reset session_replication_role; drop table staged; set maintenance_work_mem = '1GB'")
    admin.execute("reindex schema glow")
    admin.execute("vacuum analyze")
    admin.execute("checkpoint")
    return texts


def _parts(inputs: int) -> Iterator[tuple[int, list[str], Any]]:
    """Distinct texts, some at a time, with their near marks."""
    writer, seen = Writer(3), set[str]()
    begin = 0
    while begin < inputs:
        fresh = [text for text in dict.fromkeys(writer.texts(min(_PART, inputs - begin))) if text not in seen]
        seen.update(fresh)
        yield begin, fresh, near_marks(AGENT, fresh)
        begin += len(fresh)


def _night(admin: psycopg.Connection, rows: int, old: list[str], name: str) -> None:
    writer, new = Writer(8 if name == "cold" else 9), int(NIGHT * NEW)
    texts = writer.texts(new)
    texts[::5] = [writer.edited(old[n]) for n in range(len(texts[::5]))]
    # Old questions from all over the history, none twice.
    step = max(1, rows // VOTES // NIGHT)
    with admin.transaction():
        (at,) = admin.execute("select clock_timestamp()").fetchone() or (None,)
        values = {
            "agent": AGENT,
            "night": NIGHT,
            "new": new,
            "texts": texts,
            "step": step,
            "at": at,
            "name": f"{name}-",
        }
        for statement in _NIGHT:
            admin.execute(statement.encode(), values)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"sizes of {QUICK[0]} and {QUICK[1]} rows")
    parser.add_argument("--sizes", help="rows of history, by comma")
    arguments = parser.parse_args()
    sizes = tuple(map(int, arguments.sizes.split(","))) if arguments.sizes else QUICK if arguments.quick else SIZES
    with world() as place:
        print(json.dumps(compare(place, sizes), indent=1))


if __name__ == "__main__":
    main()
