"""A database for all tests of a file, and logins to it.

Belongs here: fixtures that several files of this folder use. Does not: calls (`calling`), roles (`logins`).
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from glow_pipelines.database import connect
from tests.api.calling import call, execution, register
from tests.api.logins import Logins
from tests.api.poisoning import FORMS, NOUNS, Noun, Way
from tests.api.tenants import Other


@pytest.fixture(scope="module")
def shared_url(postgres: Any, template_database: str) -> Iterator[str]:
    """The URL of a database that the tests of a file share: each has its own agents, tenants and ids."""
    name = f"glow_test_{uuid4().hex}"

    def run(statement: str) -> None:
        names = {"name": sql.Identifier(name), "template": sql.Identifier(template_database)}
        with connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(**names))

    run("create database {name} template {template}")
    url: str = postgres.url(name)
    with connect(url) as connection:
        register(connection)
    yield url
    run("drop database {name} with (force)")


@pytest.fixture
def logins(shared_url: str) -> Iterator[Logins]:
    with Logins(shared_url) as logins:
        yield logins


@pytest.fixture
def admin(logins: Logins) -> psycopg.Connection:
    """The administrator's session, in autocommit."""
    return logins.admin


@pytest.fixture
def app(logins: Logins) -> psycopg.Connection:
    """A backend of the tenant `default`."""
    return logins.connect("glow_app")


@pytest.fixture
def fresh_tenant() -> Callable[[], str]:
    """Names of tenants nobody used."""
    return lambda: f"t-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(1, 10**9))


@pytest.fixture
def writer(admin: psycopg.Connection) -> psycopg.Connection:
    """The administrator: the import is the pipeline's, and what was kept is looked up."""
    call(admin, "log_execution", **{**execution(0), "execution_id": "known"})
    return admin


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(NOUNS))
def noun(request: pytest.FixtureRequest) -> Noun:
    return NOUNS[request.param]


@pytest.fixture
def way(writer: psycopg.Connection, noun: Noun, form: str) -> Way:
    return Way(writer, noun, form)


@pytest.fixture
def other(logins: Logins, fresh_tenant: Callable[[], str]) -> Other:
    return Other(logins, fresh_tenant())
