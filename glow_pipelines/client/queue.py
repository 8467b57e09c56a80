"""Rows in memory: bounded, so that callers wait when the database is slower than they are.

Belongs here: order, bounds, waiting for room. Does not: sending. A row stays until it is dropped: what is being sent
still counts.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from threading import Condition

from glow_pipelines.client.errors import GlowError, QueueFull
from glow_pipelines.client.rows import Row, within


class Queue:
    """Safe between threads."""

    def __init__(self, most_rows: int, most_bytes: int) -> None:
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._bytes, self._places, self._closed = 0, 0, False
        self._room = Condition()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes(self) -> int:
        """Bytes of all payloads."""
        return self._bytes

    @property
    def last(self) -> int:
        """The place of the row given last, waiting or gone."""
        return self._places

    def first(self) -> Row | None:
        """The row that waits longest."""
        with self._room:
            return next(iter(self._rows.values()), None)

    def put(self, row: Row, seconds: float | None) -> None:
        """Append, waiting up to `seconds` (None: for ever) for room. Raises QueueFull, GlowError when closed."""
        with self._room:
            if not self._room.wait_for(lambda: self._closed or self._fits(row), seconds):
                raise QueueFull(
                    f"{len(self._rows)} rows of {self._bytes} bytes wait to be sent",
                    "fewer calls, a larger queue, or a spool; status() tells what holds them up",
                )
            if self._closed:
                raise GlowError("this writer is closed", "a writer that is open")
            self._places += 1
            self._rows[self._places] = replace(row, place=self._places)
            self._bytes += row.size

    def peek(self, most: int, most_bytes: int) -> list[Row]:
        """The rows that wait longest; they stay."""
        with self._room:
            return within(islice(self._rows.values(), most), most_bytes)

    def drop(self, rows: Iterable[Row]) -> None:
        """Forget rows that `peek` gave."""
        with self._room:
            for row in rows:
                self._bytes -= row.size if self._rows.pop(row.place, None) else 0
            self._room.notify_all()

    def close(self) -> None:
        """Take no more rows."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def _fits(self, row: Row) -> bool:
        # A row larger than the whole bound goes alone, or it would never go.
        fits = len(self._rows) < self._most_rows and self._bytes + row.size <= self._most_bytes
        return fits or not self._rows
