"""The journal of jobs: what each is and where it stands, and its events, kept in a folder of its own per job.

Belongs here: reading and writing them, changing a status only from the ones it may change from. Does not: when it
changes (runner), the form on the wire (routes).

    record.json     the job as it stands, always whole; in memory too, as one process has the journal open
    events.jsonl    only ever longer; an event has a key, and a key comes once, so that what is told again after a crash
                    is not told twice
The other files of the folder belong to whoever trains: glow_pipelines/training/folder.py.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from glow_pipelines.files import write_whole

Status = Literal["validating_files", "queued", "running", "pausing", "paused", "succeeded", "failed", "cancelled"]
Level = Literal["info", "warn", "error"]
FINISHED: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
UNFINISHED: tuple[Status, ...] = ("validating_files", "queued", "running", "pausing", "paused")


@dataclass(frozen=True)
class Job:
    """A job. `fence` counts the processes that were started for it; `idle` those in a row that came to no new step."""

    id: str
    created: float
    model: str
    training_file: str
    validation_file: str | None
    method: str
    hyperparameters: Mapping[str, Any]
    suffix: str | None
    seed: int
    metadata: Mapping[str, str] | None
    status: Status = "validating_files"
    error: Mapping[str, Any] | None = None
    fine_tuned_model: str | None = None
    finished: float | None = None
    trained_tokens: int | None = None
    result_files: tuple[str, ...] = ()
    fence: int = 0
    idle: int = 0
    step: int = 0
    started_at_step: int = 0
    model_deleted: bool = False

    @property
    def model_name(self) -> str:
        """What the model is, or will be, called."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "-", self.suffix or "")
        return f"ft:{self.model}:{plain}:{self.id}"


@dataclass
class _Events:
    """Of one job: as they are in the file, oldest first, and their keys."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


class Jobs:
    """The jobs of one home. One process at a time has them open; its threads may share it."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._clock, self._lock = folder, clock, threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._events: dict[str, _Events] = {}
        for each in folder.iterdir():
            path = each / "record.json"
            if not path.exists():  # killed while it was being made: nobody was told of it
                shutil.rmtree(each, ignore_errors=True)
                continue
            record = json.loads(path.read_text(encoding="utf-8"))
            record["result_files"] = tuple(record["result_files"])
            self._jobs[record["id"]] = Job(**record)

    def folder(self, job: Job) -> Path:
        return self._folder / job.id

    def add(self, job: Job) -> Job:
        """A job that is now known; its folder must hold whatever it needs already."""
        with self._lock:
            return self._save(job)

    def get(self, id: str) -> Job | None:
        with self._lock:
            return self._jobs.get(id)

    def all(self) -> list[Job]:
        """Newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: (job.created, job.id), reverse=True)

    def change(self, job: Job, among: tuple[Status, ...], **fields: Any) -> Job | None:
        """The changed job; None where its status is none of `among` by now, and nothing was changed."""
        with self._lock:
            now = self._jobs[job.id]
            return self._save(replace(now, **fields)) if now.status in among else None

    def tell(
        self,
        job: Job,
        key: str,
        message: str,
        level: Level = "info",
        data: Mapping[str, Any] | None = None,
        at: float | None = None,
    ) -> None:
        """Append an event, once per key."""
        with self._lock:
            events = self._read_events(job)
            if key in events.keys:
                return
            line = {
                "id": f"ftevent-{job.id.removeprefix('ftjob-')}-{len(events.lines) + 1:06d}",
                "key": key,
                "at": self._clock() if at is None else at,
                "level": level,
                "type": "message" if data is None else "metrics",
                "message": message,
                "data": data,
            }
            with (self.folder(job) / "events.jsonl").open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
            events.lines.append(line)
            events.keys.add(key)

    def events(self, job: Job) -> list[dict[str, Any]]:
        """Oldest first."""
        with self._lock:
            return list(self._read_events(job).lines)

    def _save(self, job: Job) -> Job:
        write_whole(self.folder(job) / "record.json", json.dumps(asdict(job)))
        self._jobs[job.id] = job
        return job

    def _read_events(self, job: Job) -> _Events:
        if job.id not in self._events:
            path, events = self.folder(job) / "events.jsonl", _Events()
            if path.exists():
                raw = path.read_bytes()
                if not raw.endswith(b"\n"):  # a power cut in the middle of a line: what was not whole was not told
                    raw = raw[: raw.rfind(b"\n") + 1]
                    path.write_bytes(raw)
                events.lines = [json.loads(line) for line in raw.splitlines()]
                events.keys = {line["key"] for line in events.lines}
            self._events[job.id] = events
        return self._events[job.id]
