"""Claim: agreement, curation, dataset versions and exports are exact, and fast enough for millions of rows.

Each part is a module of benchmarks/curation with a function `measure`, which takes nothing or a fresh PostgreSQL
(benchmarks/ingest/world). Writes benchmarks/results/datasets.json.

Usage: python benchmarks/datasets.py [--only PART,…]
       python benchmarks/datasets.py --labels FILE.csv [--missing WORD,…] [--consensus OUT.csv] [--json]
The second measures agreement in any file with the columns item, annotator and label, and writes no results. It ends
with 1 when an alpha is not that of the reference implementation to 1e-9, with 2 when the file cannot be read.
"""

import argparse
import importlib
import inspect
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first

RESULTS = Path(__file__).parent / "results" / "datasets.json"
PARTS = Path(__file__).parent / "curation"


def parts() -> list[str]:
    """The modules beside ours that measure something; others are what those share."""
    return sorted(path.stem for path in PARTS.glob("*.py") if "\ndef measure(" in path.read_text("utf-8"))


def run(name: str) -> dict[str, Any]:
    """Measure one part, in a fresh server where it wants one."""
    measure = importlib.import_module(f"benchmarks.curation.{name}").measure
    wanted = inspect.signature(measure).parameters.values()
    if all(each.default is not each.empty for each in wanted):
        return dict(measure())
    from benchmarks.ingest.world import world

    with world() as place:
        return dict(measure(place))


def main() -> int:
    """Run the parts asked for and keep the results of the others, or measure a file of labels."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help=f"parts, by comma: {', '.join(parts())}; default all")
    parser.add_argument("--labels", type=Path, help="a CSV file with the columns item, annotator and label")
    parser.add_argument(
        "--missing",
        help="words of --labels that mean no label, by comma (NA, NaN, NULL and the like); blank always does",
    )
    parser.add_argument("--consensus", type=Path, help="write what --labels say together, item by item, to this file")
    parser.add_argument("--json", action="store_true", help="print the figures of --labels as JSON")
    arguments = parser.parse_args()
    if arguments.labels is not None:
        from benchmarks.curation.agreement import show_labels

        return show_labels(arguments.labels, arguments.missing, arguments.consensus, arguments.json)
    chosen = arguments.only.split(",") if arguments.only else parts()
    if unknown := set(chosen) - set(parts()):
        parser.error(f"--only {', '.join(sorted(unknown))}: no such part; there are {', '.join(parts())}")
    for name in chosen:
        print(f"== {name}", flush=True)
        figures = run(name)
        print(json.dumps(figures, indent=1), flush=True)
        results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        results[name] = figures | {"date": datetime.now(UTC).date().isoformat(), "load": os.getloadavg()[0]}
        results["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
