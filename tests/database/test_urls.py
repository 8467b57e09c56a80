"""One DATABASE_URL in its several forms, and never its password."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.database import urls

URL = "postgresql://me:s%40cret@db.example:5433/glow?sslmode=require"


def test_each_reader_gets_its_driver_and_database() -> None:
    assert urls.for_dagster(URL) == "postgresql+psycopg2://me:s%40cret@db.example:5433/dagster?sslmode=require"
    assert urls.for_sqlalchemy(URL) == "postgresql+psycopg://me:s%40cret@db.example:5433/glow?sslmode=require"
    assert urls.for_libpq(urls.for_sqlalchemy(URL)) == URL
    assert urls.with_database(URL, "other") == "postgresql://me:s%40cret@db.example:5433/other?sslmode=require"
    assert urls.for_libpq("postgres://me@host/db") == "postgresql://me@host/db"


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_password_survives_every_form(password: str) -> None:
    url = f"postgresql://me:{quote(password, safe='')}@host/db"
    for form in (urls.for_libpq, urls.for_sqlalchemy, urls.for_dagster):
        assert urls.parse(form(url)).password == password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter22@host:5432/db",
        "postgresql+psycopg://me:hunter22@host/db",
        "postgresql://host/db?user=me&password=hunter22",
        "hunter22 is no url",
        "postgresql://me:hunter22@host:port/db",
        "postgresql://me@host/db?sslpassword=hunter22",
        "postgresql://me:hunter22@a:1,b:2/db",
        "",
    ],
)
def test_mask_hides_the_password(url: str) -> None:
    assert "hunter22" not in urls.mask(url)


def test_mask_keeps_what_helps() -> None:
    assert urls.mask(URL) == "postgresql://me:***@db.example:5433/glow?sslmode=require"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter22@host/db",
        "hunter22",
        "",
        "postgresql://me:hunter22@host:port/db",
        "sqlite:///hunter22",
        "postgresqlx://me:hunter22@host/db",
    ],
)
def test_another_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"DATABASE_URL.*postgresql://") as caught:
        urls.for_dagster(url)
    assert "hunter22" not in str(caught.value)
    # A traceback must not print the library's message either: it may quote the URL.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
