"""Claim: a dataset version is exported at half the rate or more of a plain COPY of the same rows, in the same memory
however many rows there are.

In one run, turn by turn: COPY of the texts to a file and nothing else; the export with its lines validated, hashed,
written, and put on the disk; the same as CSV and Parquet; and the plain way in Python (a cursor and json.dumps). What
is compared is the rows: both join a version with its examples and come in its order.

Usage: python benchmarks/curation/export.py [--quick] [--sizes N,…] [--rounds N]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import psycopg

from benchmarks.curation.approved import AGENT, seed
from benchmarks.ingest.world import World, world
from glow_pipelines.database import migrate
from glow_pipelines.exporting.run import ExportRequest, Format, export_dataset
from glow_pipelines.learning.datasets import DatasetRule, canonical_json
from glow_pipelines.store import Store

SIZES, QUICK, ROUNDS = (100_000, 1_000_000), (10_000, 100_000), 3
WAYS = ("plain", "jsonl", "csv", "parquet", "python")
_ROWS = """
select x.input, x.target from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = 'bench' and d.split = 'train' order by d.position
"""
# A version without a build: what is measured comes after it.
_VERSION = """
insert into glow.training_datasets (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows,
  content_hash, statistics)
select 'bench', %(agent)s, array[%(agent)s], 'sft', %(rule)s, %(hash)s, 'dataset-2', clock_timestamp(), count(*),
       %(hash)s, jsonb_build_object('splits', jsonb_build_object('train', count(*) filter (where split = 'train'),
         'val', count(*) filter (where split = 'val'), 'test', count(*) filter (where split = 'test')))
  from glow.learning_examples where agent = %(agent)s;
insert into glow.dataset_examples (dataset_id, position, example_version, split)
select 'bench', row_number() over (order by example_id), example_version, split
  from glow.learning_examples where agent = %(agent)s;
"""


def measure(world: World) -> dict[str, Any]:
    """Both sizes, and what memory grew by."""
    return compare(world, SIZES, ROUNDS)


def compare(world: World, sizes: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Rates by size and way, and their ratios to plain COPY."""
    found = {f"{rows:,} rows": _sized(world, rows, rounds) for rows in sizes}
    small, large = (found[f"{rows:,} rows"] for rows in (sizes[0], sizes[-1]))
    grown = {
        way: round(large[way]["megabytes at the peak"] / small[way]["megabytes at the peak"], 3)
        for way in ("jsonl", "csv", "parquet")
    }
    return found | {"memory, large to small": grown}


def _sized(world: World, rows: int, rounds: int) -> dict[str, Any]:
    url = world.database(f"export_{rows}")
    migrate(url)
    seed(url, rows)
    rule = DatasetRule(AGENT)
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        values = {"agent": AGENT, "rule": json.dumps(rule.to_json()), "hash": rule.hash}
        cursor.execute(_VERSION.encode(), values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum (analyze) glow.dataset_examples")
    times: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            times[way].append(_apart(url, way))
    figures: dict[str, Any] = {
        way: {
            "rows per second": round(statistics.median(each["rows"] / each["seconds"] for each in found)),
            "megabytes per second": round(statistics.median(each["bytes"] / 1e6 / each["seconds"] for each in found)),
            "megabytes at the peak": max(each["megabytes"] for each in found),
        }
        for way, found in times.items()
    }
    plain = figures["plain"]["rows per second"]
    same = {each["sha256"] for way in ("jsonl", "python") for each in times[way]}
    return figures | {
        "ratio to plain COPY": {way: round(figures[way]["rows per second"] / plain, 3) for way in WAYS[1:]},
        "the bytes that Python writes": len(same) == 1,
    }


def _apart(url: str, way: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--url", url, "--way", way], capture_output=True, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def write(url: str, way: str) -> dict[str, Any]:
    """The rows of train, one way."""
    store = Store(url)
    with store.transaction() as t:
        totals = t.datasets.version("bench").statistics["splits"]
    with tempfile.TemporaryDirectory(prefix="glow-export-") as folder:
        began = time.perf_counter()
        if way == "plain":
            digest = _plain(url, Path(folder) / "file")
        elif way == "python":
            digest = _in_python(url, Path(folder) / "file")
        else:
            digest = _exported(store, Path(folder), way)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"rows": totals["train"], "seconds": seconds, "bytes": size, "sha256": digest, "megabytes": peak}


def _plain(url: str, path: Path) -> str:
    statement = f"copy ({_ROWS}) to stdout".encode()
    with psycopg.connect(url) as connection, connection.cursor().copy(statement) as copy, path.open("wb") as file:
        for block in copy:
            file.write(block)
    return ""


def _in_python(url: str, path: Path) -> str:
    import hashlib

    sha = hashlib.sha256()
    with psycopg.connect(url) as connection, connection.cursor("rows") as cursor, path.open("wb") as file:
        cursor.execute(_ROWS.encode())
        while rows := cursor.fetchmany(2000):
            lines = [
                canonical_json(
                    {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
                )
                for asked, answer in rows
            ]
            block = ("\n".join(lines) + "\n").encode()
            file.write(block)
            sha.update(block)
    return sha.hexdigest()


def _exported(store: Store, folder: Path, way: str) -> str:
    format: Format = way  # type: ignore[assignment]
    return export_dataset(store, folder, ExportRequest("bench", format, ("train",)))[0].sha256


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--sizes", help="rows, by comma")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(write(arguments.url, arguments.way)))
        return
    sizes = QUICK if arguments.quick else SIZES
    if arguments.sizes:
        sizes = tuple(int(each) for each in arguments.sizes.split(","))
    with world() as place:
        print(json.dumps(compare(place, sizes, arguments.rounds), indent=1))


if __name__ == "__main__":
    main()
