"""The PostgreSQL of the tests: one server for all workers, one fresh database for each test that asks.

Belongs here: server, template database, database, connection; how hypothesis runs. Does not: any data, any other
fixture.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from glow_pipelines.database import EmbeddedServer, connect, migrate
from glow_pipelines.database.urls import with_database
from glow_pipelines.files import exclusive

# How fast inputs come is the machine's doing: beside other work 7 in a second failed tests that were right.
settings.register_profile("glow", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glow")

_EXTERNAL = "GLOW_TEST_DATABASE_URL"
_HOME = "GLOW_TEST_HOME"
# Nothing of a test need outlive a power cut; and a vacuum that happens by takes locks that a test did not expect.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass(frozen=True)
class ExternalServer:
    """A server the developer brings, with the one method of EmbeddedServer that tests use."""

    base: str

    def url(self, database: str) -> str:
        return with_database(self.base, database)


def _memory() -> Path | None:
    """A file system in memory, when it has room: a slow disk made a cold start 2.7-4.9 s instead of 1.0 s."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 << 30 else None


def _server() -> EmbeddedServer | ExternalServer:
    if external := os.environ.get(_EXTERNAL):
        return ExternalServer(external)
    return EmbeddedServer(Path(os.environ[_HOME]), _FAST)


def _template_name() -> str:
    return f"glow_template_{Path(os.environ[_HOME]).name.removeprefix('glow-tests-')}"


def _run(statement: str, database: str, template: str = "") -> None:
    names = {"database": sql.Identifier(database), "template": sql.Identifier(template)}
    with connect(_server().url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(**names))


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder all workers share, known to them by environment: only the first process of a session does."""
    if not hasattr(config, "workerinput"):
        # Not pytest's own temporary folder: that is 0700, and as root the server is another user.
        home = Path(tempfile.mkdtemp(prefix="glow-tests-", dir=_memory()))
        home.chmod(0o711)
        os.environ[_HOME] = str(home)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the server after the last worker."""
    if hasattr(session.config, "workerinput"):
        return
    home, server = Path(os.environ[_HOME]), _server()
    if isinstance(server, EmbeddedServer):
        server.remove()
    elif (home / "template.ready").exists():
        _run("drop database if exists {database} with (force)", _template_name())
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres() -> EmbeddedServer | ExternalServer:
    """A running server; `.url(database)` is all that tests may ask of it."""
    server = _server()
    if isinstance(server, EmbeddedServer):
        server.start()
    return server


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedServer | ExternalServer) -> str:
    """The name of a migrated database, made once for all workers. Clone it; never connect to it."""
    home, name = Path(os.environ[_HOME]), _template_name()
    with exclusive(home / "template.lock"):
        if not (home / "template.ready").exists():
            _run("drop database if exists {database} with (force)", name)
            _run("create database {database}", name)
            migrate(postgres.url(name))
            (home / "template.ready").touch()
    return name


@pytest.fixture
def make_database(postgres: EmbeddedServer | ExternalServer, template_database: str) -> Iterator[Callable[[], str]]:
    """Makes fresh, migrated, empty databases and gives their URLs."""
    names: list[str] = []

    def make() -> str:
        names.append(f"glow_test_{uuid4().hex}")
        _run("create database {database} template {template}", names[-1], template_database)
        return postgres.url(names[-1])

    yield make
    for name in names:
        _run("drop database {database} with (force)", name)


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    """The URL of a fresh, migrated, empty database."""
    return make_database()


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a fresh, migrated database; not in autocommit."""
    with connect(database_url) as connection:
        yield connection
