"""What the embedded services need of the file system.

Belongs here: a lock between processes that dies with its holder, and writing a small file whole.
Does not: what is locked or written.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glow_pipelines.errors import Actionable


class HomeUnusable(Actionable):
    """The folder of the embedded services cannot be used; the message names the remedy."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for and hold the lock on the file `path`, made when missing. The kernel frees it even after kill -9.

    Raises HomeUnusable when the file is another user's, and on Windows.
    """
    if sys.platform == "win32":
        raise HomeUnusable("the embedded services run on Linux and macOS: set DATABASE_URL and OPENAI_BASE_URL")
    import fcntl  # here, so that this package can be imported where fcntl does not exist

    try:
        file = path.open("ab")
    except PermissionError as error:
        raise HomeUnusable(f"no right to write {path}: use the user who made it, or another GLOW_HOME") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Whether some process holds the lock on this file now."""
    if sys.platform == "win32" or not path.exists():
        return False
    import fcntl

    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_whole(path: Path, text: str) -> None:
    """Write a file of mode 0600 whole or not at all, also under kill -9."""
    fresh = path.with_name(f"{path.name}.new.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
