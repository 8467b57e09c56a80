"""An agent with two prompts and the store over it."""

from collections.abc import Iterator

import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.store import Store
from tests.experiments.rollouts.moving import AGENT, OLD


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent(AGENT, prompt=OLD.content())
        yield client


@pytest.fixture
def store(client: GlowClient, database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()
