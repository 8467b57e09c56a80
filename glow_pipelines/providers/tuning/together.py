"""Together's fine-tuning: /files/upload and /fine-tunes.

It has neither metadata nor client job ids: the beginning of the run key goes into the model's suffix, which every list
of jobs shows as part of the output model's name, and is looked for there. Fields as in docs.together.ai, November 2026.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from glow_pipelines.learning.models.capabilities import capabilities_of
from glow_pipelines.learning.models.metrics import TrainingPoint, point_of
from glow_pipelines.learning.models.states import phase_of_status
from glow_pipelines.learning.models.types import TuningCapabilities
from glow_pipelines.providers.tuning.errors import NotFoundError, TrainingRejectedError, TuningBusyError
from glow_pipelines.providers.tuning.port import (
    Checkpoint,
    ModelInfo,
    TuningEvent,
    TuningFile,
    TuningRequest,
    TuningStatus,
)
from glow_pipelines.providers.tuning.reading import items, moment, required, text, whole
from glow_pipelines.providers.tuning.rest import Rest

BASE_URL = "https://api.together.ai/v1"
_TAG = "glow"
_KEY_CHARACTERS = 20  # 80 bits of the run key; with the tag 24 of the 40 characters a suffix may have
_METHODS = {"supervised": "sft", "dpo": "dpo"}


@dataclass(frozen=True)
class TogetherTuning:
    """Together behind the port. It cannot pause, and gives no result file: the curve is in the events."""

    rest: Rest

    @property
    def capabilities(self) -> TuningCapabilities:
        return capabilities_of("together")

    def upload(self, data: bytes, name: str) -> str:
        for known in items(self.rest.get("/files"), "data"):
            if known.get("filename") == name and whole(known, "bytes") == len(data):
                return _read_in(known, name)
        form = {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"}
        return _read_in(self.rest.post_form("/files/upload", form, (name, data)), name)

    def files(self) -> tuple[TuningFile, ...]:
        found = [each for each in items(self.rest.get("/files"), "data") if each.get("purpose") == "fine-tune"]
        return tuple(
            TuningFile(
                required(each, "id"),
                text(each, "filename") or "",
                whole(each, "bytes"),
                moment(each.get("created_at")),
            )
            for each in found
        )

    def delete_file(self, file_id: str) -> None:
        with suppress(NotFoundError):
            self.rest.delete(f"/files/{_part(file_id)}")

    def submit(self, request: TuningRequest) -> str:
        if found := self.find_by_run_key(request.run_key):
            for extra in found[1:]:
                if phase_of_status(extra.status) not in ("succeeded", "failed", "stopping"):
                    self.cancel(extra.job_id)
            return found[0].job_id
        return required(self.rest.post("/fine-tunes", _body(request, self.capabilities.suffix_characters)), "id")

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        mine = [job for job in self._jobs() if job.belongs_to(run_key) and phase_of_status(job.status) != "cancelled"]
        return tuple(sorted(mine, key=lambda job: (job.created_at or datetime.max.replace(tzinfo=UTC), job.job_id)))

    def status(self, job_id: str) -> TuningStatus:
        return _status(self.rest.get(f"/fine-tunes/{_part(job_id)}"))

    def statuses(self, since: datetime) -> tuple[TuningStatus, ...]:
        young = [job for job in self._jobs() if job.created_at is None or job.created_at >= since]
        return tuple(sorted(young, key=lambda job: (job.created_at or since, job.job_id), reverse=True))

    def cancel(self, job_id: str) -> TuningStatus:
        return _status(self.rest.post(f"/fine-tunes/{_part(job_id)}/cancel", {}))

    def pause(self, job_id: str) -> TuningStatus:
        raise TrainingRejectedError("together cannot pause a job; cancel it, or let it run")

    def resume(self, job_id: str) -> TuningStatus:
        raise TrainingRejectedError("together cannot resume a job")

    def events(self, job_id: str, after: str | None = None) -> tuple[TuningEvent, ...]:
        """As in the port. The service lists all events at once and gives them no id: ours is a hash of their fields."""
        listed = items(self.rest.get(f"/fine-tunes/{_part(job_id)}/events"), "data")
        found = {event.id: event for event in map(_event, listed)}
        ordered = sorted(found.values(), key=lambda each: each.created_at)
        moved = next((each.created_at for each in ordered if each.id == after), None)
        return tuple(each for each in ordered if moved is None or (each.created_at >= moved and each.id != after))

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        listed = items(self.rest.get(f"/fine-tunes/{_part(job_id)}/checkpoints"), "data")
        found = [
            Checkpoint(path, step, path)
            for each in listed
            if (path := text(each, "path")) and (step := whole(each, "step")) is not None
        ]
        return tuple(sorted(found, key=lambda each: (each.step, each.id)))

    def points(self, job_id: str) -> tuple[TrainingPoint, ...]:
        found = {each.metrics.step: each.metrics for each in self.events(job_id) if each.metrics is not None}
        return tuple(found[step] for step in sorted(found))

    def model(self, model_id: str) -> ModelInfo | None:
        known = {text(each, "id", "name"): each for each in items(self.rest.get("/models"), "data")}
        if (found := known.get(model_id)) is None:
            return None
        return ModelInfo(model_id, moment(found.get("deprecation_date") or found.get("shutdown_date")))

    def _jobs(self) -> list[TuningStatus]:
        return [_status(each) for each in items(self.rest.get("/fine-tunes"), "data")]


def _body(request: TuningRequest, suffix_characters: int) -> dict[str, Any]:
    given = dict(request.hyperparameters)
    tag = f"{_TAG}{request.run_key[:_KEY_CHARACTERS]}"
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in request.suffix.lower())
    room = suffix_characters - len(tag) - 1
    method: dict[str, Any] = {"method": _METHODS[request.method]}
    if "beta" in given:
        method["dpo_beta"] = given.pop("beta")
    adapter: dict[str, Any] = {"type": "Lora"}
    if "lora_rank" in given:
        adapter["lora_r"] = given.pop("lora_rank")
    if given.get("batch_size") == "auto":
        given["batch_size"] = "max"
    optional: dict[str, Any] = {"validation_file": request.validation_file, "random_seed": request.seed}
    if request.validation_file:
        optional["n_evals"] = given.get("n_epochs", 1)
    return {
        "model": request.base_model,
        "training_file": request.training_file,
        "suffix": "-".join(filter(None, (readable[:room].strip("-"), tag))),
        "training_method": method,
        "training_type": adapter,
        **given,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _status(job: dict[str, Any]) -> TuningStatus:
    status = text(job, "status") or "unknown"
    done = phase_of_status(status) == "succeeded"
    return TuningStatus(
        required(job, "id"),
        status,
        # The output name is there from the start; a model of that name only when the job is done.
        text(job, "model_output_name") if done else None,
        whole(job, "token_count") if done else None,
        _error(job) if phase_of_status(status) == "failed" else None,
        run_key=_run_key(job),
        base_model=text(job, "model"),
        created_at=moment(job.get("created_at")),
        progress=_progress(job),
    )


def _run_key(job: dict[str, Any]) -> str | None:
    """The beginning of the run key in the suffix, or in the output model's name, which carries the suffix."""
    for name in (text(job, "suffix"), text(job, "model_output_name")):
        for part in (name or "").replace("/", "-").split("-"):
            key = part.removeprefix(_TAG)
            if key != part and len(key) == _KEY_CHARACTERS and set(key) <= set("0123456789abcdef"):
                return key
    return None


def _error(job: dict[str, Any]) -> str:
    said = [text(each, "message") for each in items(job, "events") if "ERROR" in str(each.get("type", "")).upper()]
    return next((each for each in reversed(said) if each), "the service does not say why; see its events")


def _progress(job: dict[str, Any]) -> float | None:
    done, wanted = whole(job, "epochs_completed"), whole(job, "n_epochs")
    return min(1.0, max(0.0, done / wanted)) if done is not None and wanted else None


def _event(event: dict[str, Any]) -> TuningEvent:
    told = [str(event.get(name, "")) for name in ("created_at", "type", "message", "step", "token_count")]
    identity = text(event, "hash") or hashlib.sha256("\x1f".join(told).encode("utf-8", "replace")).hexdigest()[:32]
    at = moment(event.get("created_at")) or datetime.fromtimestamp(0, UTC)
    level = (text(event, "level") or "info").lower()
    return TuningEvent(identity, at, level, text(event, "message", "type") or "", point_of(event))


def _read_in(file: dict[str, Any], name: str) -> str:
    identity = required(file, "id")
    if file.get("Processed", file.get("processed")) is False:
        raise TuningBusyError(f"file {name} ({identity}) is still being read in", 10)
    return identity


def _part(identity: str) -> str:
    return quote(identity, safe="")
