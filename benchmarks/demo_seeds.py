"""Claim: over five random seeds, the demo never ends worse than it began.

Each seed is another company: other people ask, vote, correct and judge. Runs `glow demo --seed N` with the embedded
model for each, in databases of their own on the embedded server, and writes benchmarks/results/demo_seeds.json. Model
answers that the seeds have in common (the naive prompts on the same inputs) are copied from seed to seed, so that they
are computed once. About three minutes a seed on two cores.

Usage: python benchmarks/demo_seeds.py [SEEDS]
"""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from glow_pipelines.database import ensure_database, migrate
from glow_pipelines.database.urls import with_database
from glow_pipelines.project import find_project, open_services

RESULTS = Path(__file__).parent / "results" / "demo_seeds.json"
SHARED = ("responses", "embeddings")


def share_answers(from_url: str, to_url: str) -> None:
    """Copy the caches of one database into another."""
    with psycopg.connect(from_url) as source, psycopg.connect(to_url) as target:
        for table in SHARED:
            with target.cursor() as into, source.cursor() as out:
                into.execute(f"create temporary table incoming (like glow.{table})")
                with out.copy(f"copy glow.{table} to stdout") as rows, into.copy("copy incoming from stdin") as paste:
                    for row in rows:
                        paste.write(row)
                into.execute(f"insert into glow.{table} select * from incoming on conflict do nothing")  # noqa: S608
                into.execute("drop table incoming")


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """The figures of one seed that the claim is about."""
    found: dict[str, Any] = {"seconds": report["seconds"]}
    for prompt in report["prompts"]:
        gate = prompt["gate"]
        found[prompt["agent"]] = {"state": prompt["state"]} | (
            {
                "before": gate["incumbent_accuracy"]["estimate"],
                "after": gate["finalist_accuracy"]["estimate"],
                "difference": gate["difference"],
                "n": gate["n"],
                "verdict": gate["verdict"],
            }
            if gate
            else {}
        )
    retrieval = report["retrieval"]
    found["retrieval"] = {
        "gate": (retrieval["pipeline_gate"] or {}).get("verdict"),
        "before": retrieval["before"]["ndcg_at_10"]["estimate"],
        "after": retrieval["after"]["ndcg_at_10"]["estimate"],
        "difference": retrieval["difference"]["gain"],
        "dense": retrieval["dense"]["ndcg_at_10"]["estimate"],
    }
    return found


def main(seeds: int) -> None:
    """Run the seeds one after another."""
    services, project = open_services(), find_project()
    base, before, rows = services.database_url, services.database_url, {}
    for seed in range(1, seeds + 1):
        url = with_database(base, f"glow_seed_{seed}")
        ensure_database(url)
        migrate(url)
        share_answers(before, url)
        environment = os.environ | {
            "DATABASE_URL": url,
            "GLOW_DAGSTER_DATABASE_URL": with_database(base, f"dagster_seed_{seed}"),
            "GLOW_HOME": str(services.settings.home.resolve()),
        }
        began = time.monotonic()
        command = [sys.executable, "-m", "glow_pipelines.cli", "demo", "--seed", str(seed)]
        subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
        rows[seed] = summary(json.loads((project / "report.json").read_text(encoding="utf-8")))
        print(f"seed {seed}: {time.monotonic() - began:.0f} s {json.dumps(rows[seed])}", flush=True)
        before = url
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "date": datetime.now(UTC).date().isoformat()}
    RESULTS.write_text(json.dumps(machine | {"seeds": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
