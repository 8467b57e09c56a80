"""A PostgreSQL of its own for a benchmark, durable as in production, and the one vote everybody writes.

Belongs here: server, logins, pgbench. Does not: what is measured (the other parts).
"""

import os
import secrets
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from glow_pipelines.database import EmbeddedServer, ensure_database, migrate, urls
from glow_pipelines.database.binaries import find_binaries

AGENTS = 100
CLIENTS = 8
APP = "bench_app"

# The same values for both sides, so that what is compared is how they are written.
CALL = """\\set n random(1, 4000000000000)
\\set u random(1, 5000)
\\set a random(1, {agents})
select glow_api.submit_feedback('agent-' || (:a)::text, 'run-' || (:n)::text, 'user-' || (:u)::text, thumbs => 1,
  rating => 4, dimensions => '{{"accuracy": 4}}', issues => '{{unclear}}',
  comment => 'The amount is right, the account is not.',
  channel => 'web', conversation_id => 'talk-' || (:u)::text, idempotency_key => 'key-' || (:n)::text);
"""
PLAIN = """\\set n random(1, 4000000000000)
\\set u random(1, 5000)
\\set a random(1, {agents})
insert into bench.{table} (tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues,
  comment, channel, conversation_id, idempotency_key, occurred_at, recorded_at)
values ('default', 'agent-' || (:a)::text, 'run-' || (:n)::text, 'user-' || (:u)::text, 'vote', false, 1, 4,
  '{{"accuracy": 4}}', '{{unclear}}', 'The amount is right, the account is not.', 'web', 'talk-' || (:u)::text,
  'key-' || (:n)::text, clock_timestamp(), clock_timestamp());
"""
# `alike` is our own table of feedback: its types, its months, its indexes. `bare` has types that check nothing and no
# months. Both have as many indexes as submit_feedback keeps, the two that make votes and keys unique included.
PLAIN_TABLES = """
create schema bench;
create table bench.alike (like glow.agent_feedback including defaults) partition by range (recorded_at);
create table bench.alike_now partition of bench.alike default;
create table bench.bare (
  feedback_id bigint not null default nextval('glow.feedback_ids'), tenant text, agent text, execution_id text,
  user_id text, kind text, withdrawn boolean, thumbs smallint, rating smallint, dimensions jsonb, issues text[],
  comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamptz,
  recorded_at timestamptz, superseded_by bigint, xid xid8 default pg_current_xact_id());
do $$ declare t text; begin
  foreach t in array '{alike_now,bare}'::text[] loop
    execute format('create unique index on bench.%1$s (feedback_id, recorded_at);
      create index on bench.%1$s (tenant, execution_id);
      create index on bench.%1$s (agent, xid);
      create index on bench.%1$s using brin (recorded_at);
      create unique index on bench.%1$s (tenant, execution_id, user_id, kind);
      create unique index on bench.%1$s (tenant, agent, idempotency_key)', t);
  end loop;
end $$;
"""


@dataclass(frozen=True)
class Rate:
    """One pgbench run: transactions per second, and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class World:
    """URLs of the administrator and of an app's login, and the folder pgbench lies in."""

    admin: str
    app: str
    server: EmbeddedServer

    def database(self, name: str) -> str:
        """Another database of the same server, for a peer."""
        url = self.server.url(name)
        ensure_database(url)
        return url


@contextmanager
def world() -> Iterator[World]:
    """A fresh server on this disk with its default durability, a migrated database, agents, and a login of an app."""
    with tempfile.TemporaryDirectory(prefix="glow-bench-") as folder:
        Path(folder).chmod(0o711)  # as root the server is another user
        server = EmbeddedServer(Path(folder), {"max_wal_size": "4GB", "checkpoint_timeout": "15min"})
        server.start()
        try:
            admin, password = server.url("glow"), secrets.token_urlsafe(12)
            migrate(admin)
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(
                    sql.SQL("create role {} login password {}; grant glow_app to {}").format(
                        sql.Identifier(APP), sql.Literal(password), sql.Identifier(APP)
                    )
                )
                for number in range(1, AGENTS + 1):
                    connection.execute("select glow_api.register_agent(%s)", (f"agent-{number}",))
                connection.execute(PLAIN_TABLES)
                connection.execute(
                    sql.SQL(
                        "grant usage on schema bench, glow to {0}; grant insert on bench.alike, bench.bare to {0};"
                        "grant usage on sequence glow.feedback_ids to {0}"
                    ).format(sql.Identifier(APP))
                )
            app = urls.parse(admin).set(username=APP, password=password).render_as_string(hide_password=False)
            yield World(admin, app, server)
        finally:
            server.remove()


def pgbench(url: str, script: str, *, seconds: int, clients: int = CLIENTS, per_second: int | None = None) -> Rate:
    """Run a script as fast as it goes, or at a rate; with a rate the latency counts from when a call was due."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "script.sql").write_text(script)
        command = [find_binaries(os.environ).program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
        command += ["-T", str(seconds), "-f", "script.sql", "-l"]
        command += ["-R", str(per_second)] if per_second else []
        done = subprocess.run([*command, url], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"pgbench: {done.stderr[-2000:]}")
        logs = [line.split() for path in Path(folder).glob("pgbench_log.*") for line in path.read_text().splitlines()]
    times = sorted(int(fields[2]) / 1000 for fields in logs if fields[2].isdigit())
    cuts = statistics.quantiles(times, n=100)
    return Rate(len(times) / seconds, cuts[49], cuts[94], cuts[98])
