"""Claim: decisions survive peeking, clusters and small traffic, and every number is that of the reference vectors.

Usage: python benchmarks/experiments.py --vectors FILE.json
prints a line for each vector that does not hold and "N of N", and ends with 0 only when all hold at their tolerance.
What SQL computes (hashes, moments of clusters) is computed by a PostgreSQL started for it.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first


def main() -> int:
    """Check a file of vectors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vectors", type=Path, help="a file in the format of the reference vectors")
    arguments = parser.parse_args()
    if arguments.vectors is not None:
        from benchmarks.experimenting.vectors_report import show

        return show(arguments.vectors)
    parser.error("nothing to do: give --vectors FILE")


if __name__ == "__main__":
    sys.exit(main())
