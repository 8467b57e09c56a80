"""Claim: what the experiment engine calls a win is one: in A/A at most 2.5 % ship, however often one looks.

Usage: python benchmarks/experiments.py --simulate [--full] [--only V1,V6]   simulations V1–V18 and their baselines
       python benchmarks/experiments.py --real DIR                          real experiments through the engine
       python benchmarks/experiments.py --report                            only the table, from the results
Writes benchmarks/results/experiments.json and experiments.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first


def main(given: list[str] | None = None) -> int:
    """Ends with 2 when the options make no sense."""
    from benchmarks.experimenting import running

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    running.add_arguments(parser)
    arguments = parser.parse_args(given)
    running.run(arguments, parser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
