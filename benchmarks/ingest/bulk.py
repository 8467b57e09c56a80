"""How fast a file of votes is imported, against a plain COPY of the same rows into the same table.

Belongs here: `glow import` as a user runs it, from the file to the last row applied. Does not: single calls (submit).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.ingest.world import AGENTS, World
from glow_pipelines.database import ensure_database, migrate

ROWS = 1_000_000
COLUMNS = (
    "feedback_id, tenant, agent, execution_id, user_id, kind, thumbs, rating, issues, comment, channel, "
    "conversation_id, idempotency_key, occurred_at, recorded_at"
)
COMMENT = "The amount is right, the account is not."


def compare(world: World) -> dict[str, Any]:
    """Rows a second of both, in databases of their own on the same server, COPY before and after."""
    before = _copy(_database(world, "copy_before"))
    with tempfile.TemporaryDirectory() as folder:
        imported = _import(_database(world, "imported"), Path(folder))
    after = _copy(_database(world, "copy_after"))
    return {
        "rows": ROWS,
        "copy_rows_per_second": [before, after],
        "import_rows_per_second": imported,
        "ratio": imported / ((before + after) / 2),
    }


def _database(world: World, name: str) -> str:
    url = world.server.url(name)
    ensure_database(url)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, AGENTS + 1):
            connection.execute("select glow_api.register_agent(%s)", (f"agent-{number}",))
    return url


def _rows() -> Iterator[tuple[int, str, str, str, str, datetime]]:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(ROWS):
        at = began + timedelta(seconds=20 * n)
        yield n + 1, f"agent-{1 + n % AGENTS}", f"run-{n}", f"user-{n % 5000}", f"talk-{n % 5000}", at


def _copy(url: str) -> float:
    now = datetime.now(UTC).isoformat()
    lines = [
        f"{n}\tdefault\t{agent}\t{run}\t{user}\tvote\t1\t4\t{{unclear}}\t{COMMENT}\tweb\t{talk}\tkey-{n}\t{at.isoformat()}\t{now}\n"
        for n, agent, run, user, talk, at in _rows()
    ]
    chunks = ["".join(lines[start : start + 1000]).encode() for start in range(0, ROWS, 1000)]
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy(f"copy glow.agent_feedback ({COLUMNS}) from stdin".encode()) as copy:
            for chunk in chunks:
                copy.write(chunk)
        return ROWS / (time.perf_counter() - began)


def _import(url: str, folder: Path) -> float:
    path = folder / "votes.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for n, agent, run, user, talk, at in _rows():
            row = {
                "agent": agent,
                "execution_id": run,
                "user_id": user,
                "thumbs": 1,
                "rating": 4,
                "issues": ["unclear"],
            }
            row |= {"comment": COMMENT, "channel": "web", "conversation_id": talk, "idempotency_key": f"key-{n}"}
            file.write(json.dumps(row | {"occurred_at": at.isoformat()}) + "\n")
    command = [str(Path(sys.executable).with_name("glow")), "import", "jsonl", str(path), "--kind", "feedback"]
    began = time.perf_counter()
    done = subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"glow import: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("select count(*) from glow.agent_feedback").fetchone() or (0,)
    if count != ROWS:
        raise RuntimeError(f"{count} rows of {ROWS} arrived: {done.stdout[-1000:]}")
    return ROWS / seconds
