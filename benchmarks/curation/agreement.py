"""Agreement and consensus: exact, and how fast; and the same of any file of labels.

Belongs here: the part `agreement`, and what `--labels` shows. Does not: reading files (label_files), the reference
(reference).
"""

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curation.label_files import MISSING, Labels, LabelsError, read_labels
from benchmarks.curation.reference import NOBODY, reference_alpha
from glow_pipelines.learning.annotations import (
    Consensus,
    Label,
    Level,
    bootstrap_alpha,
    bootstrap_fleiss,
    codes_of,
    dawid_skene,
    krippendorff_alpha,
    majority,
    units_of,
)
from glow_pipelines.learning.intervals import Interval

EXACT = 1e-9
MOST_NUMBERS = 10_000_000
"""Of Dawid-Skene's confusions, people x classes x classes: about ten seconds."""
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
XSUM = Path(__file__).parents[2] / "../shared/data/xsum/factuality_annotations_xsum_summaries.csv"


def measure() -> dict[str, Any]:
    """Seconds of alpha, Fleiss and Dawid-Skene, the best of five because what else runs here only adds; and the largest
    difference to the reference."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, size=(100_000, 1))
    said = rng.integers(0, 4, size=(100_000, 3))
    table = np.where(rng.random((100_000, 3)) < 0.7, truth, said).astype(np.float64)
    labels = [
        Label(f"item-{n}", f"person-{(n * 7 + k) % 200}", str(int(table[n, k])))
        for n in range(33_334)
        for k in range(3)
    ]
    seconds = {f"alpha_{level}_100k_units": _seconds(partial(krippendorff_alpha, table, level)) for level in LEVELS}
    seconds["alpha_interval_of_100k_units"] = _seconds(lambda: bootstrap_alpha(table, rng=np.random.default_rng(1)))
    seconds["fleiss_interval_of_100k_units"] = _seconds(lambda: bootstrap_fleiss(table, rng=np.random.default_rng(1)))
    seconds["dawid_skene_100k_labels"] = _seconds(lambda: dawid_skene(labels))
    seconds["majority_100k_labels"] = _seconds(lambda: majority(labels))
    try:
        import krippendorff
    except ImportError:
        pass
    else:
        seconds["reference_nominal_100k_units"] = _seconds(
            partial(krippendorff.alpha, reliability_data=table.T, level_of_measurement="nominal")
        )
    figures: dict[str, Any] = {"seconds": seconds, "largest_difference": _differences(rng)}
    return figures | ({"xsum": measure_labels(_xsum())[0]} if XSUM.exists() else {})


def _seconds(run: Callable[[], object], times: int = 5) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def _differences(rng: np.random.Generator, tables: int = 300) -> dict[str, float]:
    """Over random tables with missing labels, of two to seven people on up to forty items."""
    worst = dict.fromkeys(LEVELS, 0.0)
    for _ in range(tables):
        shape = (int(rng.integers(1, 41)), int(rng.integers(2, 8)))
        table = np.where(rng.random(shape) < 0.7, rng.integers(1, 6, size=shape) * 1.5, np.nan)
        items, people = np.nonzero(~np.isnan(table))
        named = [f"i{n}" for n in items], [f"p{n}" for n in people]
        for level in LEVELS:
            ours = krippendorff_alpha(table, level)
            other, _ = reference_alpha(*named, table[items, people].tolist(), level)
            if (ours is None) != (other is None):
                raise RuntimeError(f"{level}: ours {ours}, the reference {other}")
            worst[level] = max(worst[level], abs((ours or 0.0) - (other or 0.0)))
    return {str(level): difference for level, difference in worst.items()}


def _xsum() -> Labels:
    with XSUM.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["is_factual"] in ("yes", "no")]
    items = [f"{row['bbcid']}/{row['system']}" for row in rows]
    people, values = [row["worker_id"] for row in rows], [row["is_factual"] for row in rows]
    return Labels(tuple(items), tuple(people), tuple(values), None, len(rows), 0, 0, 0, ())


def measure_labels(labels: Labels) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Consensus]]]:
    """Figures of a file of labels, and the consensus by each aggregator."""
    item = codes_of(labels.items)[1]
    words, code = codes_of(labels.values)
    numbers = np.array(labels.numbers if labels.numbers is not None else code, dtype=np.float64)
    units = units_of(item, numbers)
    alphas = {}
    for level in LEVELS if labels.numbers is not None else LEVELS[:1]:
        found = bootstrap_alpha(units, level, rng=np.random.default_rng(1))
        reference, by = reference_alpha(labels.items, labels.annotators, numbers.tolist(), level)
        same = None if by == NOBODY else abs((found.alpha or 0.0) - (reference or 0.0)) <= EXACT
        alphas[level] = {
            "alpha": found.alpha,
            **_limits(found.interval),
            "reference": reference,
            "by": by,
            "equal": same,
        }
    fleiss = bootstrap_fleiss(units, rng=np.random.default_rng(1))
    rows = [Label(*each) for each in zip(labels.items, labels.annotators, labels.values, strict=True)]
    people = len(set(labels.annotators))
    consensus: dict[str, Mapping[str, Consensus]] = {"majority": majority(rows)}
    figures: dict[str, Any] = {
        "rows": labels.rows,
        "labels": len(rows),
        "items": len(consensus["majority"]),
        "items_judged_twice": fleiss.items,
        "annotators": people,
        "classes": len(words),
        "missing": labels.missing,
        "repeated": labels.repeated,
        "changed": labels.changed,
        "notes": list(labels.notes),
        "alpha": alphas,
        "fleiss": {"kappa": fleiss.kappa, **_limits(fleiss.interval)},
        "majority": _summary(consensus["majority"]),
    }
    if max(people * len(words) ** 2, figures["items"] * len(words)) > MOST_NUMBERS:
        figures["dawid_skene"] = {"not_run": f"{people} annotators x {len(words)}² classes take too long"}
        return figures, consensus
    consensus["dawid_skene"] = dawid_skene(rows).consensus
    differ = sum(each.value != consensus["dawid_skene"][name].value for name, each in consensus["majority"].items())
    figures["dawid_skene"] = {**_summary(consensus["dawid_skene"]), "differs_from_majority": differ}
    return figures, consensus


def _limits(interval: Interval | None) -> dict[str, float | None]:
    return {"low": interval.low if interval else None, "high": interval.high if interval else None}


def _summary(consensus: Mapping[str, Consensus], most: int = 20) -> dict[str, Any]:
    counts = Counter(each.value for each in consensus.values() if each.value is not None)
    return {
        "resolved": counts.total(),
        "unresolved": len(consensus) - counts.total(),
        "counts": dict(counts.most_common(most)),
    }


def show_labels(path: Path, missing: str | None, out: Path | None, as_json: bool) -> int:
    """Print the figures of a file, some words meaning no label (by comma); returns the exit code."""
    try:
        labels = read_labels(path, MISSING if missing is None else missing.split(","))
    except LabelsError as error:
        print(error, file=sys.stderr)
        return 2
    figures, consensus = measure_labels(labels)
    if out is not None:
        _write_consensus(out, consensus)
    print(json.dumps(figures, indent=1, ensure_ascii=False) if as_json else _in_words(figures))
    return 1 if any(each["equal"] is False for each in figures["alpha"].values()) else 0


def _in_words(figures: Mapping[str, Any]) -> str:
    lines = [
        "{items} items ({items_judged_twice} judged twice or more), {annotators} annotators, {labels} labels of "
        "{classes} kinds".format_map(figures),
        "{rows} rows: {missing} without a label, {repeated} by the same annotator for the same item (the last counts; "
        "{changed} said something else before)".format_map(figures),
        *(f"note: {note}" for note in figures["notes"]),
    ]
    for level, each in figures["alpha"].items():
        if each["alpha"] is None:
            lines.append(f"alpha {level}: not defined, nothing could disagree")
        elif each["equal"] is None:
            lines.append(
                f"alpha {level}: {each['alpha']:.12f}{_between(each)}, not compared: too many different labels"
            )
        else:
            state = "equal to" if each["equal"] else "NOT equal to"
            who = "the package krippendorff" if each["by"] == "krippendorff" else "the definition, pair by pair"
            lines.append(
                f"alpha {level}: {each['alpha']:.12f}{_between(each)}, {state} {who}: {each['reference']:.12f}"
            )
    fleiss = figures["fleiss"]
    known = fleiss["kappa"] is not None
    lines.append(f"Fleiss' kappa: {fleiss['kappa']:.6f}{_between(fleiss)}" if known else "Fleiss' kappa: not defined")
    for name in ("majority", "dawid_skene"):
        each = figures[name]
        shown = ", ".join(f"{value!r} {count}" for value, count in each.get("counts", {}).items())
        differs = (
            f"; differs from majority on {each['differs_from_majority']}" if "differs_from_majority" in each else ""
        )
        said = each.get("not_run") or f"{each['resolved']} resolved, {each['unresolved']} not{differs}: {shown}"
        lines.append(f"consensus by {name.replace('_', '-')}: {said}")
    return "\n".join(lines)


def _between(each: Mapping[str, Any]) -> str:
    return f" (95 %: {each['low']:.4f} to {each['high']:.4f})" if each["low"] is not None else ""


def _write_consensus(path: Path, consensus: Mapping[str, Mapping[str, Consensus]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", *(f"{name}{part}" for name in consensus for part in ("", "_share"))])
        for item in consensus["majority"]:
            cells = [(found[item].value or "", f"{found[item].share:.6f}") for found in consensus.values()]
            writer.writerow([item, *(cell for pair in cells for cell in pair)])
