"""Claim: models are trained for real, and what is paid for is paid for once.

Usage: python benchmarks/models.py --local [--seed 7] [--device cpu|cuda|auto]
--local trains the embedded model on the demo's tickets (extras `local` and `train`; minutes on one core, 2 GB) and
writes benchmarks/results/models_local.json.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first


def main(given: list[str] | None = None) -> int:
    """Ends with 1 when a claim does not hold, with 2 when the options make no sense."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--local", action="store_true", help="train the embedded model")
    parser.add_argument("--seed", type=int, default=7, help="of the training (7)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where it trains (cpu)")
    told = parser.parse_args(given)
    if not told.local:
        parser.error("nothing to do: give --local")
    from benchmarks.modelling import local

    return local.run(told.seed, told.device)


if __name__ == "__main__":
    sys.exit(main())
