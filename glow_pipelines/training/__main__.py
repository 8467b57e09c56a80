"""The worker's process: `python -m glow_pipelines.training --job FOLDER`.

Ends with 0 when adapter.gguf is there, 75 when it was paused, 1 with the reason as the last line of standard error.
"""

import argparse
import sys
from pathlib import Path

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.folder import FAILED, JobFolder
from glow_pipelines.training.worker import work


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m glow_pipelines.training", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="folder with job.json and train.jsonl")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where one is")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (1); others, other last bits")
    told = parser.parse_args(given)
    try:
        return work(JobFolder(told.job.resolve()), told.device, max(1, told.threads))
    except (CannotTrain, OSError, MemoryError, RuntimeError) as error:  # RuntimeError: torch, also when out of memory
        sys.stderr.write(" ".join(f"{error or type(error).__name__}".split()) + "\n")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
