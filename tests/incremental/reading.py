"""Writing votes, and reading what arrived as the store does.

Belongs here: what the files of this folder share. Does not: fixtures (conftest).
"""

import time
from typing import Any

import psycopg

from glow_pipelines.database import connect
from glow_pipelines.store import Store
from tests.api.calling import AGENT, call, one

TABLES = ("agent_feedback", "executions", "retrieval_events", "retrieval_hits")


def vote(connection: psycopg.Connection, n: int | str, **more: Any) -> int:
    given = {"agent": AGENT, "execution_id": f"e-{n}", "user_id": "u", "thumbs": 1, **more}
    return int(call(connection, "submit_feedback", **given)["feedback_id"])


def settle(url: str) -> None:
    """Waits until all that is committed by now is behind the horizon. Transactions of other databases hold it back too,
    and other workers have some."""
    with connect(url, autocommit=True) as connection:
        mine = one(connection, "select pg_current_xact_id()::text::bigint")
        deadline = time.monotonic() + 30
        while one(connection, "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint") <= mine:
            assert time.monotonic() < deadline, "a transaction of this server has been open for 30 s"
            time.sleep(0.01)


def arrivals(store: Store, watermark: str) -> tuple[int, str]:
    """New votes behind the horizon since a watermark, and the next watermark; as the sensor asks."""
    with store.transaction() as t:
        found = t.feedback.arrivals({AGENT: watermark}, threshold=1, most_rows=1_000_000)
        return (found[0].arrived, found[0].horizon) if found else (0, watermark)
