"""The embedded PostgreSQL: a server that belongs to a folder, not to a process.

Belongs here: start (or attach), stop, status and URL, for any number of processes at once.
Does not: PostgreSQL's programs (`cluster`), who runs them and where (`server_user`), or what is in the databases.

`home` keeps what is the caller's: lock, port, password, the place of the cluster. The place, which the server's user
can reach, keeps the data directory. Nothing counts users: an explicit `stop` ends the server, its starter's death does
not.
"""

import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from glow_pipelines.database import server_user
from glow_pipelines.database.binaries import find_binaries, within_reach
from glow_pipelines.database.cluster import SUPERUSER, Cluster
from glow_pipelines.database.connect import MAINTENANCE_DATABASE, connect, create_missing_databases
from glow_pipelines.database.errors import DatabaseUnavailable
from glow_pipelines.files import exclusive, write_whole

DATABASES = ("glow", "dagster")
_HOST = "127.0.0.1"  # this build has no TLS: loopback only
_RETRY_S = 60.0
_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True)
class ServerStatus:
    """`port` and `version` are None before the first start, `pid` when not running."""

    running: bool
    port: int | None
    pid: int | None
    version: str | None
    data_directory: Path | None


@dataclass(frozen=True)
class EmbeddedServer:
    """The PostgreSQL of the folder `home`; `extra_options` are server settings that hold for a start by this object."""

    home: Path
    extra_options: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def start(self) -> None:
        """Make the server run and hold the databases `glow` and `dagster`; attach when it runs already.

        Raises DatabaseUnavailable, with the server's last words, when it does not come up within 60 s.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        with self._locked():
            cluster = self._cluster()
            if not self._attach(cluster):
                cluster.create(self._password())
                cluster.check_version()
                self._launch(cluster)
            with connect(self.url(MAINTENANCE_DATABASE), autocommit=True) as connection:
                create_missing_databases(connection, DATABASES)

    def stop(self) -> None:
        """End the server whoever started it; nothing to do when it does not run."""
        if server_user.recorded_place(self._home) is None:
            return
        with self._locked():
            self._end()

    def remove(self) -> None:
        """Stop the server and delete the cluster with all its data, its password and its port."""
        place = server_user.recorded_place(self._home)
        if place is None:
            return
        with self._locked():
            if place.is_dir():
                self._end()
                shutil.rmtree(place)
            for path in self._home.glob("postgres.*"):
                if path != self._lock_file:  # others may wait on it; a new file would be a second lock
                    path.unlink()

    def status(self) -> ServerStatus:
        """What is there now; starts and creates nothing. Raises DatabaseUnavailable when no programs are found."""
        place = server_user.recorded_place(self._home)
        if place is None or not (place / "data").exists():
            return ServerStatus(False, None, None, None, None)
        cluster = Cluster(place, self._user(), find_binaries(self.environ), self._tool_log)
        version, postmaster = cluster.binaries.version(), cluster.postmaster()
        if postmaster is None or not cluster.accepts(postmaster.port):
            return ServerStatus(False, self._port(), None, version, cluster.data)
        return ServerStatus(True, postmaster.port, postmaster.pid, version, cluster.data)

    def url(self, database: str) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`. Raises DatabaseUnavailable before the first start."""
        port = self._port()
        if port is None or not self._password_file.exists():
            raise DatabaseUnavailable(f"the embedded database in {self._home} was never started: run 'glow up'")
        return f"postgresql://{SUPERUSER}:{self._password_file.read_text()}@{_HOST}:{port}/{database}"

    def _end(self) -> None:
        cluster = self._cluster()
        if cluster.postmaster() is not None:
            cluster.stop()

    def _attach(self, cluster: Cluster) -> bool:
        postmaster = cluster.postmaster()
        if postmaster is None or postmaster.port is None or not cluster.accepts(postmaster.port):
            return False
        if postmaster.port != self._port():
            write_whole(self._port_file, str(postmaster.port))
        return True

    def _launch(self, cluster: Cluster) -> None:
        deadline, pause = self.clock() + _RETRY_S, 0.1
        while not self._attach(cluster):
            # A living postmaster is on its way up or down, or recovers: it needs patience, not a second one.
            if cluster.postmaster() is None:
                cluster.forget_dead_postmaster()
                # Fails, for a moment, while backends of a killed postmaster still hold the shared memory.
                if cluster.launch(self._free_port(), self.extra_options):
                    continue
            if self.clock() >= deadline:
                raise DatabaseUnavailable(f"PostgreSQL in {cluster.data} does not start:\n{cluster.last_words()}")
            self.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    def _free_port(self) -> int:
        """The port of last time, or another one when some other program listens there now."""
        port = self._port()
        if port is None or not _can_listen(port):
            with socket.socket() as probe:
                probe.bind((_HOST, 0))
                port = int(probe.getsockname()[1])
            write_whole(self._port_file, str(port))
        return port

    def _cluster(self) -> Cluster:
        user = self._user()
        place = server_user.choose_place(self._home, user, self.environ)
        return Cluster(place, user, within_reach(find_binaries(self.environ), user, place), self._tool_log)

    def _user(self) -> server_user.ServerUser:
        place = server_user.recorded_place(self._home)
        data = place / "data" if place else None
        return server_user.choose_user(data.stat().st_uid if data and data.exists() else None)

    def _password(self) -> str:
        """The superuser's password, made on first use."""
        if not self._password_file.exists():
            place = server_user.recorded_place(self._home)
            if place and (place / "data").exists():
                raise DatabaseUnavailable(
                    f"{self._password_file} is gone, its database is not: restore it from a backup"
                )
            write_whole(self._password_file, secrets.token_urlsafe(24))
        return self._password_file.read_text()

    def _port(self) -> int | None:
        return int(self._port_file.read_text()) if self._port_file.exists() else None

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive(self._lock_file)

    @property
    def _home(self) -> Path:
        return self.home.resolve()

    @property
    def _lock_file(self) -> Path:
        return self._home / "postgres.lock"

    @property
    def _port_file(self) -> Path:
        return self._home / "postgres.port"

    @property
    def _password_file(self) -> Path:
        return self._home / "postgres.password"

    @property
    def _tool_log(self) -> Path:
        return self._home / "postgres.tools.log"


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does itself: closed connections still in TIME_WAIT are no reason to change the URL.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
