"""Checkpoints of a job: enough to go on to the very same adapter, and adapters that can be served.

Belongs here: writing one whole, finding the newest, deleting what nobody needs. Does not: when (schedule). Imports
torch.
"""

import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.adapter import Architecture, write_adapter
from glow_pipelines.training.lora import Lora

KEPT = 3
"""Adapters of past epochs, as services keep them."""
_STATE, _FACTS, _ADAPTER = "state.pt", "metrics.json", "adapter.gguf"


class Checkpoints:
    """Of one job; `identity` hashes all that the adapter depends on."""

    def __init__(self, folder: Path, identity: str, lora: Lora, optimizer: Any) -> None:
        self._folder, self._identity, self._lora, self._optimizer = folder, identity, lora, optimizer
        folder.mkdir(exist_ok=True)

    def save(self, step: int, data: Mapping[str, Any], architecture: Architecture | None) -> None:
        """With an architecture also as an adapter to be served. Written beside, then renamed: never half of one."""
        fresh, target = self._folder / "new", self._folder / str(step)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        torch.save({"lora": self._lora.state(), "optimizer": self._optimizer.state_dict()}, fresh / _STATE)
        if architecture is not None:
            write_adapter(fresh / _ADAPTER, self._lora.arrays(), architecture, self._lora.alpha)
        (fresh / _FACTS).write_text(json.dumps({"identity": self._identity, "step": step, "data": data}), "utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
        self._tidy(step)

    def resume(self) -> tuple[int, dict[str, Any]]:
        """The step of the newest checkpoint, whose state is taken up, and its figures; 0 where there is none.

        One that cannot be read counts for nothing: from the beginning it comes to the same. Raises CannotTrain for
        one of another training.
        """
        for step in reversed(self._steps()):
            folder = self._folder / str(step)
            if not (folder / _STATE).exists():
                continue
            try:
                facts = json.loads((folder / _FACTS).read_text("utf-8"))
                state = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
            except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError):
                continue
            if facts["identity"] != self._identity:
                raise CannotTrain(f"{folder} is of another training; make a new job, or remove the checkpoints")
            self._lora.restore(state["lora"])
            self._optimizer.load_state_dict(state["optimizer"])
            return step, facts["data"]
        return 0, {}

    def finish(self) -> None:
        """Leave only what can be served."""
        self._tidy(None)

    def _steps(self) -> list[int]:
        return sorted(int(each.name) for each in self._folder.iterdir() if each.name.isdigit())

    def _tidy(self, newest: int | None) -> None:
        old = [self._folder / str(step) for step in self._steps() if step != newest]
        served = [folder for folder in old if (folder / _ADAPTER).exists()][-KEPT:]
        for folder in old:
            if folder in served:
                (folder / _STATE).unlink(missing_ok=True)
            else:
                shutil.rmtree(folder)
