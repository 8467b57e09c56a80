"""The models that training made: by which name which adapter is served.

Belongs here: names, checkpoints, deletion. Does not: loading adapters (engines), HTTP (routes).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glow_pipelines.providers.local.tuning.jobs import Job, Jobs

ADAPTER, CHECKPOINTS = "adapter.gguf", "checkpoints"
_STEP = ":ckpt-step-"


@dataclass(frozen=True)
class TunedModel:
    """A model by its name; `created` are seconds since 1970."""

    name: str
    job: Job
    adapter: Path
    created: float


@dataclass(frozen=True)
class Checkpoint:
    """A model on the way, with the metrics of its step."""

    step: int
    model: TunedModel
    metrics: dict[str, Any]


class Registry:
    """The tuned models of one base, `chat_name`: adapters fit the weights that they were trained on."""

    def __init__(self, jobs: Jobs, chat_name: str) -> None:
        self._jobs, self.chat_name = jobs, chat_name

    def all(self) -> list[TunedModel]:
        """The finished models, newest first. Checkpoints are served too, but named by their job only."""
        return [model for job in self._jobs.all() if (model := self._finished(job)) is not None]

    def get(self, name: object) -> TunedModel | None:
        """A finished model, or a checkpoint; None for a name of neither, of another base, or of a deleted model."""
        if not isinstance(name, str) or not name.startswith("ft:"):
            return None
        whole, _, step = name.partition(_STEP)
        job = self._jobs.get(whole.rpartition(":")[2])
        if job is None or job.model_name != whole:
            return None
        if not step:
            return self._finished(job)
        return next((found.model for found in self.checkpoints(job) if found.model.name == name), None)

    def checkpoints(self, job: Job) -> list[Checkpoint]:
        """Those of a job that can be served, latest first."""
        if job.model_deleted or job.model != self.chat_name:
            return []
        found = []
        for folder in (self._jobs.folder(job) / CHECKPOINTS).glob("*"):
            adapter = folder / ADAPTER
            if folder.name.isdecimal() and adapter.is_file():
                step = int(folder.name)
                model = TunedModel(f"{job.model_name}{_STEP}{step}", job, adapter, adapter.stat().st_mtime)
                found.append(Checkpoint(step, model, _metrics(folder / "metrics.json")))
        return sorted(found, key=lambda each: each.step, reverse=True)

    def delete(self, name: str) -> bool:
        """Whether there was such a finished model. Its checkpoints go with it; the job stays known."""
        model = self.get(name)
        if model is None or model.name != model.job.model_name:
            return False
        adapters = [model.adapter, *(each.model.adapter for each in self.checkpoints(model.job))]
        self._jobs.change(model.job, ("succeeded",), model_deleted=True)
        for adapter in adapters:
            adapter.unlink(missing_ok=True)
        return True

    def _finished(self, job: Job) -> TunedModel | None:
        adapter = self._jobs.folder(job) / ADAPTER
        served = job.status == "succeeded" and not job.model_deleted and job.model == self.chat_name
        return TunedModel(job.model_name, job, adapter, job.finished or job.created) if served else None


def _metrics(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8")).get("data", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return data if isinstance(data, dict) else {}
