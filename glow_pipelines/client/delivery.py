"""One attempt to hand rows to the database, and what came of each.

Belongs here: grouping by function, telling a row at fault from a database in trouble. Does not: where rows wait, when
to try again (`sender`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from glow_pipelines.client.batches import RECEIPTS, batch
from glow_pipelines.client.call import Call
from glow_pipelines.client.errors import GlowError, RateLimited, Unavailable, blames_the_row
from glow_pipelines.client.results import Refusal
from glow_pipelines.client.rows import Row

Run = Callable[[Call[tuple[Any, ...]]], tuple[Any, ...]]


@dataclass
class Delivery:
    """`done`: rows the database has answered, refused ones too. `error`: why the others are not among them."""

    done: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    error: GlowError | None = None


def deliver(run: Run, rows: Sequence[Row], now: Callable[[], datetime]) -> Delivery:
    """Send rows, function by function: in their order within each, executions before what speaks of them.

    A batch that is refused as a whole is halved until the row at fault stands alone: one bad row must not hold up the
    others, and a batch too large for the login's limit still gets through in pieces.
    """
    delivery = Delivery()
    for function in RECEIPTS:
        waiting = [group] if (group := [row for row in rows if row.function == function]) else []
        while waiting:
            part = waiting.pop()
            try:
                answers = run(batch(function, [row.arguments(now()) for row in part]))
            except GlowError as error:
                if not blames_the_row(error):
                    delivery.error = error
                    break
                if len(part) > 1:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                answers = (_refusal(error, part[0], now()),)
            delivery.done += part
            delivery.refusals += [answer for answer in answers if isinstance(answer, Refusal)]
        if isinstance(delivery.error, Unavailable | RateLimited):
            break  # the other functions would meet the same
    return delivery


def _refusal(error: GlowError, row: Row, now: datetime) -> Refusal:
    field_name, colon, _ = error.message.partition(": ")
    return Refusal(
        error.sqlstate or "",
        error.message,
        field_name if colon else None,
        error.remedy,
        row.function,
        row.arguments(now),
    )
