"""Claim: retrieval measurably improves from simulated users, and nothing worse than the untuned hybrid goes out.

Usage: python benchmarks/retrieval.py --collection DIR [--sessions 10] [--logging interleave|dense|explore|production]
           [--seeds 5] [--only PART,…] [--vectors DIR] [--documents FILE] [--questions FILE] [--qrels FILE]
       python benchmarks/retrieval.py --report
DIR holds documents, questions and judgements: TREC files as Cranfield's, JSON lines (BEIR's too) or tab-separated rows;
files are told apart by content and name, or named one by one. Every question is tested once, in the one of five folds
its sha256 puts it in; feedback comes from the questions of the other folds. Writes benchmarks/results/retrieval.json
and retrieval.md, figures of each collection side by side; --report only the latter anew.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first


def main(given: list[str] | None = None) -> int:
    """Ends with 2 when the options or the files make no sense."""
    from benchmarks.retrieving import running

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    running.add_arguments(parser)
    arguments = parser.parse_args(given)
    if not (arguments.collection or arguments.report):
        parser.error("nothing to do: give --collection DIR or --report")
    return running.run(arguments, parser)


if __name__ == "__main__":
    sys.exit(main())
