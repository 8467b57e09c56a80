"""Run parts of the benchmark over a collection, and keep their figures in benchmarks/results/retrieval.{json,md}.

Belongs here: options, order, keeping. Does not: what is measured (the modules named in PARTS), the table (report.py).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.retrieving import checking, side_by_side, worlds
from benchmarks.retrieving.clicks import LOGGING
from benchmarks.retrieving.collections import read_collection
from benchmarks.retrieving.formats import Malformed
from benchmarks.retrieving.report import markdown
from benchmarks.retrieving.trials import Searchable
from benchmarks.retrieving.vectors import CACHE, Embedder

RESULTS = Path(__file__).parents[1] / "results" / "retrieval.json"


@dataclass(frozen=True)
class Wanted:
    """What the options ask of a part."""

    place: Searchable
    seeds: int
    sessions: int
    logging: str


def methods(wanted: Wanted) -> dict[str, Any]:
    """All methods side by side."""
    return _compared(wanted, side_by_side.all_methods)


def full(wanted: Wanted) -> dict[str, Any]:
    """The product against what nobody trained."""
    return _compared(wanted, side_by_side.full_only)


def logging_policies(wanted: Wanted) -> dict[str, Any]:
    """The product trained on what other logging policies show: dense results alone is the trap."""
    return {
        f"{policy} logs": _compared(replace(wanted, logging=policy), side_by_side.full_only)
        for policy in LOGGING
        if policy != "interleave"
    }


def amount(wanted: Wanted) -> dict[str, Any]:
    """The product by searches of each train question."""
    return {
        f"{sessions} sessions": _compared(replace(wanted, sessions=sessions), side_by_side.full_only)
        for sessions in (3, 10, 30)
    }


def random_clicks(wanted: Wanted) -> dict[str, Any]:
    """What the gate does with candidates from clicks that mean nothing; 20 trainings, or more where more seeds."""
    return worlds.random_clicks(wanted.place, max(20, wanted.seeds), wanted.sessions)


def shuffled_labels(wanted: Wanted) -> dict[str, Any]:
    """The same with clicks under the questions of others."""
    return worlds.shuffled_labels(wanted.place, max(20, wanted.seeds), wanted.sessions)


def first_rank(wanted: Wanted) -> dict[str, Any]:
    """Extreme position bias."""
    return worlds.first_rank(wanted.place, wanted.seeds, wanted.sessions)


def loud_user(wanted: Wanted) -> dict[str, Any]:
    """A thousand thumbs of one user."""
    return worlds.loud_user(wanted.place, wanted.sessions)


def metrics(wanted: Wanted) -> dict[str, Any]:
    """Our metrics against libraries; of no collection, kept with it."""
    return checking.differences()


PARTS: dict[str, Callable[[Wanted], dict[str, Any]]] = {
    "full": full,
    "methods": methods,
    "logging": logging_policies,
    "amount": amount,
    "random": random_clicks,
    "shuffled": shuffled_labels,
    "rank1": first_rank,
    "loud": loud_user,
    "metrics": metrics,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that this module runs."""
    parser.add_argument("--collection", type=Path, metavar="DIR", help="folder with documents, questions, judgements")
    parser.add_argument("--documents", type=Path, action="append", default=[], help="file, if DIR does not tell")
    parser.add_argument("--questions", "--queries", type=Path, action="append", default=[], help="likewise")
    parser.add_argument("--qrels", type=Path, action="append", default=[], help="likewise")
    parser.add_argument("--sessions", type=int, default=10, help="searches of each train question (default: 10)")
    parser.add_argument("--logging", choices=LOGGING, default="interleave", help="what users are shown")
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--only", help=f"parts, by comma: {', '.join(PARTS)}; default all")
    parser.add_argument("--most", type=int, default=1500, help="questions used, by their sha256 (default: 1500)")
    parser.add_argument("--vectors", type=Path, default=CACHE, help="folder where vectors are kept")
    parser.add_argument("--report", action="store_true", help="only write the table anew from the results")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """The parts asked for, each kept as soon as it is done."""
    if arguments.collection is None:
        _write(json.loads(arguments.results.read_text("utf-8")), arguments.results)
        return 0
    if arguments.sessions < 1 or arguments.seeds < 1:
        parser.error("--sessions and --seeds take whole numbers of at least 1")
    chosen = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"--only {', '.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    try:
        collection = read_collection(
            arguments.collection, arguments.documents, arguments.questions, arguments.qrels, arguments.most
        )
    except Malformed as problem:
        parser.error(str(problem))
    place = Searchable(collection, Embedder(arguments.vectors))
    wanted = Wanted(place, arguments.seeds, arguments.sessions, arguments.logging)
    for name in chosen:
        begun = time.monotonic()
        figures = PARTS[name](wanted)
        figures["seconds"] = round(time.monotonic() - begun)
        print(json.dumps(figures, indent=1), flush=True)
        _keep(
            place,
            name if arguments.logging == "interleave" else f"{name}, {arguments.logging}",
            figures,
            arguments.results,
        )
    return 0


def _compared(wanted: Wanted, learned: side_by_side.Learned) -> dict[str, Any]:
    seeds = range(wanted.seeds)
    scores = side_by_side.run(
        wanted.place, learned, seeds, wanted.logging, wanted.sessions, told=lambda line: print(line, flush=True)
    )
    setting = {"logging": wanted.logging, "sessions": wanted.sessions}
    return setting | side_by_side.figures(wanted.place, scores)


def _keep(place: Searchable, part: str, figures: dict[str, Any], results: Path) -> None:
    known = json.loads(results.read_text("utf-8")) if results.exists() else {}
    collection = known.setdefault("collections", {}).setdefault(place.collection.name, {})
    collection["about"] = {
        "documents": len(place.chunks),
        "questions": len(place.ids),
        "relevant pairs": int((place.grades.table > 0).sum()),
        "notes": list(place.collection.notes),
        "sha256": place.collection.sha256,
        "model": place.embed.name,
    }
    stamp = {"date": datetime.now(UTC).date().isoformat(), "load": round(os.getloadavg()[0], 2)}
    collection.setdefault("parts", {})[part] = figures | stamp
    known["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    _write(known, results)


def _write(known: dict[str, Any], results: Path) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    results.with_suffix(".md").write_text(markdown(known), encoding="utf-8")
