"""One data directory and the postmaster that serves it.

Belongs here: initdb, pg_ctl start and stop, and finding out whether the postmaster of this directory is alive.
Does not: which directory, port or password, nor two processes doing it at once (`server`).
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glow_pipelines.database.binaries import Binaries
from glow_pipelines.database.errors import DatabaseUnavailable
from glow_pipelines.database.server_user import ServerUser
from glow_pipelines.files import write_whole

SUPERUSER = "glow"
_TIMEOUT_S = 60
# Syncing while initdb runs costs as much as `--no-sync` and `--sync-only` after it (0.7-1.1 s both): so no flag.
_INITDB = (
    f"-U {SUPERUSER} -A scram-sha-256 -E UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --no-instructions "
    "-c max_connections=200 -c unix_socket_directories= -c listen_addresses=127.0.0.1 -c timezone=UTC"
).split()


@dataclass(frozen=True)
class Postmaster:
    """The living postmaster of a data directory, as its `postmaster.pid` says."""

    pid: int
    port: int | None


@dataclass(frozen=True)
class Cluster:
    """A folder `place` with the data directory in it, the user who owns that, the programs, a file for their output."""

    place: Path
    user: ServerUser
    binaries: Binaries
    tool_log: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.place / "data"

    def create(self, password: str) -> None:
        """initdb, unless done; what a killed starter left behind is swept. Raises DatabaseUnavailable."""
        self._sweep()
        if self.data.exists():
            return
        fresh = self._owned(self.place / f"data.new.{os.getpid()}")
        secret = self.place / f"password.new.{os.getpid()}"
        write_whole(secret, password)
        self._give(secret)
        command = [self.binaries.program("initdb"), "-D", str(fresh), f"--pwfile={secret}", *_INITDB]
        try:
            if self.user.run(command, self.tool_log) != 0:
                raise DatabaseUnavailable(f"initdb failed as user {self.user.name}:\n{self.last_words()}")
        finally:
            secret.unlink()
        fresh.rename(self.data)

    def check_version(self) -> None:
        """Raise DatabaseUnavailable unless the programs are of the major version that made the data directory."""
        ours, theirs = (self.data / "PG_VERSION").read_text().strip(), self.binaries.version()
        if not theirs.startswith(ours):
            raise DatabaseUnavailable(
                f"{self.data} was made by PostgreSQL {ours}, the programs in {self.binaries.folder} are {theirs}: "
                f"install version {ours}, or dump with it and restore into a new GLOW_HOME"
            )

    def launch(self, port: int, options: Mapping[str, str]) -> bool:
        """pg_ctl start, waiting until connections are accepted. Returns whether that came about."""
        settings = {"port": str(port), **options}
        if self.binaries.has_library("pg_stat_statements"):
            # Not in postgresql.conf: the fallback wheel lacks the library and then could not open the same data.
            settings.setdefault("shared_preload_libraries", "pg_stat_statements")
        arguments = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        return self._pg_ctl("start", "-l", str(self.data / "server.log"), "-o", arguments) == 0

    def stop(self) -> None:
        """End the postmaster, open transactions rolled back. Raises DatabaseUnavailable after 60 s."""
        if self._pg_ctl("stop", "-m", "fast") != 0 and self.postmaster() is not None:
            raise DatabaseUnavailable(f"PostgreSQL in {self.data} did not stop:\n{self.last_words()}")

    def postmaster(self) -> Postmaster | None:
        """The living postmaster, else None: also when `postmaster.pid` names a zombie or a number used anew."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        if not _serves(pid, self.data):
            return None
        port = lines[3].strip() if len(lines) > 3 else ""
        return Postmaster(pid, int(port) if port.isdigit() else None)

    def forget_dead_postmaster(self) -> None:
        """Remove a `postmaster.pid` whose process is not ours. Call under the start lock.

        PostgreSQL removes it by itself only when no process has that number. A zombie (nobody reaps in a container
        without init) or a number used anew makes it refuse for ever. That orphaned backends do not share the data with
        a new postmaster is kept by the shared memory key, which comes from the data directory, not from this file.
        """
        if self.postmaster() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def accepts(self, port: int | None) -> bool:
        """Whether a server on that loopback port takes connections now."""
        command = [self.binaries.program("pg_isready"), "-q", "-t", "3", "-h", "127.0.0.1", "-p", str(port)]
        return port is not None and self.user.run(command) == 0

    def last_words(self) -> str:
        """The end of the tool's and of the server's log, for error messages."""
        logs = [log for log in (self.tool_log, self.data / "server.log") if log.exists()]
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in logs)

    def _sweep(self) -> None:
        copies = [copy for copy in self.place.glob("binaries-*") if not self.binaries.folder.is_relative_to(copy)]
        for stale in [*self.place.glob("data.new.*"), *self.place.glob("password.new.*"), *copies]:
            if stale.is_dir():
                # The initdb of a killed starter may still be writing there; it ends when its files are gone.
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink()

    def _pg_ctl(self, verb: str, *arguments: str) -> int:
        command = [self.binaries.program("pg_ctl"), "-D", str(self.data), "-w", "-s", "-t", str(_TIMEOUT_S)]
        return self.user.run([*command, *arguments, verb], self.tool_log, timeout=_TIMEOUT_S + 30)

    def _owned(self, folder: Path) -> Path:
        folder.mkdir(0o700)
        self._give(folder)
        return folder

    def _give(self, path: Path) -> None:
        if self.user.dropped:
            os.chown(path, self.user.uid, self.user.gid)


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is a postmaster of `data`, which stands on its command line; a zombie has none."""
    # Not /proc/<pid>/cwd, which would be proof too: Docker takes from root the right to read that of another user.
    line = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return str(data).encode() in line.read_bytes().split(b"\0")
        except OSError:
            return False
    shown = subprocess.run(["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not shown.stdout.startswith("Z") and f" -D {data} " in shown.stdout
