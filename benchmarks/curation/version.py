"""Claim: a dataset version of a million approved examples in three minutes on two cores, leakage check included, in the
same memory as one of a hundred thousand.

Each version is built in a process of its own, so that its peak of memory is that of the build; the server's own process
is watched meanwhile. Texts are screened, lines validated, near-duplicates searched across splits by hashes other than
the groups' own. A leak is planted afterwards, and must be found.

Usage: python benchmarks/curation/version.py [--quick] [--sizes N,…]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import psycopg

from benchmarks.curation.approved import AGENT, seed
from benchmarks.ingest.world import World, world
from glow_pipelines.database import migrate
from glow_pipelines.learning.datasets import DatasetRule
from glow_pipelines.steps.datasets import build_dataset, verify_dataset
from glow_pipelines.store import Store

SIZES, QUICK = (100_000, 1_000_000), (10_000, 100_000)
# Near rows of two splits, as no curation would leave them: the first train row in other words, held out.
_LEAK = """
with t as (select * from glow.learning_examples where agent = %(agent)s and split = 'train' and superseded_at is null
            order by example_version limit 1),
g as (insert into glow.split_assignments (agent, group_key, split) values (%(agent)s, 'g-leak', 'test')),
i as (insert into glow.learning_inputs (agent, input_key, group_key)
      values (%(agent)s, sha256('leak'), 'g-leak') returning input_id)
insert into glow.learning_examples (example_id, agent, input_id, input, target, source, status, quality,
  expert_approved, group_key, split, content_hash, rule_version)
select 'leak', t.agent, i.input_id, t.input || ' more', t.target, t.source, t.status, t.quality, true, 'g-leak', 'test',
       'leak', t.rule_version from t, i
"""


def measure(world: World) -> dict[str, Any]:
    """Both sizes, and what memory grew by."""
    return compare(world, SIZES)


def compare(world: World, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Seconds, rows per second and megabytes by size."""
    found = {f"{rows:,} rows": _sized(world, rows) for rows in sizes}
    small, large = (found[f"{rows:,} rows"] for rows in (sizes[0], sizes[-1]))
    peak = "megabytes at the peak"
    return found | {"memory, large to small": round(large[peak] / small[peak], 3)}


def _sized(world: World, rows: int) -> dict[str, Any]:
    url = world.database(f"version_{rows}")
    migrate(url)
    seed(url, rows)
    figures = _apart(url, "build")
    figures |= {"verify seconds": _apart(url, "verify", figures["dataset"])["seconds"]}
    with psycopg.connect(url) as connection:
        connection.execute(_LEAK, {"agent": AGENT})
    leak = _apart(url, "build")
    parted = leak["rows parted"] - figures["rows parted"]
    return figures | {"a planted leak is parted": parted == 1 and not leak["leaking pairs"] and not leak["refused"]}


def _apart(url: str, *what: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--url", url, "--do", *what], capture_output=True, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def build(url: str) -> dict[str, Any]:
    """One build, timed step by step."""
    store, steps, backend = Store(url), dict[str, float](), [0]
    began = time.perf_counter()

    def told(doing: str, rows: int) -> None:
        steps.setdefault(doing, time.perf_counter() - began)
        if rows % 50_000 == 0:
            backend[0] = max(backend[0], _of_the_server(store))

    built = build_dataset(store, DatasetRule(AGENT), told=told)
    seconds, cpu = time.perf_counter() - began, time.process_time()
    marks = [*steps.items(), ("", seconds)]
    (leakage,) = (each for each in built.verdicts if each.name == "leakage")
    return {
        "dataset": built.dataset_id,
        "rows": built.rows,
        "seconds": round(seconds, 1),
        "processor seconds of Python": round(cpu, 1),
        "rows per second": round(built.rows / seconds),
        "seconds by step": {name: round(marks[n + 1][1] - at, 1) for n, (name, at) in enumerate(marks[:-1])},
        "megabytes at the peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "megabytes of the server's process": backend[0],
        "leaking pairs": leakage.numbers["pairs"],
        "refused": [each.name for each in built.refused],
        "rows parted": len(built.statistics["parted"]),
    }


def _of_the_server(store: Store) -> int:
    """Megabytes of its own that the largest of the server's processes holds now."""
    with store.transaction() as t:
        rows = t.connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    sizes = [0]
    for row in rows:
        for line in Path(f"/proc/{row['pid']}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                sizes.append(int(line.split()[1]) // 1024)
    return max(sizes)


def verify(url: str, dataset: str) -> dict[str, Any]:
    """Choosing the rows anew."""
    began = time.perf_counter()
    if not verify_dataset(Store(url), dataset).holds:
        raise RuntimeError("the version does not hold")
    return {"seconds": round(time.perf_counter() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--sizes", help="rows, by comma")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--do", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.do:
        print(json.dumps({"build": build, "verify": verify}[arguments.do[0]](arguments.url, *arguments.do[1:])))
        return
    sizes = QUICK if arguments.quick else SIZES
    if arguments.sizes:
        sizes = tuple(int(each) for each in arguments.sizes.split(","))
    with world() as place:
        print(json.dumps(compare(place, sizes), indent=1))


if __name__ == "__main__":
    main()
