"""The port to services that train models: upload a file, submit a job once, find it again, ask how it goes, cancel it.

When to submit and what a status means belong to learning/models; recording to store/models.py. Nobody waits in here.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from glow_pipelines.learning.models import TuningCapabilities
from glow_pipelines.settings import Settings

if TYPE_CHECKING:  # importing openai takes a second; the code location must not pay for it
    from openai import OpenAI

_T = TypeVar("_T")


class TuningError(RuntimeError):
    """A tuning service did not do what was asked; the subclass says what is known of the outcome."""


class TrainingBlockedError(TuningError):
    """This account may not train here (403 training_not_available): nothing was created, nor will be if asked again."""


class TrainingRejectedError(TuningError):
    """The service refused this request (another 4xx): nothing was created; the request must change."""


class TuningBusyError(TuningError):
    """Nothing was created (429); ask again after `retry_after_seconds`, where the service said so."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknownError(TuningError):
    """Timeout, lost connection, 5xx or garbage: it may have happened. Look for the job before asking again."""


@dataclass(frozen=True)
class TuningRequest:
    """One job. `run_key` identifies it for ever; `suffix` becomes part of the model's name."""

    run_key: str
    manifest_sha256: str
    base_model: str
    training_file: str
    validation_file: str | None
    method: str
    hyperparameters: Mapping[str, int | float | str]
    suffix: str


@dataclass(frozen=True)
class TuningStatus:
    """What the service says of a job. `status` is the service's own word and may be one nobody knew yet."""

    job_id: str
    status: str
    model_id: str | None
    trained_tokens: int | None
    error: str | None


class TuningService(Protocol):
    """A service that trains. Every method raises a TuningError subclass where the service does not do as asked."""

    @property
    def capabilities(self) -> TuningCapabilities: ...

    def upload(self, data: bytes, name: str) -> str:
        """The id of a file of this name and size: the one already there, else a new one. `name` names the content."""

    def submit(self, request: TuningRequest) -> str:
        """The job id of the run: the job already tagged with its run key, else a new one.

        After OutcomeUnknownError let `submission_step` say when to call again: the service's list may lag.
        """

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        """All jobs tagged with the run key that are not cancelled, oldest first."""

    def status(self, job_id: str) -> TuningStatus:
        """The job as it is now."""

    def cancel(self, job_id: str) -> TuningStatus:
        """The job after it was asked to stop."""


@dataclass(frozen=True)
class DisabledTuning:
    """No tuning service, and why: what runs until somebody configures one."""

    reason: str

    @property
    def capabilities(self) -> TuningCapabilities:
        return TuningCapabilities(provider="none", enabled=False, reason=self.reason, metadata_filter=False)

    def upload(self, data: bytes, name: str) -> str:
        raise TrainingBlockedError(self.reason)

    def submit(self, request: TuningRequest) -> str:
        raise TrainingBlockedError(self.reason)

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        return ()

    def status(self, job_id: str) -> TuningStatus:
        raise TrainingBlockedError(self.reason)

    def cancel(self, job_id: str) -> TuningStatus:
        raise TrainingBlockedError(self.reason)


class OpenAITuning:
    """Any service that speaks OpenAI's files and fine_tuning/jobs.

    The client's own retries are off: they are on by default and send no idempotency key, and one create under a fault
    became three paid jobs. What makes a repeat safe is the metadata tag, looked for before every POST.
    """

    def __init__(self, client: "OpenAI") -> None:
        self._client = client.with_options(max_retries=0)
        host = urlsplit(str(client.base_url)).hostname or ""
        self._provider = "openai" if host == "api.openai.com" else host

    @property
    def capabilities(self) -> TuningCapabilities:
        return TuningCapabilities(
            self._provider, enabled=True, methods=frozenset({"supervised", "dpo", "reinforcement"})
        )

    def upload(self, data: bytes, name: str) -> str:
        def call() -> str:
            for known in self._client.files.list(purpose="fine-tune"):
                if known.filename == name and known.bytes == len(data):
                    return _id(known)
            return _id(self._client.files.create(file=(name, io.BytesIO(data)), purpose="fine-tune"))

        return _told(call)

    def submit(self, request: TuningRequest) -> str:
        """As in the port; where several jobs carry the tag, the oldest is kept and the others are cancelled."""
        if found := self.find_by_run_key(request.run_key):
            for extra in found[1:]:
                self.cancel(extra.job_id)
            return found[0].job_id

        def call() -> str:
            method: Any = {"type": request.method, request.method: {"hyperparameters": dict(request.hyperparameters)}}
            optional: dict[str, Any] = {"validation_file": request.validation_file} if request.validation_file else {}
            return _id(
                self._client.fine_tuning.jobs.create(
                    model=request.base_model,
                    training_file=request.training_file,
                    method=method,
                    suffix=request.suffix[: self.capabilities.suffix_characters],
                    metadata={"run_key": request.run_key, "manifest": request.manifest_sha256},
                    **optional,
                )
            )

        return _told(call)

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        def call() -> tuple[TuningStatus, ...]:
            jobs = self._client.fine_tuning.jobs.list(metadata={"run_key": run_key}, limit=100)
            # Looked at again here: a service that does not know the filter answers with everybody's jobs.
            mine = [job for job in jobs if (job.metadata or {}).get("run_key") == run_key and job.status != "cancelled"]
            return tuple(_status(job) for job in sorted(mine, key=lambda job: (job.created_at, job.id)))

        return _told(call)

    def status(self, job_id: str) -> TuningStatus:
        return _told(lambda: _status(self._client.fine_tuning.jobs.retrieve(job_id)))

    def cancel(self, job_id: str) -> TuningStatus:
        return _told(lambda: _status(self._client.fine_tuning.jobs.cancel(job_id)))


def tuning_service(settings: Settings) -> TuningService:
    """The service the settings name. Whether a run may start is not asked here: that is the plan's business."""
    if not (settings.openai_api_key or settings.openai_base_url):
        return DisabledTuning("no tuning service is configured; set OPENAI_API_KEY, or OPENAI_BASE_URL for another one")
    from openai import OpenAI

    # Services without keys still want the header.
    return OpenAITuning(
        OpenAI(
            api_key=settings.openai_api_key or "none",
            base_url=settings.openai_base_url,
            timeout=settings.chat_timeout_seconds,
        )
    )


def _id(answer: Any) -> str:
    if not isinstance(found := getattr(answer, "id", None), str) or not found:
        raise ValueError("the answer holds no id")
    return found


def _status(job: Any) -> TuningStatus:
    error = getattr(job.error, "message", None) or None
    return TuningStatus(_id(job), str(job.status), job.fine_tuned_model, job.trained_tokens, error)


def _told(call: Callable[[], _T]) -> _T:
    """The call's result, or what is known of its outcome as one of our errors."""
    import openai

    try:
        return call()
    except openai.RateLimitError as problem:
        raise TuningBusyError(str(problem), _retry_after(problem.response.headers)) from problem
    except openai.APIStatusError as problem:
        if problem.status_code >= 500 or problem.status_code in (408, 409):
            raise OutcomeUnknownError(str(problem)) from problem
        blocked = problem.status_code == 403 and problem.code == "training_not_available"
        raise (TrainingBlockedError if blocked else TrainingRejectedError)(str(problem)) from problem
    # Garbage under a JSON content type reaches us as a bare ValueError, under any other as an answer without fields.
    except (openai.OpenAIError, ValueError, AttributeError, TypeError) as problem:
        raise OutcomeUnknownError(f"{type(problem).__name__}: {problem}") from problem


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / scale)
        except (KeyError, ValueError):
            continue
    return None
