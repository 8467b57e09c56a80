"""Bringing a database to the state that `sql/` describes.

Belongs here: applying migrations forward, each in its own transaction, and re-creating the API schema when it changed.
Does not: the SQL itself (`sql/`), reading files (`sql_files`), or rollbacks: a mistake is mended by the next migration.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.pq import TransactionStatus

from glow_pipelines.database import sql_files
from glow_pipelines.database.connect import connect
from glow_pipelines.database.errors import DatabaseUnavailable, MigrationError
from glow_pipelines.database.roles import ensure_roles
from glow_pipelines.database.sql_files import SqlFile

OLDEST_SERVER = 150000
# Any constant serves, as long as every version of this code uses the same one: "glow" in ASCII.
_LOCK = 0x676C6F77

_BOOKKEEPING = """
create schema if not exists glow_migrations;
create table if not exists glow_migrations.applied (
    name text primary key, sha256 text not null, applied_at timestamptz not null default clock_timestamp());
create table if not exists glow_migrations.api (
    only_row boolean primary key default true check (only_row),
    sha256 text not null, applied_at timestamptz not null default clock_timestamp());
grant usage on schema glow_migrations to glow_pipeline;
grant select on glow_migrations.applied to glow_pipeline;
"""
_REMEMBER_API = """
insert into glow_migrations.api (sha256) values (%s)
on conflict (only_row) do update set sha256 = excluded.sha256, applied_at = clock_timestamp()
"""


@dataclass(frozen=True)
class MigrationReport:
    """What one call did: names of the migrations applied, in order, and whether schema `glow_api` was re-created."""

    applied: tuple[str, ...]
    api_refreshed: bool


def migrate(url: str, sql_folder: Path | None = None) -> MigrationReport:
    """Apply what is missing. Safe to repeat and to call from several processes at once: they queue on a lock.

    Schema `glow_api` is dropped and re-created when its files changed, when a migration was applied (it may have taken
    views with it), or when the schema is gone; a migration that an API view stands in the way of may drop the schema.

    Raises MigrationError when files and database do not fit or a file fails (that file is then rolled back wholly, the
    ones before it stay), DatabaseUnavailable when the server cannot be used.
    """
    folder = sql_folder or sql_files.sql_folder()
    migrations, api = sql_files.read_migrations(folder), sql_files.read_api(folder)
    with connect(url, autocommit=True) as connection:
        _check_server(connection)
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))  # freed by the server if we are killed
        ensure_roles(connection)
        # In a schema of its own name for every role: without it the owner's name would decide where the type lives. By
        # the user who connects: on some servers only an administrator may.
        connection.execute("create extension if not exists vector schema public")
        connection.execute(_BOOKKEEPING)
        pending = pending_migrations(migrations, _read_applied(connection))
        for file in pending:
            _apply(connection, file)
        refreshed = _refresh_api(connection, api, sql_files.joint_hash([*migrations, *api]))
        if connection.execute("select to_regproc('glow.ensure_partitions')").fetchone() != (None,):
            connection.execute("select glow.ensure_partitions()")
    return MigrationReport(tuple(file.name for file in pending), refreshed)


def is_current(url: str, sql_folder: Path | None = None) -> bool:
    """Whether every migration is applied. Changes nothing; raises MigrationError as `migrate` does."""
    migrations = sql_files.read_migrations(sql_folder or sql_files.sql_folder())
    with connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('glow_migrations.applied')").fetchone() == (None,):
            return False
        return not pending_migrations(migrations, _read_applied(connection))


def check_server(version: int, extensions: Collection[str]) -> None:
    """Raise DatabaseUnavailable unless the server is new enough (its `server_version_num`) and offers pgvector."""
    if version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"the PostgreSQL server is version {version // 10000}; 15 or newer is needed. Upgrade it, or unset "
            "DATABASE_URL to use the embedded one (pip install 'glow-pipelines[local]')."
        )
    if "vector" not in extensions:
        raise DatabaseUnavailable(
            "the PostgreSQL server does not offer the extension 'vector' (pgvector). Install it on the server "
            f"(package postgresql-{version // 10000}-pgvector), or unset DATABASE_URL to use the embedded one "
            "(pip install 'glow-pipelines[local]')."
        )


def pending_migrations(files: Sequence[SqlFile], applied: Mapping[str, str]) -> tuple[SqlFile, ...]:
    """The files still to apply, given the files in order and name → SHA-256 of those applied.

    Raises MigrationError when an applied file changed or vanished, when the database is ahead of the files, or when a
    file would come before one already applied.
    """
    newest_file = max((file.number for file in files), default=0)
    newest_applied = max((int(name[:4]) for name in applied), default=0)
    if newest_applied > newest_file:
        raise MigrationError(
            f"the database is newer than this code: it has migration {max(applied)}, this code ends at "
            f"{newest_file:04d}. Upgrade glow-pipelines."
        )
    vanished = sorted(applied.keys() - {file.name for file in files})
    if vanished:
        raise MigrationError(f"applied migration {vanished[0]} is missing from sql/migrations: restore the file")
    pending = tuple(file for file in files if file.name not in applied)
    for file in files:
        if file.name in applied and applied[file.name] != file.sha256:
            raise MigrationError(
                f"migration {file.name} was changed after it had been applied: restore it, and put the change into a "
                "new migration"
            )
    if pending and pending[0].number < newest_applied:
        raise MigrationError(
            f"migration {pending[0].name} would come before {newest_applied:04d}, already applied: renumber it"
        )
    return pending


def _check_server(connection: psycopg.Connection) -> None:
    names = connection.execute("select name from pg_available_extensions").fetchall()
    check_server(connection.info.server_version, {name for (name,) in names})


def _read_applied(connection: psycopg.Connection) -> dict[str, str]:
    return dict(connection.execute("select name, sha256 from glow_migrations.applied").fetchall())


def _apply(connection: psycopg.Connection, file: SqlFile) -> None:
    with connection.transaction():
        _execute(connection, file)
        connection.execute("reset role")
        connection.execute(
            "insert into glow_migrations.applied (name, sha256) values (%s, %s)", (file.name, file.sha256)
        )


def _refresh_api(connection: psycopg.Connection, files: Sequence[SqlFile], joint: str) -> bool:
    row = connection.execute(
        "select sha256 from glow_migrations.api where to_regnamespace('glow_api') is not null"
    ).fetchone()
    if row == (joint,):
        return False
    with connection.transaction():
        connection.execute("set local role glow_owner; drop schema if exists glow_api cascade; create schema glow_api")
        for file in files:
            _execute(connection, file)
        connection.execute("reset role")
        connection.execute(_REMEMBER_API, (joint,))
    return True


def _execute(connection: psycopg.Connection, file: SqlFile) -> None:
    # Everything belongs to one role nobody logs in as. A `set search_path` of one file must not decide where the next
    # one creates.
    connection.execute("reset all; set local role glow_owner")
    try:
        connection.execute(file.text.encode())
    except psycopg.Error as error:
        raise MigrationError(f"{file.name} failed and was rolled back: {error}") from error
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        raise MigrationError(f"{file.name} ends its own transaction: remove its begin, commit and rollback")
