"""How both clients connect: the URL with what keeps a dead network from holding a call for hours, and why it failed.

Belongs here: what the pools of both clients are made with. Does not: the pools. Nothing here outlives a transaction in
the database's session: no SET, no temporary table, no LISTEN, so that a transaction pooler in between is no matter.
"""

from collections.abc import Mapping
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from glow_pipelines.database import urls

# Without these a connection whose peer vanished is noticed after two hours (the kernel's keepalive) or never.
_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "fallback_application_name": "glow-client",
}


def conninfo(url: str) -> str:
    """The URL for libpq, with defaults for what it does not say. Raises ValueError for what is no PostgreSQL URL."""
    plain = urls.for_libpq(url)
    said = conninfo_to_dict(plain)
    return make_conninfo(plain, **{name: value for name, value in _DEFAULTS.items() if name not in said})


def options(url: str, size: int, timeout: float, prepare_threshold: int | None, failures: dict[str, Exception]) -> Any:
    """Arguments of a pool. Connections are made when needed, so that a client can be made while the database is away.

    A pool's own attempts wait up to twice as long each time: after an outage it would sleep through the recovery, had
    its attempts not the same end as a caller's patience.
    """
    return {
        "conninfo": conninfo(url),
        "kwargs": {
            "row_factory": dict_row,
            "autocommit": True,
            "prepare_threshold": prepare_threshold,
            "failures": failures,
        },
        "min_size": 0,
        "max_size": size,
        "timeout": timeout,
        "reconnect_timeout": timeout,
        "name": "glow-client",
    }


class Connection(psycopg.Connection[dict[str, Any]]):
    """Notes why connecting failed: the pool keeps that to itself and tells its callers only that time is up."""

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        failures: dict[str, Exception] = kwargs.pop("failures")
        try:
            connection = super().connect(conninfo, **kwargs)
        except psycopg.Error as error:
            failures["last"] = error
            raise
        failures.clear()
        return connection


class AsyncConnection(psycopg.AsyncConnection[dict[str, Any]]):
    """The same, for asyncio."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        failures: dict[str, Exception] = kwargs.pop("failures")
        try:
            connection = await super().connect(conninfo, **kwargs)
        except psycopg.Error as error:
            failures["last"] = error
            raise
        failures.clear()
        return connection
