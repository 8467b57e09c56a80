"""One call of a function of glow_api, as a value: what is asked, and how its answer is read.

Belongs here: the value, its SQL text, and what is added when it is sent (key, sending time). Does not: which calls
there are (`writing`, `reading`), sending them (`sync`, `asynchronous`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from psycopg import sql

from glow_pipelines.client.results import Request, read
from glow_pipelines.client.wire import argument, plain

T = TypeVar("T")
_T = TypeVar("_T")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """`instant`: the argument that says when it happened; with it goes `sent_at`, which cures a clock that is wrong.

    `keyed`: takes an idempotency_key. `repeatable`: made twice, it changes nothing more than made once.
    """

    function: str
    arguments: Mapping[str, object]
    reads: Callable[[str, Rows], T]
    instant: str | None = None
    keyed: bool = False
    repeatable: bool = True

    def with_key(self, new_key: Callable[[], str]) -> "Call[T]":
        """The call with a key, or with one in every row, so that a retry after a lost answer cannot count twice."""
        if not self.keyed:
            return self
        if "rows" in self.arguments:
            rows = cast(Rows, self.arguments["rows"])
            return replace(self, arguments={"rows": [_keyed(row, new_key) for row in rows]})
        return replace(self, arguments=_keyed(self.arguments, new_key))

    def at(self, now: datetime) -> Mapping[str, object]:
        """The arguments, when sent now."""
        if self.instant is None or self.instant not in self.arguments:
            return self.arguments
        return {**self.arguments, "sent_at": now}

    def answer(self, rows: Rows) -> T:
        """What the rows of the answer say."""
        return self.reads(self.function, rows)


def _keyed(arguments: Mapping[str, object], new_key: Callable[[], str]) -> Mapping[str, object]:
    return arguments if "idempotency_key" in arguments else {**arguments, "idempotency_key": new_key()}


def given(arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments that are given, so that the defaults of the others are the database's."""
    return {name: plain(value) for name, value in arguments.items() if value is not None}


def one(kind: type[_T]) -> Callable[[str, Rows], _T]:
    """Reads an answer that is one JSON object."""
    return lambda function, rows: read(kind, rows[0][function])


def table(kind: type[_T]) -> Callable[[str, Rows], tuple[_T, ...]]:
    """Reads an answer that is a table."""
    return lambda _, rows: tuple(read(kind, row) for row in rows)


def read_request(function: str, rows: Rows) -> Request:
    """Asked, a request answers its `status`; looked up, it is a row whose column is `state`."""
    answer = rows[0][function]
    return read(Request, {"status": answer.get("state"), **answer})


def statement(arguments: Mapping[str, object], function: str) -> tuple[bytes, dict[str, object]]:
    """The SQL text and its parameters."""
    return _text(function, tuple(arguments)), {name: argument(name, value) for name, value in arguments.items()}


@lru_cache(maxsize=1024)
def _text(function: str, names: tuple[str, ...]) -> bytes:
    """Composed once: anew it took 43 us of a call's 52 us outside psycopg. The names are ours, never a user's."""
    query = sql.SQL("select * from glow_api.{}({})").format(
        sql.Identifier(function),
        sql.SQL(", ").join(sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names),
    )
    return query.as_bytes(None)
