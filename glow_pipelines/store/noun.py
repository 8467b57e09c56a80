"""What the modules of the store share: running a named query in the transaction at hand.

Belongs here: fetching and JSON binding. Does not: anything about a particular noun.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from glow_pipelines.store.queries import load

Row = dict[str, Any]


class Noun:
    """Verbs over one noun's tables, inside the transaction of the given connection."""

    queries: ClassVar[str]

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def _rows(self, name: str, **parameters: object) -> list[Row]:
        return self._connection.execute(load(self.queries)[name], parameters).fetchall()

    def _row(self, name: str, **parameters: object) -> Row | None:
        return self._connection.execute(load(self.queries)[name], parameters).fetchone()

    def _run(self, name: str, **parameters: object) -> int:
        """Run a statement; returns the number of rows it touched."""
        return self._connection.execute(load(self.queries)[name], parameters).rowcount

    def _run_many(self, name: str, rows: Iterable[Mapping[str, object]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(load(self.queries)[name], list(rows))

    def _stream(self, name: str, most: int, **parameters: object) -> Iterator[list[tuple[Any, ...]]]:
        """Rows by up to `most`, as tuples: for results that do not belong into memory. Other statements may run
        between."""
        with self._connection.cursor(name=name, row_factory=tuple_row) as cursor:
            cursor.execute(load(self.queries)[name], parameters)
            while rows := cursor.fetchmany(most):
                yield rows


def json(value: object) -> Jsonb:
    """A JSON document as a query parameter."""
    return Jsonb(value)
