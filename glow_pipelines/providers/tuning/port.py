"""The port to services that train models: values in and out, and what every adapter can be asked.

Belongs here: the Protocol and its values. Does not: the wires (openai_wire, together, fireworks), what a service can do
(learning/models/capabilities), when to ask and what a status means (learning/models/states). Nobody waits in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from glow_pipelines.learning.models.metrics import TrainingPoint
from glow_pipelines.learning.models.types import TuningCapabilities


@dataclass(frozen=True)
class TuningRequest:
    """One job. `run_key` identifies it for ever; `suffix` becomes part of the model's name; a `grader` scores answers
    where the method is reinforcement."""

    run_key: str
    manifest_sha256: str
    base_model: str
    training_file: str
    validation_file: str | None
    method: str
    hyperparameters: Mapping[str, int | float | str]
    suffix: str
    seed: int | None = None
    grader: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TuningStatus:
    """What the service says of a job. `status` is the service's own word and may be one nobody knew yet.

    `run_key` is the key the job was tagged with, or as much of its beginning as the service carries; None for a job
    that is none of ours. `progress` is the share done, 0 to 1, where the service tells it.
    """

    job_id: str
    status: str
    model_id: str | None
    trained_tokens: int | None
    error: str | None
    run_key: str | None = None
    base_model: str | None = None
    created_at: datetime | None = None
    result_files: tuple[str, ...] = ()
    progress: float | None = None

    def belongs_to(self, run_key: str) -> bool:
        """Whether the job carries this run's key, or the beginning of it."""
        return bool(self.run_key) and run_key.startswith(self.run_key or "")


@dataclass(frozen=True)
class TuningEvent:
    """One line of a job's log, in the service's words; `metrics` where it is a measured step."""

    id: str
    created_at: datetime
    level: str
    message: str
    metrics: TrainingPoint | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was after `step` steps; it can be deployed under `model_id`."""

    id: str
    step: int
    model_id: str
    metrics: TrainingPoint | None = None


@dataclass(frozen=True)
class ModelInfo:
    """A model the service knows; `shutdown_at` is when it stops answering, None while nothing is announced."""

    model_id: str
    shutdown_at: datetime | None = None


@dataclass(frozen=True)
class TuningFile:
    """A file kept by the service under the `name` it was uploaded with; `bytes` None where nobody tells."""

    id: str
    name: str
    bytes: int | None = None
    created_at: datetime | None = None


class TuningService(Protocol):
    """A service that trains. Every method raises a TuningError subclass where the service does not do as asked."""

    @property
    def capabilities(self) -> TuningCapabilities: ...

    def upload(self, data: bytes, name: str) -> str:
        """The id of a file of this name and size: the one already there, else a new one. `name` names the content.

        Raises TuningBusyError while the service still reads it in; ask again with the same.
        """

    def files(self) -> tuple[TuningFile, ...]:
        """The files of ours that the service keeps, so that one nobody refers to can be deleted."""

    def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""

    def submit(self, request: TuningRequest) -> str:
        """The job id of the run: the job already tagged with its run key, else a new one.

        After OutcomeUnknownError let `submission_step` say when to call again: the service's list may lag.
        """

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        """All jobs tagged with the run key that are not cancelled, oldest first."""

    def status(self, job_id: str) -> TuningStatus:
        """The job as it is now. Raises NotFoundError where the service knows no such job."""

    def statuses(self, since: datetime) -> tuple[TuningStatus, ...]:
        """All jobs created at or after `since`, ours and others, newest first: one list instead of a call a job."""

    def cancel(self, job_id: str) -> TuningStatus:
        """The job after it was asked to stop."""

    def pause(self, job_id: str) -> TuningStatus:
        """The job after it was asked to pause. Raises TrainingRejectedError where it cannot."""

    def resume(self, job_id: str) -> TuningStatus:
        """The job after it was asked to go on. Raises TrainingRejectedError where it cannot."""

    def events(self, job_id: str, after: str | None = None) -> tuple[TuningEvent, ...]:
        """All events since the one of id `after`, oldest first, no id twice.

        Some before it may come again: services deliver late and out of order. Keep them by id.
        """

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """The checkpoints that can be deployed, by step."""

    def points(self, job_id: str) -> tuple[TrainingPoint, ...]:
        """The loss curve of a finished job from its result file, by step; empty where the service gives none."""

    def model(self, model_id: str) -> ModelInfo | None:
        """The model, or None where the service does not know it (yet: it may lag behind a job's success)."""
