"""Who trains a job: the one lease of its folder.

Belongs here: taking it for a process that is about to start, asking who has it, ending that one. Does not: when
(runner).
"""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from glow_pipelines.providers.local import alive


def start(folder: Path, fence: int, command: tuple[str, ...]) -> "subprocess.Popen[bytes] | None":
    """A worker that has the lease from its first moment on; None where another one has it.

    The lock belongs to the open file, which the worker inherits: there is no moment in which nobody holds it.
    """
    lease = os.open(folder / "lease", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        worker = (sys.executable, "-m", "glow_pipelines.providers.local.tuning.worker")
        return subprocess.Popen(
            [*worker, "--job", str(folder), "--fence", str(fence), "--lease", str(lease), "--", *command],
            stdin=subprocess.DEVNULL,
            pass_fds=(lease,),
            start_new_session=True,  # it outlives the server, and is one group to end
        )
    finally:
        os.close(lease)


def holder(folder: Path) -> int | None:
    """The process that has the lease, 0 in the moment before it has written its number, None when nobody has."""
    return alive.holder(folder / "lease")


def end(folder: Path, hard: bool) -> bool:
    """Ask the worker and what it started to end, or kill them; whether there was anyone to ask."""
    pid = holder(folder)
    if not pid:
        return pid is not None
    try:
        # The number is that of the group's first process. A lease that is held has a living member of that group.
        os.killpg(pid, signal.SIGKILL if hard else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return True
    return True
