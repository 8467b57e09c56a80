"""Claim: SQL and Python put a million ids in the same buckets, evenly and independently for each question; and what
resolve_prompt costs without an experiment, in one that the unit is new to, and in one that it has met.

Usage: python benchmarks/experimenting/assignment.py [--ids N] [--calls N]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import numpy as np
import psycopg
from scipy.stats import chisquare

from glow_pipelines.database import EmbeddedServer, connect, ensure_database, migrate
from glow_pipelines.learning.experiments.hashing import exp_bucket

DRAWS = """
select glow.exp_bucket('bulk#1', 'enroll', 'u' || n), glow.exp_bucket('bulk#1', 'variant', 'u' || n)
  from generate_series(1, %s) n order by n
"""
OTHER = """
with other as (
  insert into glow.prompt_versions (agent, prompt_version, prompt, operator)
  select 'desk', encode(sha256(convert_to(p::text, 'UTF8')), 'hex'), p, 'person'
    from (values ('{"instruction": "b"}'::jsonb)) v(p)
  returning prompt_version)
insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, plan, request_id)
select 'x', 'desk', 'prompt', '', a.prompt_version, o.prompt_version, '{}', 1 from glow.prompt_aliases a, other o
 where a.agent = 'desk' and a.alias = 'production'
"""


def hashes(connection: psycopg.Connection, ids: int) -> dict[str, Any]:
    """Both draws of `ids` ids, in SQL and in Python."""
    began = time.perf_counter()
    enroll, variant = np.array(connection.execute(DRAWS, (ids,)).fetchall()).T
    seconds = time.perf_counter() - began
    units = [f"u{n}" for n in range(1, ids + 1)]
    return {
        "ids": ids,
        "equal": all(
            found.tolist() == [exp_bucket("bulk#1", purpose, unit) for unit in units]
            for purpose, found in (("enroll", enroll), ("variant", variant))
        ),
        "correlation": float(np.corrcoef(enroll, variant)[0, 1]),
        "chi_square_p": [
            float(chisquare(np.bincount(each // 1000, minlength=1000)).pvalue) for each in (enroll, variant)
        ],
        "sql_draws_per_second": round(2 * ids / seconds),
    }


def calls(connection: psycopg.Connection, count: int) -> dict[str, float]:
    """Microseconds of a call with its round trip, the best of five runs."""

    def best(first: int, step: int) -> float:
        runs = []
        for run in range(5):
            began = time.perf_counter()
            for n in range(count):
                unit = f"u{first + run * step + n}"
                connection.execute("select glow_api.resolve_prompt('desk', %s)", (unit,)).fetchone()
            runs.append((time.perf_counter() - began) / count * 1e6)
        return round(min(runs), 1)

    found = {"no_experiment": best(0, 0)}
    connection.execute(OTHER)
    return {**found, "new_unit": best(0, count), "exposed_unit": best(0, 0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o711)  # as root the server is another user
        server = EmbeddedServer(home / "server")
        server.start()
        try:
            url = server.url("glow")
            ensure_database(url)
            migrate(url)
            with connect(url, autocommit=True) as connection:
                connection.execute("""select glow_api.register_agent('desk', prompt => '{"instruction": "a"}')""")
                found = {"hashes": hashes(connection, asked.ids), "microseconds": calls(connection, asked.calls)}
        finally:
            server.remove()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
