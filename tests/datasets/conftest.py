"""A database with an agent, and the store over it."""

from collections.abc import Iterator

import psycopg
import pytest

from glow_pipelines.store import Store
from tests.datasets.seeding import register


@pytest.fixture
def store(database_url: str, connection: psycopg.Connection) -> Iterator[Store]:
    register(connection)
    store = Store(database_url)
    yield store
    store.close()
