"""Claim: decisions survive peeking, clusters and small traffic, and every number is that of the reference vectors.

Usage: python benchmarks/experiments.py --vectors FILE.json
       python benchmarks/experiments.py --simulate [--full] [--only V1,V6] [--seed N]
       python benchmarks/experiments.py --real DIR
       python benchmarks/experiments.py --report
--vectors prints a line for each vector that does not hold and "N of N", and ends with 0 only when all hold at their
tolerance; what SQL computes (hashes, moments of clusters) is computed by a PostgreSQL started for it. --simulate runs
V1–V18 in worlds whose truth is known, the charter's rule beside ours; --real real experiments. These two write
benchmarks/results/experiments.json and experiments.md, --report only the latter anew.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first


def main(given: list[str] | None = None) -> int:
    """Ends with 1 when a vector does not hold, with 2 when the options make no sense."""
    from benchmarks.experimenting import running

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vectors", type=Path, help="a file in the format of the reference vectors")
    parser.add_argument("--scale", action="store_true", help="what a look costs at 10⁶ executions")
    running.add_arguments(parser)
    arguments = parser.parse_args(given)
    if not (arguments.vectors or arguments.simulate or arguments.real or arguments.scale or arguments.report):
        parser.error("nothing to do: give --vectors FILE, --simulate, --real DIR, --scale or --report")
    running.run(arguments, parser)
    if arguments.scale:
        from benchmarks.experimenting import scale

        running.keep("scale", "a look at 10⁶ executions of 32 768 users", scale.measure(1_000_000), arguments.results)
    if arguments.vectors is not None:
        from benchmarks.experimenting.vectors_report import show

        return show(arguments.vectors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
