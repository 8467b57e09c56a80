"""What the question "who has enough new feedback" costs, with little and with much history.

Belongs here: the store's own query at two sizes of the table. Does not: what is done with the answer (defs/sensors).
"""

import statistics
import time
from typing import Any

import psycopg

from benchmarks.ingest.world import AGENTS, World
from glow_pipelines.database import ensure_database, migrate
from glow_pipelines.store import Store

SIZES = (10_000, 10_000_000)
MONTHS = 12
NEW_AGENTS, NEW_ROWS = 10, 12
CALLS = 200
STEP = 100_000

FILL = """
insert into glow.agent_feedback (
  feedback_id, tenant, agent, execution_id, user_id, kind, thumbs, comment, occurred_at, recorded_at)
select n, 'default', 'agent-' || 1 + n %% %(agents)s, 'run-' || n, 'user-' || n %% 5000, 'vote', 1,
       'The amount is right.', at, at
  from generate_series(%(start)s::bigint, %(stop)s::bigint) n
 cross join lateral (select clock_timestamp() - (n %% 360) * interval '1 day' as at) x
"""


def compare(world: World) -> dict[str, Any]:
    """Median milliseconds of the threshold query at both sizes, with nothing new and with some new rows."""
    found: dict[str, Any] = {}
    for rows in SIZES:
        url = world.server.url(f"threshold_{rows}")
        ensure_database(url)
        migrate(url)
        _fill(url, rows)
        found[str(rows)] = _measure(url)
    small, large = (found[str(rows)] for rows in SIZES)
    return found | {"ratio": {name: large[name] / small[name] for name in ("nothing_new_ms", "some_new_ms")}}


def _fill(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, AGENTS + 1):
            connection.execute("select glow_api.register_agent(%s)", (f"agent-{number}",))
        # A row in each month makes its partition.
        connection.execute(FILL, {"agents": AGENTS, "start": 1, "stop": 360})
        connection.execute("select glow.ensure_partitions()")
        for start in range(361, rows + 1, STEP):
            stop = min(start + STEP - 1, rows)
            connection.execute(FILL, {"agents": AGENTS, "start": start, "stop": stop})
        connection.execute("vacuum (analyze) glow.agent_feedback")


def _measure(url: str) -> dict[str, float]:
    store = Store(url)
    try:
        with store.transaction() as t:
            horizon = t.feedback.horizon()
        watermarks = {f"agent-{number}": horizon for number in range(1, AGENTS + 1)}
        quiet = _median_ms(store, watermarks, expected=0)
        with psycopg.connect(url, autocommit=True) as connection:
            for number in range(NEW_AGENTS * NEW_ROWS):
                connection.execute(
                    "select glow_api.submit_feedback(%s, %s, 'new', thumbs => 1)",
                    (f"agent-{1 + number % NEW_AGENTS}", f"new-{number}"),
                )
        return {
            "nothing_new_ms": quiet,
            "some_new_ms": _median_ms(store, watermarks, expected=NEW_AGENTS),
            "count_all_ms": _count_ms(url),
        }
    finally:
        store.close()


def _median_ms(store: Store, watermarks: dict[str, str], expected: int) -> float:
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        with store.transaction() as t:
            found = t.feedback.arrivals(watermarks, threshold=10)
        times.append((time.perf_counter() - began) * 1000)
        if len(found) != expected:
            raise RuntimeError(f"{len(found)} agents are ready instead of {expected}")
    return statistics.median(times)


def _count_ms(url: str) -> float:
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        connection.execute("select agent, count(*) from glow.agent_feedback group by agent").fetchall()
        return (time.perf_counter() - began) * 1000
