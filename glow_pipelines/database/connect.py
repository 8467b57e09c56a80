"""Opening connections, and creating the databases they open.

Belongs here: the one way to open a psycopg connection with clear errors, and `create database` when it is missing.
Does not: pools (`client`, `store`), tables (`migrate`), or starting a server (`server`).
"""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from glow_pipelines.database import urls
from glow_pipelines.database.errors import DatabaseUnavailable

MAINTENANCE_DATABASE = "postgres"


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a connection to any form of PostgreSQL URL.

    Raises DatabaseUnavailable with the password hidden, ValueError when the URL is not a PostgreSQL one.
    """
    try:
        return psycopg.connect(
            urls.for_libpq(url), autocommit=autocommit, connect_timeout=10, fallback_application_name="glow"
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"cannot connect to {urls.mask(url)}: {str(error).strip()}\n"
            "Start the embedded server with 'glow up', or check DATABASE_URL."
        ) from error


def create_missing_databases(connection: psycopg.Connection, names: Iterable[str]) -> tuple[str, ...]:
    """Create those databases that do not exist; the connection must be in autocommit. Returns the names created."""
    created = []
    for name in names:
        if connection.execute("select from pg_database where datname = %s", (name,)).fetchone() is not None:
            continue
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            continue  # another process was faster; both errors were seen, depending on how close the race is
        created.append(name)
    return tuple(created)


def ensure_database(url: str) -> bool:
    """Create the database the URL names when it is missing. Returns whether it was created.

    Raises DatabaseUnavailable when the server cannot be reached, ValueError when the URL names no database.
    """
    name = urls.parse(url).database
    if not name:
        raise ValueError(f"DATABASE_URL names no database: {urls.mask(url)}; add one, e.g. …:5432/glow")
    try:
        connect(url).close()
    except DatabaseUnavailable:
        # Also the way in when nothing is wrong but the name: a role on a hosted server often may not open `postgres`,
        # so that is tried only after the target itself has refused.
        with connect(urls.with_database(url, MAINTENANCE_DATABASE), autocommit=True) as connection:
            return bool(create_missing_databases(connection, [name]))
    return False
