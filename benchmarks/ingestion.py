"""Claim: the database is a safe API at little cost, and much faster than the services people put before one.

Every figure is a ratio within one run against the raw limit of the same server on the same disk: a plain INSERT into an
equally indexed table, a plain COPY, a table with little history; and the rate of MLflow and of Phoenix through their
own clients, where a virtual environment that holds them is named. Writes benchmarks/results/ingestion.json.

Usage: python benchmarks/ingestion.py [--only PART,…] [--peers PYTHON_OF_A_VENV_WITH_MLFLOW_AND_PHOENIX]
Parts: submit, hot, steady, threshold, import, peers. About thirty minutes on two cores, twenty of them to fill tables.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first

from benchmarks.ingest import bulk, peers, submit, thresholds
from benchmarks.ingest.world import World, world

RESULTS = Path(__file__).parent / "results" / "ingestion.json"


def main() -> None:
    """Run the parts asked for, each in the same fresh server, and keep the results of the others."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="submit,hot,steady,threshold,import,peers", help="parts, by comma")
    parser.add_argument("--peers", type=Path, help="Python of an environment with mlflow and arize-phoenix")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[World], dict[str, Any]]] = {
        "submit": submit.compare,
        "hot": lambda place: submit.compare(place, agents=1),
        "steady": submit.steady,
        "threshold": thresholds.compare,
        "import": bulk.compare,
        "peers": lambda place: peers.compare(place, arguments.peers),
    }
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in arguments.only.split(","):
        with world() as place:
            print(f"== {name}", flush=True)
            figures = parts[name](place)
        print(json.dumps(figures, indent=1), flush=True)
        results[name] = figures | {"date": datetime.now(UTC).date().isoformat(), "load": os.getloadavg()[0]}
        results["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
