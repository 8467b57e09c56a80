"""Run simulations and real data, and keep their figures in benchmarks/results/experiments.{json,md}.

What is simulated belongs to the modules in the catalogue, the table to report.py.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.experimenting.catalogue import SEED, SIMULATIONS, simulate
from benchmarks.experimenting.chances import verdicts

RESULTS = Path(__file__).parents[1] / "results" / "experiments.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that this module runs."""
    parser.add_argument("--simulate", action="store_true", help="run the simulations V1–V18")
    parser.add_argument("--full", action="store_true", help="simulations at 10,000 repetitions instead of 1,000")
    parser.add_argument("--only", help="simulations by comma, as V1,V6; default all")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the simulations (default: {SEED})")
    parser.add_argument(
        "--real", type=Path, metavar="DIR", help="a folder with the ASOS experiments; Cookie Cats beside it"
    )
    parser.add_argument("--report", action="store_true", help="only write the table anew from the results")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """What was asked for, in this order: simulations, real data, the table."""
    if arguments.simulate:
        chosen = arguments.only.split(",") if arguments.only else list(SIMULATIONS)
        if unknown := [name for name in chosen if name not in SIMULATIONS]:
            parser.error(f"--only {', '.join(unknown)}: no such simulation; there are {', '.join(SIMULATIONS)}")
        _simulations(chosen, arguments.full, arguments.seed, arguments.results)
    if arguments.real is not None:
        from benchmarks.experimenting.real_data import ASOS, asos, cookie_cats

        if not (arguments.real / ASOS).is_file():
            parser.error(f"--real {arguments.real}: there is no {ASOS} in it")
        keep("real data", "Cookie Cats, retention after seven days", cookie_cats(), arguments.results)
        keep("real data", "ASOS, 78 online experiments", asos(arguments.real), arguments.results)
    if arguments.report:
        _write(json.loads(arguments.results.read_text("utf-8")), arguments.results)


def keep(kind: str, name: str, figures: dict[str, Any], results: Path = RESULTS) -> None:
    """Put figures beside those of earlier runs, and write the table anew."""
    known = json.loads(results.read_text("utf-8")) if results.exists() else {}
    stamp = {"date": datetime.now(UTC).date().isoformat(), "load": round(os.getloadavg()[0], 2)}
    known.setdefault(kind, {})[name] = figures | stamp
    known["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    _write(known, results)


def _write(known: dict[str, Any], results: Path) -> None:
    from benchmarks.experimenting.report import markdown

    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    results.with_suffix(".md").write_text(markdown(known), encoding="utf-8")


def _simulations(chosen: Iterable[str], full: bool, seed: int, results: Path) -> None:
    """One after another; each is kept as soon as it is done, so a run that is stopped loses only its last."""
    for name in chosen:
        begun = time.monotonic()
        run = simulate(name, full, seed)
        run["seconds"] = round(time.monotonic() - begun)
        keep("simulations", name, run, results)
        missed = [each for each in verdicts(run["figures"]) if each in ("open", "missed")]
        told = f"{len(missed)} not held" if missed else "all held"
        print(f"{name} {run['claim']}: {told}; {run['repetitions']:,} repetitions, {run['seconds']} s", flush=True)
