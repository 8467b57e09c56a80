"""Claim: at 10⁵ chunks glow_api.search answers within twice the plain pgvector query of the same k, in the same run.

The plain query asks the same index with the same graph and pgvector's usual ef_search for ids alone; `with texts` it also
fetches what an app shows. They and the searches take turns, question by question, each question once: nothing is warm
that was not just used by the other. Beside the clock, the processor time of the server process is measured: on a machine
that others use, the clock measures the others. Recall is that of the dense candidates against the exact scan, and what of
the ten best by the formula over all chunks the search has.

Usage: python benchmarks/retrieving/scale.py [--chunks N] [--questions N] [--url URL] [--write]
`--url`: a database to make the world in, or where it was made by an earlier run; without it a fresh embedded server.
"""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import numpy as np
import psycopg

from benchmarks.retrieving.scale_world import AGENT, MODEL, World, make_world, text_of, write_world
from glow_pipelines.database import EmbeddedServer, connect, migrate

RESULT = Path(__file__).parents[1] / "results" / "retrieval_scale.json"
SEED, K, DEPTH = 7, 10, 40
SERVER = {"shared_buffers": "2GB", "maintenance_work_mem": "1GB", "fsync": "off", "autovacuum": "off"}
NEAREST = "select chunk_id, (embedding::vector(384)) <=> %(vector)s::vector as far from glow.index_entries_{n} order by 2 limit 10"
QUERIES = {
    "plain": NEAREST,
    "plain with texts": f"select n.chunk_id, c.document_id, c.text, n.far from ({NEAREST}) n join glow.chunks c on c.agent = 'scale' and c.chunk_id = n.chunk_id order by n.far",
    "search": "select glow_api.search('scale', %(query)s, 10, %(array)s::float8[])",
    "search, depth 100": "select glow_api.search('scale', %(query)s, 10, %(array)s::float8[], configuration => 'deep')",
    "search, words alone": "select glow_api.search('scale', %(query)s, 10)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--url")
    parser.add_argument("--write", action="store_true", help="keep the result with the benchmarks")
    asked = parser.parse_args()
    world = make_world(asked.chunks, asked.questions, SEED)
    with ExitStack() as stack:
        result = measure(asked.url or fresh_server(stack), world)
    print(json.dumps(result, indent=2))
    if asked.write:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


def fresh_server(stack: ExitStack) -> str:
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="glow-scale-")))
    home.chmod(0o711)
    server = EmbeddedServer(home, SERVER)
    stack.callback(server.remove)
    server.start()
    return server.url("glow")


def measure(url: str, world: World) -> dict[str, Any]:
    migrate(url)
    began = time.perf_counter()
    with connect(url) as connection:
        row = connection.execute(
            "select index_number from glow.retrieval_indexes where agent = %s and state = 'ready'", (AGENT,)
        ).fetchone()
        number = int(row[0]) if row else write_world(connection, world)
    made_s = time.perf_counter() - began
    with connect(url, autocommit=True) as connection:
        for table in (
            f"index_entries_{number}",
            f"index_terms_{number}",
            f"index_postings_{number}",
            "chunks",
            "live_chunks",
        ):
            connection.execute(f"vacuum analyze glow.{table}".encode())
        connection.execute("set jit = off")
        connection.execute(
            "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
            " values ('deep', %s, '{\"candidate_depth\": 100}', 'whole', %s) on conflict do nothing",
            (AGENT, MODEL),
        )
        times = timed(connection, number, world)
        versions = connection.execute(
            "select current_setting('server_version'), extversion from pg_extension where extname = 'vector'"
        ).fetchone()
        assert versions is not None
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "load": os.getloadavg()[1],
            },
            "postgres": versions[0],
            "pgvector": versions[1],
            "chunks": len(world.words),
            "dimensions": world.vectors.shape[1],
            "questions": len(world.asked),
            "k": K,
            "made_s": round(made_s, 1),
            "milliseconds": times,
            "search_over_plain_p95": {kind: ratio(times, "search", "plain", kind) for kind in ("clock", "processor")},
            "search_over_plain_with_texts_p95": {
                kind: ratio(times, "search", "plain with texts", kind) for kind in ("clock", "processor")
            },
            "exact_scan_p50": exact_scan(connection, number, world),
            "recall_of_nearest": recalls(connection, number, world),
            "ten_best_kept": {name: kept(connection, world, name) for name in QUERIES if name.startswith("search")},
        }


def ratio(times: dict[str, Any], one: str, other: str, kind: str) -> float:
    return round(float(times[one][kind]["p95"] / times[other][kind]["p95"]), 2)


def timed(connection: psycopg.Connection, number: int, world: World) -> dict[str, Any]:
    """Percentiles of each query, by the clock and by the processor time of the server process, in ms."""
    processor = processor_clock(connection)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in QUERIES}
    for n in range(len(world.asked)):
        given = arguments(world, n)
        turns = list(QUERIES.items())
        for name, query in turns[n % len(turns) :] + turns[: n % len(turns)]:  # whoever comes second finds things warm
            used, began = processor(), time.perf_counter()
            connection.execute(query.format(n=number).encode(), given, prepare=True).fetchall()
            taken[name].append(((time.perf_counter() - began) * 1e3, processor() - used))
    return {
        name: {"clock": percentiles([t[0] for t in found[20:]]), "processor": percentiles([t[1] for t in found[20:]])}
        for name, found in taken.items()
    }


def processor_clock(connection: psycopg.Connection) -> Callable[[], float]:
    """Milliseconds the server process of a connection has run, where the system tells (Linux, same machine); else 0."""
    place = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return (lambda: int(place.read_text().split()[0]) / 1e6) if place.exists() else (lambda: 0.0)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in (50, 90, 95, 99)}


def arguments(world: World, n: int) -> dict[str, str]:
    numbers = ",".join(f"{x:.8g}" for x in world.questions[n])
    return {"vector": f"[{numbers}]", "array": f"{{{numbers}}}", "query": text_of(world.asked[n])}


def nearest(world: World, n: int, most: int) -> list[str]:
    cosine = world.vectors @ world.questions[n]
    return [f"c{i:06d}" for i in np.argsort(-cosine, kind="stable")[:most]]


def recalls(
    connection: psycopg.Connection, number: int, world: World, sample: int = 200
) -> dict[str, dict[str, float]]:
    """Share of the exact nearest 10 and of the exact nearest `DEPTH` that the graph finds, by ef_search."""
    query = NEAREST.format(n=number).replace("limit 10", f"limit {DEPTH}").encode()
    found: dict[str, dict[str, float]] = {}
    exact = [nearest(world, n, DEPTH) for n in range(min(sample, len(world.asked)))]
    for ef in (40, 80, 160, 320):
        connection.execute(f"set hnsw.ef_search = {ef}".encode())
        got = [[row[0] for row in connection.execute(query, arguments(world, n)).fetchall()] for n in range(len(exact))]
        found[str(ef)] = {
            f"nearest {most}": round(
                float(np.mean([len(set(g[:DEPTH]) & set(e[:most])) / most for g, e in zip(got, exact, strict=True)])), 4
            )
            for most in (K, DEPTH)
        }
    connection.execute("reset hnsw.ef_search")
    return found


def exact_scan(connection: psycopg.Connection, number: int, world: World) -> float:
    connection.execute("set enable_indexscan = off")
    taken = []
    for n in range(10):
        began = time.perf_counter()
        connection.execute(
            f"{NEAREST.format(n=number)} -- exact".encode(), arguments(world, n), prepare=False
        ).fetchall()
        taken.append((time.perf_counter() - began) * 1e3)
    connection.execute("reset enable_indexscan")
    return round(float(np.median(taken)), 1)


def kept(connection: psycopg.Connection, world: World, name: str, sample: int = 100) -> float:
    """Share of the ten best by the formula over all chunks that the search answers."""
    holding: dict[int, list[tuple[int, int]]] = {}
    for i, words in enumerate(world.words):
        for word, times in zip(*np.unique(words, return_counts=True), strict=True):
            holding.setdefault(int(word), []).append((i, int(times)))
    row = connection.execute(
        "select average_words, dense_floor from glow.retrieval_indexes where agent = %s", (AGENT,)
    ).fetchone()
    assert row is not None
    shares = []
    for n in range(min(sample, len(world.asked))):
        words = np.zeros(len(world.words))
        for word in world.asked[n]:
            found = holding.get(int(word), [])
            idf = np.log1p((len(words) - len(found) + 0.5) / (len(found) + 0.5))
            for i, times in found:
                norm = 1.2 * (0.25 + 0.75 * len(world.words[i]) / row[0])
                words[i] += idf * times * 2.2 / (times + norm)
        cosine = (world.vectors @ world.questions[n]).astype(float)
        low = min(row[1], cosine.max() - 0.1)
        score = words / max(words.max(), 1e-9)
        if "words" not in name:
            score += (cosine - low) / (cosine.max() - low)
        best = {f"c{i:06d}" for i in np.argsort(-score, kind="stable")[:K]}
        answer = connection.execute(QUERIES[name].encode(), arguments(world, n)).fetchone()
        assert answer is not None
        shares.append(len(best & {hit["chunk_id"] for hit in answer[0]["hits"]}) / K)
    return round(float(np.mean(shares)), 4)


if __name__ == "__main__":
    main()
