"""Files that were uploaded, and result files of jobs, kept in the home.

Belongs here: bytes, names and ids on disk. Does not: what is in a file (lines), HTTP (routes).
"""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glow_pipelines.files import write_whole

LARGEST = 64 << 20
"""Bytes of one file: 64 MiB is months of training on one processor."""
UPLOADED, RESULTS = "fine-tune", "fine-tune-results"


@dataclass(frozen=True)
class StoredFile:
    """One file. `created` are seconds since 1970."""

    id: str
    filename: str
    purpose: str
    size: int
    created: float

    def to_wire(self) -> dict[str, Any]:
        """OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": int(self.created),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
            "expires_at": None,
        }


class Files:
    """The files of one home. One process at a time has them open: the one server of the home."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._clock, self._lock = folder, clock, threading.Lock()
        self._known = {file.id: file for path in folder.glob("*.json") if (file := _read(path)) is not None}

    def put(self, data: bytes, filename: str, purpose: str, id: str | None = None) -> StoredFile:
        """Keep a file; with an `id`, in place of the one that has it. The content is whole before the id is known."""
        id = id or f"file-{secrets.token_hex(12)}"
        fresh = self._folder / f"{id}.new"
        fresh.write_bytes(data)
        fresh.chmod(0o600)
        fresh.replace(self._content(id))
        file = StoredFile(id, filename, purpose, len(data), self._clock())
        write_whole(self._folder / f"{id}.json", json.dumps(asdict(file)))
        with self._lock:
            self._known[id] = file
        return file

    def get(self, id: object) -> StoredFile | None:
        with self._lock:
            return self._known.get(id) if isinstance(id, str) else None

    def all(self) -> list[StoredFile]:
        """Newest first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda file: (file.created, file.id), reverse=True)

    def path(self, file: StoredFile) -> Path:
        """Where the content is. Raises nothing: a file deleted meanwhile is missing there."""
        return self._content(file.id)

    def delete(self, id: str) -> bool:
        """Whether there was one."""
        with self._lock:
            if self._known.pop(id, None) is None:
                return False
        (self._folder / f"{id}.json").unlink(missing_ok=True)
        self._content(id).unlink(missing_ok=True)
        return True

    def _content(self, id: str) -> Path:
        return self._folder / f"{id}.data"


def _read(path: Path) -> StoredFile | None:
    try:
        return StoredFile(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # written by another version, or by hand: as good as absent
