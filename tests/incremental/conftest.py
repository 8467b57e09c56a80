"""A database of each test's own, and sessions in it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from glow_pipelines.database import connect
from glow_pipelines.store import Store
from tests.api.calling import register


@pytest.fixture
def url(database_url: str) -> str:
    with connect(database_url) as connection:
        register(connection)
    return database_url


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection]:
    with connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


@pytest.fixture
def sessions(url: str) -> Iterator[Callable[[], psycopg.Connection]]:
    opened: list[psycopg.Connection] = []

    def make() -> psycopg.Connection:
        opened.append(connect(url))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
