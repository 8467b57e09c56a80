"""A row on its way: what a writer keeps from the moment it is given until the database has answered.

Belongs here: making it from a call, and its arguments when it is sent. Does not: where it waits (`queue`, `spool`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.client.batches import INSTANTS, RECEIPTS, row_of
from glow_pipelines.client.call import Call
from glow_pipelines.client.wire import decode, encode


@dataclass(frozen=True, slots=True)
class Row:
    """`payload`: a copy of the arguments, as JSON. `given_at`: seconds since 1970. `place`: in its queue."""

    function: str
    payload: str
    given_at: float
    place: int = 0

    @property
    def size(self) -> int:
        """Bytes of its payload."""
        return len(self.payload.encode())

    def arguments(self, now: datetime) -> dict[str, Any]:
        """For the batch it is sent in now. The difference of the two instants is what the database goes by."""
        arguments = decode(self.payload)
        return {**arguments, "sent_at": now} if self.function in INSTANTS else arguments


def row(call: Call[Any], now: datetime, new_key: Callable[[], str]) -> Row:
    """The row of a call given now. It has its key and its instant from here on, however often it is sent.

    Raises InvalidValue for what no JSON can hold, TypeError for a call that has no batch form.
    """
    function, arguments = row_of(call.with_key(new_key))
    if function not in RECEIPTS:
        raise TypeError(f"{function} has no batch form; those that have: {', '.join(RECEIPTS)}")
    if function in INSTANTS:
        arguments.setdefault(INSTANTS[function], now)
    return Row(function, encode(arguments), now.timestamp())


def within(rows: Iterable[Row], most_bytes: int) -> list[Row]:
    """The first of the rows that together have at most so many bytes; the first one always."""
    taken: list[Row] = []
    for each in rows:
        most_bytes -= each.size
        if most_bytes < 0 and taken:
            break
        taken.append(each)
    return taken
