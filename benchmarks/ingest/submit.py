"""How fast one vote is taken, against a plain INSERT of the same row.

Belongs here: rates and latencies of single calls. Does not: batches and files (bulk), other products (peers).
"""

import statistics
from dataclasses import asdict
from typing import Any

import psycopg

from benchmarks.ingest.world import AGENTS, CALL, PLAIN, Rate, World, pgbench

SECONDS = 4
ROUNDS = 3


def compare(world: World, agents: int = AGENTS) -> dict[str, Any]:
    """Rounds of plain, submit, plain; the ratios of a round are to the mean of the plain runs around its call.

    Then the same with three milliseconds before each flush of the log, for as long as others write too: what a disk
    that flushes 300 times a second does. On a disk that flushes in no time processors are all that is compared.
    """
    found = {"flushes_per_second": _flushes(world), "this_disk": _rounds(world, agents)}
    with psycopg.connect(world.admin, autocommit=True) as connection:
        connection.execute("alter system set commit_delay = 3000")
        connection.execute("alter system set commit_siblings = 1")
        connection.execute("select pg_reload_conf()")
    return found | {"flush_of_3_ms": _rounds(world, agents)}


def steady(world: World, per_second: int = 300, seconds: int = 60) -> dict[str, Any]:
    """Latency from the instant a call was due, at a fixed rate: the charter's 200 ms at the 95th percentile."""
    return asdict(pgbench(world.app, CALL.format(agents=AGENTS), seconds=seconds, per_second=per_second))


def _rounds(world: World, agents: int) -> dict[str, Any]:
    runs: dict[str, list[Rate]] = {"submit": [], "alike": [], "bare": []}
    scripts = {name: PLAIN.format(agents=agents, table=name) for name in ("alike", "bare")}
    scripts["submit"] = CALL.format(agents=agents)
    for _ in range(ROUNDS):
        for name in ("alike", "bare", "submit", "bare", "alike"):
            runs[name].append(pgbench(world.app, scripts[name], seconds=SECONDS))
    found: dict[str, Any] = {name: _median(each) for name, each in runs.items()}
    for name in ("alike", "bare"):
        pairs = [runs[name][n : n + 2] for n in range(0, 2 * ROUNDS, 2)]
        rates = [
            a.per_second / statistics.mean(b.per_second for b in c) for a, c in zip(runs["submit"], pairs, strict=True)
        ]
        tails = [a.p95_ms / statistics.mean(b.p95_ms for b in c) for a, c in zip(runs["submit"], pairs, strict=True)]
        found[f"to_{name}"] = {"rate_ratio": _spread(rates), "p95_ratio": _spread(tails)}
    return found


def _flushes(world: World) -> float:
    """Commits a second of one client that writes next to nothing: how often this disk makes a write durable."""
    with psycopg.connect(world.admin, autocommit=True) as connection:
        connection.execute("create table bench.flushes (n integer)")
    return pgbench(world.admin, "insert into bench.flushes values (1);", seconds=3, clients=1).per_second


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _median(runs: list[Rate]) -> dict[str, float]:
    rows = [asdict(run) for run in runs]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}
