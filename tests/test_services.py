"""Which services the settings lead to."""

import pytest

from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

OURS = "postgresql://user:secret@host:5/glow"


@pytest.mark.parametrize(
    ("environment", "database"),
    [({}, "dagster"), ({"GLOW_DAGSTER_DATABASE_URL": "postgresql://user:secret@other:6/my_dagster"}, "my_dagster")],
)
def test_dagster_keeps_the_database_it_was_given(environment: dict[str, str], database: str) -> None:
    url = Services(Settings.from_environment({"DATABASE_URL": OURS, **environment})).dagster_url
    assert url.startswith("postgresql+psycopg2://")
    assert url.rpartition("/")[2] == database
    assert ("other:6" in url) == bool(environment)
