"""The process around one training process: it holds the job's lease, and leaves word of how the training ended.

Belongs here: being there when the server is not. Does not: training, deciding what an ending means (runner).

The server may be killed and started anew while this goes on; then nobody else could say what the exit code was. The
lease is a lock on an open file that was inherited: this process and the training process hold it, and the kernel lets
go of it only when both are gone, also after kill -9 of one of them.
"""

import argparse
import fcntl
import json
import os
import subprocess
from collections import deque
from pathlib import Path

_LONGEST_ERROR = 1000
_POLITE = 5
"""Training waits for answers, not answers for training."""


def main() -> None:
    """Train, then write outcome.json: fence, exit code, last line of the standard error."""
    parser = argparse.ArgumentParser(prog="python -m glow_pipelines.providers.local.tuning.worker", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="folder of the job")
    parser.add_argument("--fence", type=int, required=True, help="number of this process among those of the job")
    parser.add_argument("--lease", type=int, required=True, help="file descriptor of the locked lease")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and what trains")
    given = parser.parse_args()
    fcntl.flock(given.lease, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ours by inheritance; by hand somebody else's, and refused
    os.ftruncate(given.lease, 0)
    os.pwrite(given.lease, str(os.getpid()).encode(), 0)
    os.nice(_POLITE)
    log = given.job / "trainer.log"
    with log.open("ab") as errors:
        begin = errors.tell()
        command = [*given.command[1:], "--job", str(given.job)]
        # Its output goes to the log, too: what it has to say is in the files of the job.
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=(given.lease,), check=False
        )
    with log.open("rb") as errors:
        errors.seek(begin)
        last = deque((line for line in errors if line.strip()), maxlen=1)
    error = last[0].decode("utf-8", "replace").strip()[:_LONGEST_ERROR] if last else ""
    outcome = given.job / "outcome.json"
    fresh = outcome.with_suffix(".new")
    fresh.write_text(json.dumps({"fence": given.fence, "code": ended.returncode, "error": error}), encoding="utf-8")
    fresh.replace(outcome)


if __name__ == "__main__":
    main()
