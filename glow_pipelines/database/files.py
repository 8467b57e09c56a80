"""Two things the embedded server needs of the file system.

Belongs here: a lock between processes that dies with its holder, and writing a small file whole.
Does not: what is locked or written.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glow_pipelines.database.errors import DatabaseUnavailable


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for and hold the lock on the file `path`, made when missing. The kernel frees it even after kill -9.

    Raises DatabaseUnavailable when the file is another user's, and on Windows.
    """
    if sys.platform == "win32":
        raise DatabaseUnavailable("the embedded PostgreSQL runs on Linux and macOS: set DATABASE_URL")
    import fcntl  # here, so that this package can be imported where fcntl does not exist

    try:
        file = path.open("ab")
    except PermissionError as error:
        raise DatabaseUnavailable(
            f"no right to write {path}: use the user who made it, or another GLOW_HOME"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_whole(path: Path, text: str) -> None:
    """Write a file of mode 0600 whole or not at all, also under kill -9."""
    fresh = path.with_name(f"{path.name}.new.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
