"""Fine-tuning of one home, put together.

Belongs here: opening the parts over one folder, and what the routes ask of more than one of them. Does not: HTTP.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glow_pipelines.providers.local.tuning.asked import Asked, BadRequest
from glow_pipelines.providers.local.tuning.files import UPLOADED, Files
from glow_pipelines.providers.local.tuning.jobs import UNFINISHED, Job, Jobs
from glow_pipelines.providers.local.tuning.registry import Registry
from glow_pipelines.providers.local.tuning.runner import Runner
from glow_pipelines.providers.local.tuning.trainer import Trainer


class NotNow(ValueError):
    """The job's status does not allow what was asked."""


@dataclass(frozen=True)
class LocalTuning:
    """What the server offers of fine-tuning."""

    files: Files
    jobs: Jobs
    models: Registry
    runner: Runner
    clock: Callable[[], float]

    @classmethod
    def open(
        cls, folder: Path, chat_name: str, base: Path, trainer: Trainer, clock: Callable[[], float] = time.time
    ) -> "LocalTuning":
        """Over a folder that only this process has open. `base` are the weights served as `chat_name`."""
        files, jobs = Files(folder / "files", clock), Jobs(folder / "jobs", clock)
        runner = Runner(jobs, files, trainer, chat_name, base, clock)
        return cls(files, jobs, Registry(jobs, chat_name), runner, clock)

    def create(self, asked: Asked) -> Job:
        """A job of its own, even where another was asked for alike. Raises BadRequest for a file that is not there."""
        job = Job(
            id=f"ftjob-{secrets.token_hex(12)}",
            created=self.clock(),
            model=self.models.chat_name,
            training_file=asked.training_file,
            validation_file=asked.validation_file,
            method=asked.method,
            hyperparameters=asked.hyperparameters,
            suffix=asked.suffix,
            seed=asked.seed,
            metadata=asked.metadata,
        )
        folder = self.jobs.folder(job)
        folder.mkdir(mode=0o700)
        try:
            self._take(asked.training_file, "training_file", folder / "train.jsonl")
            if asked.validation_file is not None:
                self._take(asked.validation_file, "validation_file", folder / "validation.jsonl")
        except BadRequest:
            shutil.rmtree(folder)
            raise
        self.jobs.add(job)
        self.jobs.tell(job, "job-created", f"Created fine-tuning job: {job.id}")
        self.runner.wake()
        return job

    def cancel(self, job: Job) -> Job:
        """Raises NotNow for a job that is finished."""
        now = self.jobs.change(job, UNFINISHED, status="cancelled", finished=self.clock())
        if now is None:
            raise NotNow(f"job {job.id} is {self._status(job)}: only an unfinished job can be cancelled")
        self.jobs.tell(now, "cancelled", "The job was cancelled")
        self.runner.cancelled(now)
        return now

    def pause(self, job: Job) -> Job:
        """Raises NotNow unless it is running and has made a step."""
        if job.status != "running" or job.step < 1:
            raise NotNow(
                f"job {job.id} is {job.status}, at step {job.step}: it can be paused when it runs, from step 1"
            )
        (self.jobs.folder(job) / "pause").touch()
        now = self.jobs.change(job, ("running",), status="pausing")
        if now is None:
            raise NotNow(f"job {job.id} is {self._status(job)} by now")
        self.jobs.tell(now, f"pausing-{now.fence}", "Fine-tuning job is being paused")
        self.runner.wake()
        return now

    def resume(self, job: Job) -> Job:
        """Raises NotNow unless it is paused."""
        if job.status != "paused":
            raise NotNow(f"job {job.id} is {job.status}: only a paused job can be resumed")
        (self.jobs.folder(job) / "pause").unlink(missing_ok=True)
        now = self.jobs.change(job, ("paused",), status="queued")
        if now is None:
            raise NotNow(f"job {job.id} is {self._status(job)} by now")
        self.jobs.tell(now, f"resumed-{now.fence}", "Fine-tuning job resumed, waiting for its turn")
        self.runner.wake()
        return now

    def _status(self, job: Job) -> str:
        return (self.jobs.get(job.id) or job).status

    def _take(self, id: str, parameter: str, path: Path) -> None:
        """Linked, not copied: a deleted file stays for the jobs that were given it."""
        file = self.files.get(id)
        if file is None or file.purpose != UPLOADED:
            raise BadRequest(parameter, f"{id[:60]!r} is no uploaded file with purpose {UPLOADED!r}")
        try:
            os.link(self.files.path(file), path)
        except OSError as error:  # deleted in this moment, or a file system without links
            if not self.files.path(file).exists():
                raise BadRequest(parameter, f"{id[:60]!r} was deleted") from error
            shutil.copyfile(self.files.path(file), path)
