"""The roles of a server that holds our database.

Belongs here: creating them, and what a role needs before a migration can run. Does not: who may call which function
(sql/api/zz_privileges.sql), or whom a login is bound to (glow_api.bind_login).
"""

from typing import LiteralString

import psycopg
from psycopg import sql

from glow_pipelines.database.errors import DatabaseUnavailable

OWNER = "glow_owner"
ROLES = ("glow_app", "glow_browser", "glow_reviewer", "glow_viewer", "glow_engineer", "glow_pipeline", OWNER)
_TRIES = 5


def ensure_roles(connection: psycopg.Connection) -> None:
    """Create missing roles and let the owner create schemas here; the connection must be in autocommit.

    Roles belong to the server, not to a database: another database of ours may have made them already. None of them can
    log in. Raises DatabaseUnavailable with the statements to run when the user of DATABASE_URL may not create roles.
    """
    for tried in range(1, _TRIES + 1):
        try:
            _ensure(connection)
        except psycopg.errors.InternalError_:  # "tuple concurrently updated": two databases of one server at once
            if tried == _TRIES:
                raise
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnavailable(
                f"the user {connection.info.user!r} may not create roles: {error}\n"
                f"Let an administrator run once, in this database:\n{_statements(connection)}"
            ) from error
        else:
            return


def _ensure(connection: psycopg.Connection) -> None:
    known = {name for (name,) in connection.execute("select rolname from pg_roles").fetchall()}
    for role in ROLES:
        if role not in known:
            try:
                connection.execute(_create(role))
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                continue
    if not _holds(connection, "pg_has_role(current_user, 'glow_owner', 'member')"):
        connection.execute("grant glow_owner to current_user")
    if not _holds(connection, "has_database_privilege('glow_owner', current_database(), 'create')"):
        connection.execute(_grant_create(connection))


def _create(role: str) -> sql.Composed:
    return sql.SQL("create role {} nologin").format(sql.Identifier(role))


def _grant_create(connection: psycopg.Connection) -> sql.Composed:
    return sql.SQL("grant create on database {} to glow_owner").format(sql.Identifier(connection.info.dbname))


def _statements(connection: psycopg.Connection) -> str:
    user = sql.Identifier(connection.info.user)
    lines = [_create(role) for role in ROLES]
    lines += [_grant_create(connection), sql.SQL("grant glow_owner to {}").format(user)]
    return "\n".join(f"  {line.as_string(connection)};" for line in lines)


def _holds(connection: psycopg.Connection, condition: LiteralString) -> bool:
    return connection.execute(sql.SQL("select {}").format(sql.SQL(condition))).fetchone() == (True,)
