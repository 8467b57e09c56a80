"""A database with an agent, and services that curate it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from glow_pipelines.database import connect
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from tests.curation.arrivals import AGENT


@pytest.fixture
def open_services(make_database: Callable[[], str]) -> Iterator[Callable[..., Services]]:
    """Opens services on a database of their own, with the agent of these tests; closes them."""
    opened: list[Services] = []

    def make(shares: tuple[float, float, float] = (0.8, 0.1, 0.1), **environment: str) -> Services:
        url = make_database()
        with connect(url) as connection:
            connection.execute(
                "select glow_api.register_agent(%s, split_shares => %s)", (AGENT, [str(share) for share in shares])
            )
        settings = {"DATABASE_URL": url, **environment}
        opened.append(Services(Settings.from_environment(settings)))
        return opened[-1]

    yield make
    for services in opened:
        services.store.close()
        if "_endpoint" in vars(services):
            services._endpoint[0].close()


@pytest.fixture
def services(open_services: Callable[..., Services]) -> Services:
    return open_services()


@pytest.fixture
def admin(services: Services) -> Iterator[psycopg.Connection]:
    with connect(services.database_url, autocommit=True) as connection:
        yield connection
