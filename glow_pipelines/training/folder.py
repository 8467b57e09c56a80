"""The folder of one job: what whoever starts the worker and the worker agree on.

Belongs here: names of files, job.json, the lines of metrics.jsonl. Does not: what is in a checkpoint (checkpoints).

    job.json              {"base": path of a GGUF file, "method": "supervised" | "dpo", "hyperparameters": {…},
                           "seed": int}; other fields are not looked at
    train.jsonl           lines in OpenAI's forms; validation.jsonl may be missing
    pause                 while it exists, the worker saves a checkpoint after the step it is at and ends with 75
    metrics.jsonl         only ever longer: {"at": unix seconds, "level", "type": "message" | "metrics", "message",
                           "data": {"step", "train_loss", "train_mean_token_accuracy", "valid_loss", …}}, one a step
    checkpoints/STEP/     metrics.json, of which "data" is the step's; adapter.gguf where it can be served
    result.json           {"trained_tokens", "steps", "seconds", …}, written before adapter.gguf
    adapter.gguf          whole, and the last thing written: a job that has it is done
    worker.lock           held by the one worker that trains
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glow_pipelines.finetuning.pairs import CannotTrain

Method = Literal["supervised", "dpo"]
METHODS: tuple[Method, ...] = ("supervised", "dpo")
DONE, PAUSED, FAILED = 0, 75, 1
"""Exit codes of the worker. On FAILED the last line of its standard error says why."""
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Job:
    """What is to be trained. `hyperparameters` as they were asked for: schedule makes numbers of them."""

    base: Path
    method: Method
    hyperparameters: Mapping[str, Any]
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {
            "base": str(self.base),
            "method": self.method,
            "hyperparameters": dict(self.hyperparameters),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class JobFolder:
    """The paths, and reading and writing the small files."""

    path: Path

    @property
    def train(self) -> Path:
        return self.path / "train.jsonl"

    @property
    def validation(self) -> Path:
        return self.path / "validation.jsonl"

    @property
    def pause(self) -> Path:
        return self.path / "pause"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter.gguf"

    @property
    def lock(self) -> Path:
        return self.path / "worker.lock"

    def read_job(self) -> Job:
        """Raises CannotTrain naming the field that is not as it should be."""
        path = self.path / "job.json"
        try:
            told = json.loads(path.read_text("utf-8"))
            base, method, hyperparameters = told["base"], told["method"], told.get("hyperparameters") or {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CannotTrain(f"{path}: {error!r}; give base, method, hyperparameters and seed") from error
        if method not in METHODS:
            raise CannotTrain(f"{path}: method={method!r}; trained here: {', '.join(METHODS)}")
        if not isinstance(base, str) or not Path(base).is_file():
            raise CannotTrain(f"{path}: base={base!r} is no file; give the path of a GGUF file")
        seed = told.get("seed", 0)
        if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
            raise CannotTrain(f"{path}: seed={seed!r}; give a whole number from 0 to {LARGEST_SEED}")
        if not isinstance(hyperparameters, dict):
            raise CannotTrain(f"{path}: hyperparameters={hyperparameters!r:.80}; give an object")
        return Job(Path(base), method, hyperparameters, seed)


class MetricsLog:
    """metrics.jsonl: a worker that repeats steps after a kill adds no line twice, and cuts off half a line."""

    def __init__(self, path: Path) -> None:
        whole, kept = 0, b""
        if path.exists():
            kept = path.read_bytes()
            whole = kept.rfind(b"\n") + 1
            os.truncate(path, whole)
        rows = [json.loads(line) for line in kept[:whole].splitlines()]
        self.last_step = max((row["data"]["step"] for row in rows if row["type"] == "metrics"), default=0)
        self._said = {row["message"] for row in rows if row["type"] == "message"}
        self._path = path

    def step(self, data: Mapping[str, Any], steps: int, at: float) -> None:
        """The figures of a step, unless they are there."""
        if data["step"] > self.last_step:
            self.last_step = data["step"]
            message = f"Step {data['step']}/{steps}: training loss={data['train_loss']:.4f}"
            if "valid_loss" in data:
                message += f", validation loss={data['valid_loss']:.4f}"
            self._append({"at": at, "level": "info", "type": "metrics", "message": message, "data": dict(data)})

    def say(self, message: str, at: float, level: Literal["info", "warn", "error"] = "info") -> None:
        """A message, unless it was said before."""
        if message not in self._said:
            self._said.add(message)
            self._append({"at": at, "level": level, "type": "message", "message": message, "data": {}})

    def _append(self, row: Mapping[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
