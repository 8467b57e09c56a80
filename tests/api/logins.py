"""Logins of a test: real roles with a password of their own, gone after it.

Belongs here: making, binding and dropping them. Does not: what they may do.
"""

import secrets
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from glow_pipelines.database import connect
from tests.api.calling import call


class Logins:
    """Roles belong to the server, which all workers share: names are random, and whoever made one drops it."""

    def __init__(self, url: str) -> None:
        self.admin = connect(url, autocommit=True)
        self.admin.execute("set search_path = ''")  # or the schema named like the embedded server's user is in it
        self._url = url
        self._names: list[str] = []
        self._open: list[psycopg.Connection] = []

    def __enter__(self) -> "Logins":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open:
            connection.close()
        for name in self._names:
            self._drop(name)
        self.admin.close()

    def _drop(self, name: str) -> None:
        """A closed session owns its temporary tables for a moment longer; a role that owns anything stays."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
            except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InternalError_):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def make(self, *roles: str) -> tuple[str, str]:
        """A new login that is a member of roles: its name and its URL."""
        name, password = f"glow_test_{secrets.token_hex(8)}", secrets.token_hex(8)
        self.admin.execute(
            sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(password))
        )
        self._names.append(name)
        for role in roles:
            self.admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name)))
        place = urlsplit(self._url)
        return name, place._replace(netloc=f"{name}:{password}@{place.hostname}:{place.port}").geturl()

    def bind(self, login: str, **binding: Any) -> None:
        call(self.admin, "bind_login", login=login, **binding)

    def open(self, url: str) -> psycopg.Connection:
        connection = connect(url, autocommit=True)
        self._open.append(connection)
        return connection

    def connect(self, *roles: str, **binding: Any) -> psycopg.Connection:
        """A session of a new login with these roles, bound as said (`bind_login`) if anything is said."""
        name, url = self.make(*roles)
        if binding:
            self.bind(name, **binding)
        return self.open(url)
