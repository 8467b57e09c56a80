"""Migrations go forward, whole, once; whatever else is asked of them is refused with a remedy."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg import sql

from glow_pipelines.database import (
    DatabaseUnavailable,
    EmbeddedServer,
    MigrationError,
    MigrationReport,
    connect,
    ensure_database,
    migrate,
    sql_folder,
)
from glow_pipelines.database.migrate import check_server
from glow_pipelines.database.roles import ensure_roles
from glow_pipelines.database.urls import with_database

FIRST = "create table votes (id int);"
SECOND = "alter table votes add column user_name text;"


@pytest.fixture
def empty_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A fresh database without tables."""
    name = f"glow_empty_{uuid4().hex}"
    url = postgres.url(name)
    assert ensure_database(url)
    with connect(url, autocommit=True) as connection:
        ensure_roles(connection)
        connection.execute("grant create on schema public to glow_owner")  # where the migrations of these tests create
    yield url
    with connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def write(folder: Path, **files: str) -> Path:
    """Write migrations `m0001_name`, and API files under any other name."""
    for name, text in files.items():
        numbered = name.startswith("m0")
        path = folder / ("migrations" if numbered else "api") / f"{name[1:] if numbered else name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_second_call_does_nothing(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST, m0002_user=SECOND, votes="create view glow_api.v as table votes;")
    assert migrate(empty_url, folder) == MigrationReport(("0001_votes.sql", "0002_user.sql"), True)
    assert migrate(empty_url, folder) == MigrationReport((), False)
    assert ask(empty_url, "select * from glow_api.v") == []


def test_concurrent_calls_apply_each_file_once(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=f"select pg_sleep(0.2); {FIRST}", m0002_user=SECOND, api="")
    with ThreadPoolExecutor(5) as threads:
        reports = list(threads.map(lambda _: migrate(empty_url, folder), range(5)))
    assert sorted(report.applied for report in reports) == [()] * 4 + [("0001_votes.sql", "0002_user.sql")]
    assert sum(report.api_refreshed for report in reports) == 1


def test_a_failing_file_is_undone_whole_and_the_ones_before_it_stay(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST, m0002_bad="create table half (id int);\nselect 1/0;\n")
    with pytest.raises(MigrationError, match=r"0002_bad\.sql failed and was rolled back: division by zero"):
        migrate(empty_url, folder)
    assert ask(empty_url, "select to_regclass('votes') is null, to_regclass('half') is null") == [(False, True)]
    write(folder, m0002_bad="create table whole (id int);")
    assert migrate(empty_url, folder).applied == ("0002_bad.sql",)


def test_a_syntax_error_names_its_line(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"0001_x\.sql.*\nLINE 3: selekt"):
        migrate(empty_url, write(tmp_path, m0001_x="select 1;\n\nselekt 2;\n"))


def test_a_file_that_ends_its_own_transaction_is_refused(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"0001_x\.sql ends its own transaction"):
        migrate(empty_url, write(tmp_path, m0001_x=f"{FIRST} commit;"))


def test_settings_of_one_file_do_not_reach_the_next(empty_url: str, tmp_path: Path) -> None:
    first = "create schema elsewhere; set search_path to elsewhere;"
    migrate(empty_url, write(tmp_path, m0001_path=first, m0002_votes=FIRST))
    assert ask(empty_url, "select to_regclass('public.votes')::text") == [("votes",)]


def test_a_percent_sign_and_a_brace_are_only_text(empty_url: str, tmp_path: Path) -> None:
    migrate(empty_url, write(tmp_path, m0001_x="create table odd as select '100 %s {x}' as t where 'ab' like 'a%';"))
    assert ask(empty_url, "select t from odd") == [("100 %s {x}",)]


def test_a_changed_file_is_refused_but_other_line_ends_are_no_change(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST + "\n")
    migrate(empty_url, folder)
    (folder / "migrations" / "0001_votes.sql").write_bytes(FIRST.encode() + b"\r\n")
    migrate(empty_url, folder)
    with pytest.raises(MigrationError, match=r"0001_votes\.sql was changed after it had been applied: restore it"):
        migrate(empty_url, write(folder, m0001_votes=FIRST + " -- better\n", m0002_user=SECOND))
    assert ask(empty_url, "select name from glow_migrations.applied") == [("0001_votes.sql",)]


def test_vanished_newer_late_and_double_files_are_refused(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0002_votes=FIRST, m0004_user=SECOND)
    migrate(empty_url, folder)
    files = folder / "migrations"
    with pytest.raises(MigrationError, match=r"0003_late\.sql would come before 0004"):
        migrate(empty_url, write(folder, m0003_late="select 1;"))
    with pytest.raises(MigrationError, match=r"0003_late\.sql and 0003_same\.sql share a number"):
        migrate(empty_url, write(folder, m0003_same="select 1;"))
    for name in ("0003_late.sql", "0003_same.sql"):
        (files / name).unlink()
    (files / "0004_user.sql").unlink()
    with pytest.raises(MigrationError, match=r"newer than this code: it has migration 0004_user\.sql"):
        migrate(empty_url, folder)
    write(folder, m0004_user=SECOND)
    (files / "0002_votes.sql").unlink()
    with pytest.raises(MigrationError, match=r"0002_votes\.sql is missing from sql/migrations: restore"):
        migrate(empty_url, folder)


def test_a_file_with_another_name_is_refused(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST)
    (folder / "migrations" / "12-later.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match=r"'12-later\.sql' is not named NNNN_name\.sql"):
        migrate(empty_url, folder)


def test_the_api_is_made_anew_when_its_files_change_vanish_or_a_migration_came(empty_url: str, tmp_path: Path) -> None:
    folder = write(
        tmp_path, m0001_votes=FIRST, a="create view glow_api.a as table votes;", b="select * from glow_api.a;"
    )
    migrate(empty_url, folder)
    (folder / "api" / "b.sql").unlink()
    assert migrate(empty_url, folder).api_refreshed
    write(folder, a="create view glow_api.other as table votes;")
    assert migrate(empty_url, folder).api_refreshed
    assert ask(empty_url, "select relname from pg_class where relnamespace = 'glow_api'::regnamespace") == [("other",)]
    assert not migrate(empty_url, folder).api_refreshed
    assert migrate(empty_url, write(folder, m0002_drop="drop table votes cascade; create table votes (n int);")) == (
        MigrationReport(("0002_drop.sql",), True)
    )


def test_a_dropped_api_comes_back(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST, a="create view glow_api.a as table votes;")
    migrate(empty_url, folder)
    with connect(empty_url) as connection:
        connection.execute("drop schema glow_api cascade")
    assert migrate(empty_url, folder).api_refreshed


def test_a_failing_api_leaves_the_old_one(empty_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path, m0001_votes=FIRST, a="create view glow_api.a as table votes;")
    migrate(empty_url, folder)
    with pytest.raises(MigrationError, match=r"b\.sql failed"):
        migrate(empty_url, write(folder, b="select * from nowhere;"))
    assert ask(empty_url, "select * from glow_api.a") == []


def test_an_old_server_or_one_without_vectors_is_refused_with_a_remedy() -> None:
    check_server(150000, {"vector"})
    with pytest.raises(DatabaseUnavailable, match=r"version 14; 15 or newer.*DATABASE_URL"):
        check_server(140011, {"vector"})
    with pytest.raises(DatabaseUnavailable, match=r"postgresql-16-pgvector.*glow-pipelines\[local\]"):
        check_server(160002, {"pg_trgm"})


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"me:\*\*\*@127\.0\.0\.1:1/") as caught:
        migrate("postgresql://me:hunter22@127.0.0.1:1/glow", sql_folder())
    assert "hunter22" not in str(caught.value)


def test_a_missing_database_is_created_once(postgres: EmbeddedServer) -> None:
    name = f"Odd name; {uuid4().hex}"
    url = with_database(postgres.url("postgres"), name)
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        connect(url)
    assert ensure_database(url)
    assert not ensure_database(url)
    with connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


def test_a_url_without_a_database_is_refused() -> None:
    with pytest.raises(ValueError, match="names no database"):
        ensure_database("postgresql://me@127.0.0.1:1")


def test_the_real_files_make_a_database(database_url: str) -> None:
    assert migrate(database_url) == MigrationReport((), False)
