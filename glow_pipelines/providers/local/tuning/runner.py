"""The queue: one job at a time is trained, and what becomes of it is written down.

Belongs here: from a status to the next. Does not: what a training process does (worker and the trainer), HTTP (routes).

`advance` is all there is, and looks at files only: a server that was killed goes on where it was by calling it again. A
training process that was killed is started anew for the same folder, where it finds its last checkpoint.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from glow_pipelines.files import write_whole
from glow_pipelines.providers.local.tuning import lease
from glow_pipelines.providers.local.tuning.files import RESULTS, Files
from glow_pipelines.providers.local.tuning.jobs import FINISHED, UNFINISHED, Job, Jobs, Level
from glow_pipelines.providers.local.tuning.lines import BadLine, check_file
from glow_pipelines.providers.local.tuning.metrics import read_new, result_csv
from glow_pipelines.providers.local.tuning.registry import ADAPTER
from glow_pipelines.providers.local.tuning.trainer import Trainer

PAUSED_CODE = 75
"""Exit code of a trainer that stopped because the file `pause` is there."""
MOST_IDLE = 3
"""Training processes in a row that ended without a word and without a new step, after which the job has failed."""
_GRACE_S = 10.0
_LEVELS: dict[object, Level] = {"info": "info", "warn": "warn", "error": "error"}
_EVERY_S = 0.25


class Runner:
    """Advances the jobs of one home, in a thread of its own once started."""

    def __init__(
        self,
        jobs: Jobs,
        files: Files,
        trainer: Trainer,
        chat_name: str,
        base: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._jobs, self._files, self.trainer, self._clock = jobs, files, trainer, clock
        self._chat_name, self._base = chat_name, base
        self._offsets: dict[str, int] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._wake, self._stop = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="tuning", daemon=True)
        # Asked to end, and when: a server that was killed right after a cancel does not know of it any more.
        self._ending = {job.id: clock() for job in jobs.all() if job.status in FINISHED}
        for job in jobs.all():
            self._tell_end(job)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread, and the training process with it: it goes on from its checkpoint after the next start."""
        self._stop = True
        self._wake.set()
        self._thread.join()
        for hard in (False, True):
            deadline = time.monotonic() + (_GRACE_S if hard else 2.0)
            while sum(lease.end(self._jobs.folder(job), hard) for job in self._jobs.all()):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        for child in self._children:  # its lease is free: it is gone, or will be in a moment
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=1.0)
        for job in self._jobs.all():  # ended by us, which says nothing against the job
            self._jobs.change(job, ("running",), idle=job.idle - 1)

    def advance(self) -> bool:
        """One look at everything there is to do, which waits for no training; whether to look again soon."""
        self._children = [child for child in self._children if child.poll() is None]
        jobs = self._jobs.all()[::-1]
        for job in jobs:
            if job.status == "validating_files":
                self._validate(job)
        busy = self._end_cancelled()
        for job in jobs:
            if job.status in ("running", "pausing"):
                busy = True
                self._follow(job)
        if not busy and (next_ := next((job for job in self._jobs.all()[::-1] if job.status == "queued"), None)):
            self._begin(next_)
            busy = True
        return busy

    def cancelled(self, job: Job) -> None:
        """A job is not to be trained any more; whoever trains it is ended soon."""
        self._ending[job.id] = self._clock()
        self.wake()

    def _run(self) -> None:
        busy = True
        while not self._stop:
            self._wake.wait(_EVERY_S if busy else None)
            self._wake.clear()
            if not self._stop:
                try:
                    busy = self.advance()
                except OSError as error:  # a full disk: the jobs stay as they are until there is room
                    busy = True
                    print(f"tuning: {error}", flush=True)  # noqa: T201 - the server's log

    def _validate(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        self._jobs.tell(job, "validating", f"Validating training file: {job.training_file}")
        for name, parameter, least in (("train", "training_file", 10), ("validation", "validation_file", 1)):
            path = folder / f"{name}.jsonl"
            if parameter == "validation_file" and job.validation_file is None:
                continue
            try:
                check_file(path, job.method, least)
            except BadLine as error:
                self._fail(job, f"invalid_{parameter}", f"{parameter}: {error}", parameter)
                return
        self._jobs.tell(job, "validated", "Files validated, moving job to queued state")
        self._jobs.change(job, ("validating_files",), status="queued")

    def _begin(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        if job.model != self._chat_name:
            self._fail(job, "base_unavailable", f"model: {job.model!r} is not served here any more")
            return
        if self.trainer.refusal:
            self._fail(job, "training_not_available", self.trainer.refusal)
            return
        request = {"job_id": job.id, "base": str(self._base), "method": job.method, "seed": job.seed}
        write_whole(folder / "job.json", json.dumps({**request, "hyperparameters": dict(job.hyperparameters)}))
        # Before the process: a server that is killed in between counts one that never ran, and no harm is done.
        now = self._jobs.change(
            job, ("queued", "running"), status="running", fence=job.fence + 1, started_at_step=job.step
        )
        if now is None:
            return
        child = lease.start(folder, now.fence, self.trainer.command)
        if child is not None:
            self._children.append(child)
        first = "Fine-tuning job started" if now.fence == 1 else f"Fine-tuning job goes on from step {now.step}"
        self._jobs.tell(now, f"started-{now.fence}", first)

    def _follow(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        held = lease.holder(folder) is not None  # asked first: what it wrote before it ended is then all there
        job = self._copy_metrics(job)
        if held:
            return
        outcome = _read(folder / "outcome.json")
        if outcome.get("fence") != job.fence:
            self._go_on(job)
        elif outcome.get("code") == 0 and _is_gguf(folder / ADAPTER):
            self._succeed(job)
        elif outcome.get("code") == PAUSED_CODE and (folder / "pause").exists():
            self._jobs.tell(job, f"paused-{job.fence}", f"Fine-tuning job paused at step {job.step}")
            self._jobs.change(job, ("running", "pausing"), status="paused")
        elif outcome.get("code", 0) < 0:  # a signal: it was killed, and did not end by itself
            self._go_on(job)
        else:
            told = str(outcome.get("error") or "") or f"the trainer ended with {outcome.get('code')}"
            self._fail(job, "training_failed", told if outcome.get("code") else "the trainer wrote no adapter")

    def _go_on(self, job: Job) -> None:
        """The training process is gone without a word."""
        if job.status == "pausing":
            self._jobs.tell(job, f"paused-{job.fence}", f"Fine-tuning job paused at step {job.step}")
            self._jobs.change(job, ("pausing",), status="paused")
            return
        idle = 0 if job.step > job.started_at_step else job.idle + 1
        if idle >= MOST_IDLE:
            self._fail(job, "training_interrupted", f"the trainer was killed {idle} times without coming to a new step")
            return
        self._jobs.tell(job, f"interrupted-{job.fence}", "Training was interrupted; it goes on", "warn")
        if (now := self._jobs.change(job, ("running",), idle=idle)) is not None:
            self._begin(now)

    def _copy_metrics(self, job: Job) -> Job:
        """What the trainer wrote since the last look, as events. After a start all of it is read again: keys know."""
        folder, step = self._jobs.folder(job), job.step
        rows, self._offsets[job.id] = read_new(folder / "metrics.jsonl", self._offsets.get(job.id, 0))
        for place, row in rows:
            data, level = row.get("data"), row.get("level")
            at = row["at"] if isinstance(row.get("at"), int | float) else None
            reached = data.get("step") if isinstance(data, dict) else None
            if row.get("type") == "message" or type(reached) is not int:
                self._jobs.tell(
                    job, f"line-{place}", str(row.get("message", ""))[:2000], _LEVELS.get(level, "info"), at=at
                )
            else:
                # A step that was trained again after a kill is the same step: told once.
                self._jobs.tell(job, f"step-{reached}", f"Step {reached}", data=data, at=at)
                step = max(step, reached)
        return (self._jobs.change(job, ("running", "pausing"), step=step) or job) if step > job.step else job

    def _succeed(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        points = [event["data"] for event in self._jobs.events(job) if event["type"] == "metrics"]
        points.sort(key=lambda point: point["step"])
        id = f"file-{job.id.removeprefix('ftjob-')}-result"
        results = self._files.put(result_csv(points), "step_metrics.csv", RESULTS, id)
        tokens = _read(folder / "result.json").get("trained_tokens")
        done = self._jobs.change(
            job,
            ("running", "pausing"),
            status="succeeded",
            fine_tuned_model=job.model_name,
            finished=self._clock(),
            trained_tokens=tokens if type(tokens) is int else 0,
            result_files=(results.id,),
        )
        self._tell_end(done)
        forget_texts(folder)

    def _fail(self, job: Job, code: str, message: str, parameter: str | None = None) -> None:
        error = {"code": code, "message": message, "param": parameter}
        self._tell_end(self._jobs.change(job, UNFINISHED, status="failed", error=error, finished=self._clock()))
        forget_texts(self._jobs.folder(job))

    def _tell_end(self, job: Job | None) -> None:
        """After the status: a job cancelled a moment before has not succeeded. Again after a start: keys know."""
        if job is not None and job.status == "succeeded":
            self._jobs.tell(job, "created", f"New fine-tuned model created: {job.model_name}")
            self._jobs.tell(job, "succeeded", "The job has successfully completed")
        elif job is not None and job.status == "failed":
            self._jobs.tell(job, "failed", str((job.error or {}).get("message")), "error")

    def _end_cancelled(self) -> bool:
        """Whether a cancelled job is still being trained."""
        for id, since in list(self._ending.items()):
            job = self._jobs.get(id)
            if job is None or not lease.end(self._jobs.folder(job), hard=self._clock() - since > _GRACE_S):
                del self._ending[id]
                if job is not None:
                    forget_texts(self._jobs.folder(job))
        return bool(self._ending)


def forget_texts(folder: Path) -> None:
    """The job's copies of its files: what people wrote is kept no longer than it is needed."""
    for name in ("train.jsonl", "validation.jsonl"):
        (folder / name).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False
