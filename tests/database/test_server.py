"""The embedded server: one per folder, whoever starts it, whatever is killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.database import DatabaseUnavailable, EmbeddedServer, connect
from glow_pipelines.database.binaries import find_binaries

START = """
import sys, pathlib
from glow_pipelines.database import EmbeddedServer
server = EmbeddedServer(pathlib.Path(sys.argv[1]), {"fsync": "off"})
server.start()
print(server.url("glow"), server.status().pid)
"""
FAST = {"fsync": "off"}  # a killed process loses nothing the kernel has; only a power cut would
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")


def make_home(parent: str | None = os.environ.get("GLOW_TEST_HOME")) -> Path:
    """A folder that the server's user can enter, as pytest's own is not."""
    home = Path(tempfile.mkdtemp(prefix="glow-server-", dir=parent))
    home.chmod(0o711)
    return home


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder without a server."""
    folder = make_home()
    yield folder
    EmbeddedServer(folder).remove()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def used() -> Iterator[EmbeddedServer]:
    """A server that has run before, running or not: initdb is what takes the time."""
    server = EmbeddedServer(make_home(), FAST)
    server.start()
    yield server
    server.remove()
    shutil.rmtree(server.home)


def start_in_process(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", START, str(home)], stdout=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def postmaster_file(server: EmbeddedServer) -> Path:
    directory = server.status().data_directory
    assert directory is not None
    return directory / "postmaster.pid"


def test_start_attach_stop_start(home: Path) -> None:
    server = EmbeddedServer(home, FAST)
    with pytest.raises(DatabaseUnavailable, match="never started"):
        server.url("glow")
    assert not server.status().running
    server.stop()
    server.start()
    first, url = server.status(), server.url("glow")
    assert first.running
    assert first.version is not None
    assert first.version.startswith("18.")
    with connect(url) as connection:
        names = {name for (name,) in connection.execute("select datname from pg_database")}
        assert {"glow", "dagster"} <= names
        connection.execute("create extension vector")
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("show shared_preload_libraries").fetchone() == ("pg_stat_statements",)
    again = EmbeddedServer(home)
    again.start()
    assert (again.status(), again.url("glow")) == (first, url)
    again.stop()
    assert not server.status().running
    server.start()
    assert server.url("glow") == url
    assert pid_of(server) != first.pid


def test_the_password_is_needed_and_is_private(used: EmbeddedServer) -> None:
    used.start()
    assert (used.home / "postgres.password").stat().st_mode & 0o777 == 0o600
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        connect(used.url("glow").replace("glow:", "glow:x", 1))


def test_two_processes_start_one_server(home: Path) -> None:
    starters = [start_in_process(home) for _ in range(2)]
    answers = {starter.communicate(timeout=60)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0]
    assert len(answers) == 1
    assert EmbeddedServer(home).status().running  # and it outlives both


def write_until_refused(url: str, acknowledged: list[int]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1_000_000):
            try:
                connection.execute("insert into rows values (%s)", (number,))
            except psycopg.OperationalError:
                return
            acknowledged.append(number)


def test_a_killed_postmaster_keeps_what_it_acknowledged(used: EmbeddedServer) -> None:
    used.start()
    url, pid, acknowledged = used.url("glow"), pid_of(used), list[int]()
    with connect(url) as connection:
        connection.execute("create table rows (id int primary key)")
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(write_until_refused, url, acknowledged)
        wait_for(lambda: len(acknowledged) > 50)
        os.kill(pid, signal.SIGKILL)
        used.start()
        writing.result(timeout=20)
    assert used.url("glow") == url
    assert pid_of(used) != pid
    with connect(url) as connection:
        kept = {number for (number,) in connection.execute("select id from rows")}
    # The row under way at the kill may have been kept without its acknowledgement.
    assert set(acknowledged) <= kept <= {*acknowledged, len(acknowledged)}


def test_a_starter_killed_in_initdb_does_no_harm(home: Path) -> None:
    starter = start_in_process(home)
    wait_for(lambda: list(home.glob("postgres/data.new.*/base")))
    starter.kill()
    starter.communicate()
    assert not (home / "postgres" / "data").exists()
    EmbeddedServer(home, FAST).start()
    assert EmbeddedServer(home).status().running
    assert not list(home.glob("postgres/*.new.*"))


@pytest.mark.parametrize("kind", ["reused", "zombie", "dead", "garbage"])
def test_a_stale_postmaster_file_is_seen_through(used: EmbeddedServer, kind: str) -> None:
    used.start()
    lines = postmaster_file(used).read_text().splitlines()
    used.stop()
    sleeper = subprocess.Popen(["/bin/sleep", "60"], user=postmaster_file(used).parent.stat().st_uid)
    try:
        if kind in ("zombie", "dead"):
            sleeper.kill()
            os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # ended, but not reaped
        if kind == "dead":
            sleeper.wait()
        lines[0] = "not a number" if kind == "garbage" else str(sleeper.pid)
        postmaster_file(used).write_text("\n".join(lines) + "\n")
        assert not used.status().running
        used.start()
        assert used.status().running
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_port_that_another_program_took_is_given_up(used: EmbeddedServer) -> None:
    used.start()
    taken = used.status().port
    assert taken is not None
    used.stop()
    with socket.create_server(("127.0.0.1", taken)):
        used.start()
        assert used.status().port != taken
        with connect(used.url("dagster")) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_a_server_that_cannot_start_says_why(used: EmbeddedServer) -> None:
    used.stop()
    ticks = iter(range(0, 1000, 30))
    broken = EmbeddedServer(used.home, {"shared_buffers": "lots"}, clock=lambda: next(ticks), sleep=lambda _: None)
    with pytest.raises(DatabaseUnavailable, match='invalid value for parameter "shared_buffers"'):
        broken.start()


def test_options_reach_the_server_unharmed(used: EmbeddedServer) -> None:
    used.stop()
    EmbeddedServer(used.home, {"fsync": "off", "cluster_name": "it's $HOME; true"}).start()
    with connect(used.url("glow")) as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)
        assert connection.execute("show cluster_name").fetchone() == ("it's $HOME; true",)
    used.stop()


def test_settings_of_the_callers_shell_stay_outside(used: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    used.stop()
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    used.start()
    assert used.status().running


def test_a_lost_password_or_place_is_not_answered_with_an_empty_database(used: EmbeddedServer) -> None:
    used.stop()
    password = used.home / "postgres.password"
    aside = password.rename(used.home / "aside")
    with pytest.raises(DatabaseUnavailable, match="is gone, its database is not"):
        used.start()
    aside.rename(password)
    (used.home / "postgres.location").write_text("/nowhere/at/all\n")
    with pytest.raises(DatabaseUnavailable, match="/nowhere/at/all, which no longer exists"):
        used.start()
    (used.home / "postgres.location").unlink()


def test_no_programs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"GLOW_PG_BIN=.* has no initdb, pg_ctl"):
        find_binaries({"GLOW_PG_BIN": str(tmp_path)})
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(DatabaseUnavailable, match=r"pip install 'glow-pipelines\[local\]' or set DATABASE_URL"):
        find_binaries({})


def test_programs_of_another_major_version_are_refused(used: EmbeddedServer) -> None:
    used.stop()
    version = postmaster_file(used).with_name("PG_VERSION")
    version.write_text("17\n")
    with pytest.raises(DatabaseUnavailable, match=r"made by PostgreSQL 17, the programs in .* are 18"):
        used.start()
    version.write_text("18\n")


@as_root
def test_root_behind_closed_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home and wheel below folders of mode 0700: the cluster and a copy of the wheel go to where its user can be."""
    package = find_binaries({}).package
    assert package is not None
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            (closed / folder.name).symlink_to(folder)
    monkeypatch.syspath_prepend(str(closed))
    base = make_home(parent=None)  # not the memory's file system: in Docker that may hold no programs
    server = EmbeddedServer(closed / "home", FAST, environ={"GLOW_PG_DATA": str(base)})
    server.start()
    directory = server.status().data_directory
    assert directory is not None
    assert directory.is_relative_to(base)
    assert list(base.glob("*/binaries-*/*.libs"))
    assert closed.stat().st_mode & 0o777 == 0o700
    assert directory.stat().st_uid != 0
    EmbeddedServer(closed / "home").start()  # found again without the variable
    assert EmbeddedServer(closed / "home").status().data_directory == directory
    server.remove()
    assert not list(base.iterdir())
    base.rmdir()
