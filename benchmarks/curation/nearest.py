"""Claim: near-duplicates among a million short texts at 10,000 rows a second and core or more, exactly verified, recall
.999 or more, in memory that is small beside the texts.

Each figure comes from a process of its own, so that its peak of memory is that of the search. The rate is by processor
time. Recall is over all planted pairs that reach the threshold, and over all pairs of a sample of rows with every
other row, by brute force.

Usage: python benchmarks/curation/nearest.py [--rows N]
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

import numpy as np
from scipy import sparse

from benchmarks.curation.variants import Writer
from glow_pipelines.learning.datasets import near_duplicates
from glow_pipelines.learning.datasets.jaccard import jaccard
from glow_pipelines.steps.nearness import near_duplicates_on

ROWS, SAMPLE, THRESHOLD = 1_000_000, 200, 0.7


def measure() -> dict[str, Any]:
    """A million rows on one core and on two."""
    return compare(ROWS)


def compare(rows: int) -> dict[str, Any]:
    return {"rows": rows, "one core": _apart(rows, 1), "two cores": _apart(rows, 2)}


def _apart(rows: int, processes: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--rows", str(rows), "--processes", str(processes)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def search(rows: int, processes: int) -> dict[str, Any]:
    """One search, timed; on one core also judged."""
    texts, planted = Writer(5).planted(rows)
    before = _megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    wall, cpu = time.perf_counter(), time.process_time()
    found = near_duplicates_on(processes, texts, THRESHOLD) if processes > 1 else near_duplicates(texts, THRESHOLD)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += children.ru_utime + children.ru_stime
    figures = {
        "rows per second and core": round(rows / cpu),
        "rows per second": round(rows / wall),
        "seconds": round(wall, 2),
        "pairs": len(found),
        "megabytes of texts": round(before),
        "megabytes more at the peak": round(_megabytes("VmHWM") - before),
        "megabytes of the largest helper": round(children.ru_maxrss / 1024) if processes > 1 else 0,
    }
    return figures | (judged(texts, planted, found) if processes == 1 else {})


def judged(texts: list[str], planted: list[tuple[int, int]], found: np.ndarray) -> dict[str, Any]:
    """Recall and precision of the pairs found."""
    first = {}
    place = np.array([first.setdefault(text, n) for n, text in enumerate(texts)])
    known = {(a, b) for a, b in place[found].tolist() if a != b}
    exact = {tuple(pair) for pair in found[place[found[:, 0]] == place[found[:, 1]]].tolist()}
    pairs = np.sort(place[np.array(planted)], axis=1)
    near = (
        np.concatenate([jaccard(part, texts) for part in np.array_split(pairs, max(1, len(pairs) // 1000))])
        >= THRESHOLD
    )
    wanted = {(a, b) for a, b in pairs[near].tolist()}
    repeats = [(n, k) for n, k in planted if place[k] != k]
    hit = sum(a == b or (a, b) in known or (b, a) in known for a, b in wanted)
    hit_again = sum((int(place[k]), k) in exact for _, k in repeats)
    sample = np.random.default_rng(9).choice(np.unique(pairs), size=SAMPLE, replace=False)
    brute = brute_force(texts, np.unique(place), sample)
    distinct = np.array(sorted(known), dtype=np.int64).reshape(-1, 2)
    checked = np.concatenate([jaccard(part, texts) for part in np.array_split(distinct, max(1, len(distinct) // 1000))])
    return {
        "planted pairs that reach the threshold": len(wanted),
        "recall of planted pairs": round(hit / len(wanted), 6),
        "recall of repeats": round(hit_again / len(repeats), 6),
        "pairs of the sample by brute force": len(brute),
        "recall by brute force": round(sum(pair in known for pair in brute) / max(1, len(brute)), 6),
        "precision": round(float((checked >= THRESHOLD - 1e-9).mean()), 6),
    }


def brute_force(texts: list[str], rows: np.ndarray, sample: np.ndarray, width: int = 20_000) -> set[tuple[int, int]]:
    """Every pair of a sampled row and any other at the threshold, by counting shared 5-grams: no hash of ours."""
    sets = {int(n): _grams(texts[n]) for n in sample}
    column = {gram: n for n, gram in enumerate(sorted(set().union(*sets.values())))}
    asked = sparse.csr_matrix(
        (
            np.ones(sum(map(len, sets.values())), dtype=np.int32),
            (
                [column[gram] for grams in sets.values() for gram in grams],
                [k for k, grams in enumerate(sets.values()) for _ in grams],
            ),
        ),
        shape=(len(column), len(sets)),
    )
    sizes = np.array([len(grams) for grams in sets.values()])
    found = set()
    for begin in range(0, len(rows), width):
        part = rows[begin : begin + width].tolist()
        mine = [_grams(texts[n]) for n in part]
        held = [[column[gram] for gram in grams if gram in column] for grams in mine]
        ends = np.cumsum([0, *map(len, held)])
        data = np.ones(int(ends[-1]), dtype=np.int32)
        shared = (
            sparse.csr_matrix(
                (data, np.array([c for cs in held for c in cs], dtype=np.int64), ends), (len(part), len(column))
            )
            @ asked
        ).tocoo()
        union = np.array([len(grams) for grams in mine])[shared.row] + sizes[shared.col] - shared.data
        near = shared.data >= THRESHOLD * union - 1e-9
        for a, b in zip(shared.row[near].tolist(), shared.col[near].tolist(), strict=True):
            pair = tuple(sorted((part[a], int(sample[b]))))
            if pair[0] != pair[1]:
                found.add(pair)
    return found


def _grams(text: str) -> set[str]:
    return {text[n : n + 5] for n in range(max(1, len(text) - 4))}


def _megabytes(what: str) -> float:
    """Resident memory of this process (VmRSS), or its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--processes", type=int, help="search once in this process, for `compare`")
    arguments = parser.parse_args()
    if arguments.processes:
        print(json.dumps(search(arguments.rows, arguments.processes)))
    else:
        print(json.dumps(compare(arguments.rows), indent=1))


if __name__ == "__main__":
    main()
