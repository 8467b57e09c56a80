"""Files as they are opened: plain or gzip, or standard input, and how far they are read.

Belongs here: opening, position, the hash that makes a file known again. Does not: what stands in them (lines, tables).
"""

from __future__ import annotations  # io.BufferedReader takes its parameter only when types are checked

import gzip
import hashlib
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from glow_pipelines.errors import Actionable
from glow_pipelines.importing.records import Options

_READING = "1"
"""Part of every import id: to be raised when a format is read differently, so that old files can be imported anew."""


class ImportFailed(Actionable):
    """The file cannot be read as what it was said to be; nothing more of it is imported."""


@dataclass(frozen=True)
class Source:
    """A file to import; `path` None is standard input."""

    path: Path | None

    @property
    def name(self) -> str:
        return str(self.path) if self.path else "-"

    @property
    def suffix(self) -> str:
        """The ending that tells the container, with that of compression left off."""
        return Path(self.name.removesuffix(".gz")).suffix.lower()

    @property
    def size(self) -> int | None:
        return self.path.stat().st_size if self.path else None


class Stream:
    """An open source: `file` to read from, `position` in bytes of the file on disk."""

    def __init__(self, file: io.BufferedReader[Any], on_disk: io.BufferedReader[Any]) -> None:
        self.file, self._on_disk = file, on_disk

    def position(self) -> int:
        try:
            return self._on_disk.tell()
        except OSError:  # a pipe has no position
            return 0


@contextmanager
def open_source(source: Source) -> Iterator[Stream]:
    """Open a source for reading; gzip is known by its first bytes, whatever the name. Raises ImportFailed."""
    if source.path is None:
        given = cast("io.BufferedReader[Any]", sys.stdin.buffer)
        yield Stream(given, given)
        return
    try:
        file = io.BufferedReader(io.FileIO(source.path), 1 << 20)
    except OSError as error:
        raise ImportFailed(f"cannot read {source.path}: {error.strerror or error}") from error
    with file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            yield Stream(file, file)
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            try:
                yield Stream(io.BufferedReader(cast(io.RawIOBase, unpacked), 1 << 20), file)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise ImportFailed(f"{source.path} is damaged: {error}; what came before is imported") from error


def import_id(source: Source, format: str, options: Options, mapping: str) -> str:
    """What makes an import the same one again: the bytes of the file and everything that decides how they are read."""
    assert source.path is not None
    read_as = json.dumps([_READING, format, asdict(options), mapping], sort_keys=True)
    try:
        with source.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise ImportFailed(f"cannot read {source.path}: {error.strerror or error}") from error
    digest.update(read_as.encode())
    return digest.hexdigest()
