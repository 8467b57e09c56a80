"""A process that dies at the n-th thing it asks of the database: before a statement, or before a commit.

Belongs here: counting and dying. What was not committed is rolled back by the server, as after a real death.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest


class Died(BaseException):
    """Nothing may catch it: a process that is dead handles no exception."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, at: int, die: Callable[[], None] | None = None) -> Iterator[list[str]]:
    """Within, the `at`-th statement or commit of any connection is not made. Yields what was."""
    made: list[str] = []
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit

    def step(what: str) -> None:
        if len(made) == at:
            if die is not None:
                die()
            raise Died(what)
        made.append(what)

    def executed(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        step(str(query)[:60])
        return execute(self, query, *arguments, **options)

    def committed(self: Any) -> None:
        step("commit")
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", executed)
        patch.setattr(psycopg.Connection, "commit", committed)
        yield made
