"""One worker on one job: what is settled before torch is loaded.

Belongs here: one worker at a time, jobs that need no work, where it trains. Does not: training (loop).
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.folder import DONE, PAUSED, JobFolder

Device = Literal["auto", "cpu", "cuda"]


def work(
    folder: JobFolder,
    device: Device = "auto",
    threads: int = 1,
    clock: Callable[[], float] = time.time,
    told: Callable[[int, int, float], None] = lambda done, steps, loss: None,
) -> int:
    """Train the job of the folder to its end or its next pause; DONE or PAUSED. Safe to repeat at any time.
    `told` hears of every step: how many are done, of how many, and the loss.

    Raises CannotTrain where it cannot, and where another worker has the job.
    """
    with _alone(folder.lock):
        if folder.adapter.exists():
            return DONE
        if folder.pause.exists():
            return PAUSED
        # Read by the libraries when they are loaded: nothing is fetched, no bars, and a GPU adds up in one order.
        os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        try:
            import torch

            from glow_pipelines.training.loop import Training
        except ImportError as error:
            raise CannotTrain(f"training needs {error.name}: pip install 'glow-pipelines[train]'") from error
        if device == "cuda" and not torch.cuda.is_available():
            raise CannotTrain("device: cuda was asked for, and torch sees no GPU here; give cpu or auto")
        torch.set_num_threads(threads)
        chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        return Training(folder, chosen, clock, told).run()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock for the block; the kernel lets go of it even after kill -9. Never waits."""
    if sys.platform == "win32":
        raise CannotTrain("training runs on Linux and macOS")
    import fcntl

    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotTrain(f"another worker trains the job in {path.parent}") from None
        yield
