"""No tuning service, and why: what stands in until somebody configures one."""

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from glow_pipelines.learning.models.metrics import TrainingPoint
from glow_pipelines.learning.models.types import TuningCapabilities
from glow_pipelines.providers.tuning.errors import TrainingBlockedError
from glow_pipelines.providers.tuning.port import (
    Checkpoint,
    ModelInfo,
    TuningEvent,
    TuningFile,
    TuningRequest,
    TuningStatus,
)


@dataclass(frozen=True)
class DisabledTuning:
    """Lists are empty; whatever would train or needs a job raises TrainingBlockedError with the remedy."""

    reason: str

    @property
    def capabilities(self) -> TuningCapabilities:
        return TuningCapabilities(provider="none", enabled=False, reason=self.reason, metadata_filter=False)

    def upload(self, data: bytes, name: str) -> str:
        self._blocked()

    def files(self) -> tuple[TuningFile, ...]:
        return ()

    def delete_file(self, file_id: str) -> None:
        self._blocked()

    def submit(self, request: TuningRequest) -> str:
        self._blocked()

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        return ()

    def status(self, job_id: str) -> TuningStatus:
        self._blocked()

    def statuses(self, since: datetime) -> tuple[TuningStatus, ...]:
        return ()

    def cancel(self, job_id: str) -> TuningStatus:
        self._blocked()

    def pause(self, job_id: str) -> TuningStatus:
        self._blocked()

    def resume(self, job_id: str) -> TuningStatus:
        self._blocked()

    def events(self, job_id: str, after: str | None = None) -> tuple[TuningEvent, ...]:
        self._blocked()

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        self._blocked()

    def points(self, job_id: str) -> tuple[TrainingPoint, ...]:
        self._blocked()

    def model(self, model_id: str) -> ModelInfo | None:
        self._blocked()

    def _blocked(self) -> NoReturn:
        raise TrainingBlockedError(self.reason)
