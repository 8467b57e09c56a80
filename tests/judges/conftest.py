"""Services and a client on a fresh database with one agent."""

from collections.abc import Iterator

import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    yield services
    services.store.close()


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("desk")
        yield client
