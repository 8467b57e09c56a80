"""A file that is locked as long as its process lives: the kernel lets go of the lock, even after kill -9.

Belongs here: being alive, and asking who is. A process number alone proves nothing: it may be a zombie's, or used anew.
"""

import fcntl
import os
import time
from io import TextIOWrapper
from pathlib import Path

_PATIENCE_S = 5.0


def become(path: Path) -> TextIOWrapper:
    """Lock the file for the life of this process (keep the result) and write the process number into it.

    Raises BlockingIOError when another process holds it for 5 s; `holder` itself holds it for a moment.
    """
    file = path.open("a+", encoding="ascii")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                raise
            time.sleep(0.05)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(path: Path) -> int | None:
    """The process that holds the file; None when nobody does. 0 in the moment before it has written its number."""
    try:
        with path.open(encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read()
                return int(text) if text.isdigit() else 0
    except FileNotFoundError:
        pass
    return None
