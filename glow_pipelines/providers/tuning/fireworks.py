"""Fireworks' fine-tuning: datasets, supervisedFineTuningJobs and dpoJobs of one account.

The caller chooses the ids of datasets and jobs, so that a repeat meets what is there: a second create answers 409 and
costs nothing. Fields as in docs.fireworks.ai, November 2026. It offers no log of events and no checkpoints to list.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from glow_pipelines.learning.models.capabilities import capabilities_of
from glow_pipelines.learning.models.metrics import TrainingPoint
from glow_pipelines.learning.models.states import phase_of_status
from glow_pipelines.learning.models.types import TuningCapabilities
from glow_pipelines.providers.tuning.errors import (
    NotFoundError,
    OutcomeUnknownError,
    TrainingRejectedError,
    TuningBusyError,
)
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

BASE_URL = "https://api.fireworks.ai/v1"
_KINDS = {"supervised": "supervisedFineTuningJobs", "dpo": "dpoJobs"}
_TAG = "glow-"
_KEY_CHARACTERS = 40  # an id has at most 63 characters
_PAGE = "200"
_PAGES = 1000  # a service that ignores its own page token would be asked for ever


@dataclass(frozen=True)
class FireworksTuning:
    """Fireworks behind the port. A job id is its path within the account: supervisedFineTuningJobs/glow-..."""

    rest: Rest
    account: str

    @property
    def capabilities(self) -> TuningCapabilities:
        return capabilities_of("fireworks")

    def upload(self, data: bytes, name: str) -> str:
        """As in the port; the dataset's id is made of the file's name and content."""
        identity = _TAG + hashlib.sha256(name.encode() + b"\x00" + data).hexdigest()[:_KEY_CHARACTERS]
        dataset = self._found(f"datasets/{identity}")
        if dataset is None:
            about = {"displayName": name[:63], "exampleCount": str(data.count(b"\n")), "userUploaded": {}}
            try:
                self.rest.post(self._path("datasets"), {"datasetId": identity, "dataset": about})
            except OutcomeUnknownError:
                if self._found(f"datasets/{identity}") is None:
                    raise
        if text(dataset or {}, "state") != "READY":  # an upload that was cut off is done again: it is the same content
            self.rest.post_form(self._path(f"datasets/{identity}:upload"), {}, (name, data))
            if text(self.rest.get(self._path(f"datasets/{identity}")), "state") != "READY":
                raise TuningBusyError(f"dataset {identity} is still being read in", 10)
        return identity

    def files(self) -> tuple[TuningFile, ...]:
        return tuple(
            TuningFile(identity, text(each, "displayName") or identity, None, moment(each.get("createTime")))
            for each in self._listed("datasets")
            if (identity := required(each, "name").rsplit("/", 1)[-1]).startswith(_TAG)
        )

    def delete_file(self, file_id: str) -> None:
        with suppress(NotFoundError):
            self.rest.delete(self._path(f"datasets/{quote(file_id, safe='')}"))

    def submit(self, request: TuningRequest) -> str:
        if found := self.find_by_run_key(request.run_key):
            return found[0].job_id
        kind, identity = _KINDS[request.method], _TAG + request.run_key[:_KEY_CHARACTERS]
        query = {f"{kind[:-1]}Id": identity}
        try:
            return self._job_id(self.rest.post(self._path(kind), self._body(request), query))
        except OutcomeUnknownError:
            # Also 409: the job of this id exists. Asked by id, a job does not lag behind its creation as a list may.
            if self._found(f"{kind}/{identity}") is None:
                raise
            return f"{kind}/{identity}"

    def find_by_run_key(self, run_key: str) -> tuple[TuningStatus, ...]:
        identity = _TAG + run_key[:_KEY_CHARACTERS]
        found = [self._found(f"{kind}/{identity}") for kind in _KINDS.values()]
        jobs = [self._status(each) for each in found if each is not None]
        return tuple(job for job in jobs if phase_of_status(job.status) != "cancelled")

    def status(self, job_id: str) -> TuningStatus:
        return self._status(self.rest.get(self._path(job_id)))

    def statuses(self, since: datetime) -> tuple[TuningStatus, ...]:
        jobs = [self._status(each) for kind in _KINDS.values() for each in self._listed(kind)]
        young = [job for job in jobs if job.created_at is None or job.created_at >= since]
        return tuple(sorted(young, key=lambda job: (job.created_at or since, job.job_id), reverse=True))

    def cancel(self, job_id: str) -> TuningStatus:
        """As in the port. Jobs of these kinds cannot be cancelled, only deleted, which stops them."""
        before = self.status(job_id)
        if phase_of_status(before.status) in ("succeeded", "failed", "cancelled"):
            return before
        self.rest.delete(self._path(job_id))
        after = self._found(job_id)
        gone = TuningStatus(job_id, "JOB_STATE_CANCELLED", None, before.trained_tokens, None, before.run_key)
        return gone if after is None else self._status(after)

    def pause(self, job_id: str) -> TuningStatus:
        raise TrainingRejectedError("fireworks cannot pause a job; cancel it, or let it run")

    def resume(self, job_id: str) -> TuningStatus:
        return self._status(self.rest.post(self._path(f"{job_id}:resume"), {}))

    def events(self, job_id: str, after: str | None = None) -> tuple[TuningEvent, ...]:
        return ()

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        return ()

    def points(self, job_id: str) -> tuple[TrainingPoint, ...]:
        return ()

    def model(self, model_id: str) -> ModelInfo | None:
        """As in the port, of a model of the account or, by its full name, of any."""
        path = model_id if model_id.startswith("accounts/") else f"accounts/{self.account}/models/{model_id}"
        try:
            found = self.rest.get(f"/{quote(path, safe='/')}")
        except NotFoundError:
            return None
        return ModelInfo(model_id, moment(found.get("deprecationDate")))

    def _body(self, request: TuningRequest) -> dict[str, Any]:
        given = dict(request.hyperparameters)
        names = {"n_epochs": "epochs", "learning_rate": "learningRate", "lora_rank": "loraRank"}
        config = {names[name]: value for name, value in given.items() if name in names}
        config |= {"baseModel": request.base_model, "outputModel": _TAG + request.run_key[:_KEY_CHARACTERS]}
        display, dataset = request.suffix[:63], self._path(f"datasets/{request.training_file}")[1:]
        if request.method == "dpo":  # takes no dataset to evaluate on
            return {"displayName": display, "dataset": dataset, "trainingConfig": config}
        held = {"evaluationDataset": self._path(f"datasets/{request.validation_file}")[1:]}
        return {"displayName": display, "dataset": dataset, **config, **(held if request.validation_file else {})}

    def _status(self, job: dict[str, Any]) -> TuningStatus:
        state, config = text(job, "state") or "JOB_STATE_UNSPECIFIED", job.get("trainingConfig") or job
        said, progress = job.get("status") or {}, job.get("jobProgress") or {}
        percent, phase, identity = whole(progress, "percent"), phase_of_status(state), self._job_id(job)
        key = identity.rsplit("/", 1)[-1].removeprefix(_TAG)
        return TuningStatus(
            identity,
            state,
            self._model_id(config, identity) if phase == "succeeded" else None,
            whole(progress, "inputTokens") if phase == "succeeded" else None,
            (text(said, "message") or "the service does not say why") if phase == "failed" else None,
            run_key=key if key != identity.rsplit("/", 1)[-1] else None,
            base_model=text(config, "baseModel"),
            created_at=moment(job.get("createTime")),
            progress=None if percent is None else min(100, max(0, percent)) / 100,
        )

    def _model_id(self, config: dict[str, Any], job_id: str) -> str:
        name = text(config, "outputModel") or job_id.rsplit("/", 1)[-1]
        return name if name.startswith("accounts/") else f"accounts/{self.account}/models/{name}"

    def _job_id(self, job: dict[str, Any]) -> str:
        return "/".join(required(job, "name").split("/")[-2:])

    def _found(self, path: str) -> dict[str, Any] | None:
        try:
            return self.rest.get(self._path(path))
        except NotFoundError:
            return None

    def _listed(self, kind: str) -> Iterator[dict[str, Any]]:
        token: str | None = ""
        for _ in range(_PAGES):
            query = {"pageSize": _PAGE, **({"pageToken": token} if token else {})}
            page = self.rest.get(self._path(kind), query)
            yield from items(page, kind)
            if not (token := text(page, "nextPageToken")):
                return

    def _path(self, within: str) -> str:
        return f"/accounts/{quote(self.account, safe='')}/{quote(within, safe='/:')}"
