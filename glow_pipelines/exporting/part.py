"""A file that is on its way: grows beside its name, and gets it when it is whole.

Belongs here: bytes, their hash, going on after a kill. Does not: what the bytes are (run).
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from glow_pipelines.files import write_whole

_MARK_EVERY = 16 << 20  # bytes: a kill costs no more than this, and a mark costs a millisecond


@dataclass(frozen=True)
class Written:
    """A file that is whole."""

    path: Path
    rows: int
    bytes: int
    sha256: str


class Part:
    """`rows` is what is there already: go on after it. `identity` says what is being written; what is left of something
    else is not continued, nor what is not, byte by byte, what the mark says."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path, self._identity = path, identity
        self._part = path.with_name(f"{path.name}.part")
        self._mark = path.with_name(f"{path.name}.part.json")
        self.rows = self._bytes = self._marked = 0
        self._sha = hashlib.sha256()

    def __enter__(self) -> Self:
        rows, size = self._proven()
        # Rows of people: of the user who asked for them and of nobody else.
        self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        self._file.truncate(size)
        self._file.seek(size)
        self.rows, self._bytes, self._marked = rows, size, size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, block: bytes, rows: int) -> None:
        """Add whole rows."""
        self._file.write(block)
        self._sha.update(block)
        self.rows += rows
        self._bytes += len(block)
        if self._bytes - self._marked >= _MARK_EVERY:
            self._note()

    def finish(self) -> Written:
        """Give the file its name. It is on the disk then, also after a power cut."""
        self._file.flush()
        publish(self._part, self._path)
        self._mark.unlink(missing_ok=True)
        return Written(self._path, self.rows, self._bytes, self._sha.hexdigest())

    def discard(self) -> None:
        """Leave nothing: what was written must not be used."""
        for path in (self._part, self._mark):
            path.unlink(missing_ok=True)

    def _note(self) -> None:
        self._file.flush()
        mark = {"identity": self._identity, "rows": self.rows, "bytes": self._bytes, "sha256": self._sha.hexdigest()}
        write_whole(self._mark, json.dumps(mark))
        self._marked = self._bytes

    def _proven(self) -> tuple[int, int]:
        """Rows and bytes that are there and are what the mark says; their hash is taken up."""
        try:
            mark = json.loads(self._mark.read_text("utf-8"))
            rows, size = int(mark["rows"]), int(mark["bytes"])
            if mark["identity"] == self._identity:
                with self._part.open("rb") as file:
                    left = size
                    while left and (block := file.read(min(left, 1 << 20))):
                        self._sha.update(block)
                        left -= len(block)
                if not left and self._sha.hexdigest() == mark["sha256"]:
                    return rows, size
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no mark, or one that says nothing: there is nothing to go on from
        self._sha = hashlib.sha256()
        return 0, 0


def publish(fresh: Path, path: Path) -> None:
    """Give a file its name when it and its name are on the disk, for nobody but its owner to read."""
    with fresh.open("rb") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
