"""Any service that speaks OpenAI's files, fine_tuning/jobs and models: OpenAI, Azure Foundry, our own local server.

Belongs here: that wire, through the official client. Does not: which service it is (service.py), other wires.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from glow_pipelines.learning.models.metrics import TrainingPoint, point_of, read_result_file
from glow_pipelines.learning.models.states import phase_of_status
from glow_pipelines.learning.models.types import TuningCapabilities
from glow_pipelines.providers.tuning.errors import (
    NotFoundError,
    TrainingRejectedError,
    TuningBusyError,
    told,
)
from glow_pipelines.providers.tuning.port import (
    Checkpoint,
    ModelInfo,
    TuningEvent,
    TuningFile,
    TuningRequest,
    TuningStatus,
)
from glow_pipelines.providers.tuning.reading import moment

if TYPE_CHECKING:  # importing openai takes a second; the code location must not pay for it
    from openai import OpenAI

_PAGE = 100
_READING = {"pending", "running", "notRunning"}  # Azure's words for a file it has not read in yet
_OPENING = Callable[[], "OpenAI"]


class OpenAITuning:
    """A service behind `opened`, called once with the first request: a local server need not run to be planned for.

    The client's own retries are off: they are on by default and send no idempotency key, and one create under a fault
    became three paid jobs. What makes a repeat safe is the metadata tag, looked for before every POST.
    """

    def __init__(self, opened: _OPENING, capabilities: TuningCapabilities) -> None:
        self._open = opened
        self._opened: OpenAI | None = None
        self._capabilities = capabilities

    @property
    def capabilities(self) -> TuningCapabilities:
        return self._capabilities

    @property
    def _client(self) -> "OpenAI":
        if self._opened is None:
            self._opened = self._open().with_options(max_retries=0)
        return self._opened

    def upload(self, data: bytes, name: str) -> str:
        def call() -> Any:
            for known in self._client.files.list(purpose="fine-tune"):
                if known.filename == name and known.bytes == len(data) and known.status != "error":
                    return known
            return self._client.files.create(file=(name, io.BytesIO(data)), purpose="fine-tune")

        file = told(call)
        identity, status = told(lambda: (_id(file), str(file.status)))
        if status == "error":
            raise TrainingRejectedError(f"file {name}: {file.status_details or 'the service could not read it'}")
        if status in _READING:
            raise TuningBusyError(f"file {name} ({identity}) is still being read in", 10)
        return identity

    def files(self) -> tuple[TuningFile, ...]:
        def call() -> tuple[TuningFile, ...]:
            files = self._client.files.list(purpose="fine-tune")
            return tuple(TuningFile(_id(each), each.filename, each.bytes, moment(each.created_at)) for each in files)

        return told(call)

    def delete_file(self, file_id: str) -> None:
        with suppress(NotFoundError):
            told(lambda: self._client.files.delete(file_id))

    def submit(self, request: TuningRequest) -> str:
        """As in the port; where several jobs carry the tag, the oldest is kept and the others are cancelled."""
        if found := self.find_by_run_key(request.run_key):
            for extra in found[1:]:
                if phase_of_status(extra.status) not in ("succeeded", "failed", "stopping"):
                    self.cancel(extra.job_id)
            return found[0].job_id

        def call() -> str:
            grader = {"grader": request.grader} if request.method == "reinforcement" else {}
            how = {"hyperparameters": dict(request.hyperparameters), **grader}
            method: Any = {"type": request.method, request.method: how}
            optional: dict[str, Any] = {"validation_file": request.validation_file, "seed": request.seed}
            return _id(
                self._client.fine_tuning.jobs.create(
                    model=request.base_model,
                    training_file=request.training_file,
                    method=method,
                    suffix=request.suffix[: self.capabilities.suffix_characters],
                    metadata={"run_key": request.run_key, "manifest": request.manifest_sha256},
                    **{name: value for name, value in optional.items() if value is not None},
                )
            )

        return told(call)

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        def call() -> tuple[TuningStatus, ...]:
            jobs = self._client.fine_tuning.jobs.list(metadata={"run_key": run_key}, limit=_PAGE)
            # Looked at again here: a service that does not know the filter answers with everybody's jobs.
            mine = {job.id: job for job in jobs if (job.metadata or {}).get("run_key") == run_key}
            ordered = sorted(mine.values(), key=lambda job: (job.created_at, job.id))
            return tuple(_status(job) for job in ordered if phase_of_status(job.status) != "cancelled")

        return told(call)

    def status(self, job_id: str) -> TuningStatus:
        return told(lambda: _status(self._client.fine_tuning.jobs.retrieve(job_id)))

    def statuses(self, since: datetime) -> tuple[TuningStatus, ...]:
        def call() -> tuple[TuningStatus, ...]:
            found: dict[str, TuningStatus] = {}
            page = self._client.fine_tuning.jobs.list(limit=_PAGE)
            while True:
                jobs = [_status(job) for job in page.data]
                new = {
                    job.job_id: job
                    for job in jobs
                    if job.job_id not in found and (job.created_at is None or job.created_at >= since)
                }
                found |= new
                # Newest first: a page on which every job is too old ends it, one such job does not. So does a page
                # that was there before: a service that ignores the cursor would be asked for ever.
                if not new or not page.has_next_page():
                    return tuple(found.values())
                page = page.get_next_page()

        return told(call)

    def cancel(self, job_id: str) -> TuningStatus:
        return told(lambda: _status(self._client.fine_tuning.jobs.cancel(job_id)))

    def pause(self, job_id: str) -> TuningStatus:
        return told(lambda: _status(self._client.fine_tuning.jobs.pause(job_id)))

    def resume(self, job_id: str) -> TuningStatus:
        return told(lambda: _status(self._client.fine_tuning.jobs.resume(job_id)))

    def events(self, job_id: str, after: str | None = None) -> tuple[TuningEvent, ...]:
        """As in the port. The service lists newest first, and its own cursor leads to older ones: we page back to the
        page that holds `after`, and one further, since events arrive late and out of order."""

        def call() -> tuple[TuningEvent, ...]:
            found: dict[str, TuningEvent] = {}
            page = self._client.fine_tuning.jobs.list_events(job_id, limit=_PAGE)
            met = False
            while True:
                new = {each.id: _event(each) for each in page.data if each.id != after and each.id not in found}
                found |= new
                if met or not new or not page.has_next_page():
                    break
                met = any(each.id == after for each in page.data)
                page = page.get_next_page()
            oldest_first = list(found.values())[::-1]  # within one second the service's order is all there is
            return tuple(sorted(oldest_first, key=lambda each: each.created_at))

        return told(call)

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        def call() -> tuple[Checkpoint, ...]:
            listed = self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=_PAGE)
            found = {each.id: each for each in listed}
            return tuple(
                Checkpoint(
                    _id(each),
                    each.step_number,
                    each.fine_tuned_model_checkpoint,
                    point_of(each.metrics.model_dump(), each.step_number) if each.metrics else None,
                )
                for each in sorted(found.values(), key=lambda each: each.step_number)
            )

        return told(call)

    def points(self, job_id: str) -> tuple[TrainingPoint, ...]:
        found: dict[int, TrainingPoint] = {}
        for file_id in self.status(job_id).result_files:
            try:
                data = told(lambda name=file_id: self._client.files.content(name).read())  # type: ignore[misc]
            except NotFoundError:
                continue  # deleted since, or not written yet: the rest still stands
            found |= {point.step: point for point in read_result_file(data)}
        return tuple(found[step] for step in sorted(found))

    def model(self, model_id: str) -> ModelInfo | None:
        try:
            found = told(lambda: self._client.models.retrieve(model_id))
        except NotFoundError:
            return None
        return ModelInfo(model_id, moment(getattr(found, "shutdown_date", None)))


def _id(answer: Any) -> str:
    if not isinstance(found := getattr(answer, "id", None), str) or not found:
        raise ValueError("the answer holds no id")
    return found


def _status(job: Any) -> TuningStatus:
    return TuningStatus(
        _id(job),
        str(job.status),
        job.fine_tuned_model,
        job.trained_tokens,
        getattr(job.error, "message", None) or None,
        run_key=(job.metadata or {}).get("run_key"),
        base_model=job.model,
        created_at=moment(job.created_at),
        result_files=tuple(job.result_files or ()),
    )


def _event(event: Any) -> TuningEvent:
    data = getattr(event, "data", None)
    point = point_of(data) if isinstance(data, dict) else None
    at = moment(event.created_at) or datetime.fromtimestamp(0, UTC)
    return TuningEvent(_id(event), at, str(event.level), str(event.message), point)
