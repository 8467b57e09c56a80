"""What a writer does next with the rows that wait: send, keep on disk, or leave alone for a while.

Belongs here: order between disk and memory, pauses, counts. Does not: threads (`writer`), the attempt itself
(`delivery`). One thread calls `step`; the counts may be read by any.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from glow_pipelines.client.delivery import Delivery, Run, deliver
from glow_pipelines.client.errors import GlowError, RateLimited
from glow_pipelines.client.queue import Queue
from glow_pipelines.client.results import Refusal
from glow_pipelines.client.retries import Retries
from glow_pipelines.client.spool import Spool

_BATCH_BYTES = 8 << 20
_CANCELED = "57014"  # by statement_timeout
log = logging.getLogger("glow_pipelines.client")


class Sender:
    """Rows of the spool go before rows in memory that were given after them."""

    def __init__(
        self,
        run: Run,
        queue: Queue,
        spool: Spool | None,
        batch_rows: int,
        on_refused: Callable[[Refusal], None],
        pauses: Retries,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._run, self._queue, self._spool, self._on_refused = run, queue, spool, on_refused
        self._pauses, self._clock, self._monotonic = pauses, clock, monotonic
        self._batch_rows = self._most = batch_rows
        self._sheltered, self._failures, self._resume_at = 0, 0, float("-inf")
        self.sent = self.refused = 0
        self.last_error: GlowError | None = None

    @property
    def away(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def pause(self) -> float:
        """Seconds until the next attempt is due; 0 when it is."""
        return max(0.0, self._resume_at - self._monotonic())

    def step(self) -> bool:
        """One batch from disk and one from memory, or to disk while the database is away. False: nothing moved."""
        moved = not self.pause() and self._attempt()
        return self.shelter() if self.away else moved

    def _attempt(self) -> bool:
        try:
            failures, from_disk = self._failures, self._from_disk()
            if self._failures > failures or (self._spool is not None and not self._spool.passed(self._sheltered)):
                return from_disk  # rows that went to disk earlier go first: those in memory are newer
            return self._send(self._queue) or from_disk
        except GlowError as error:  # of the spool: the database's are in the delivery
            self._fails(error)
        except Exception as error:  # whatever it is, the rows are still here and the thread must go on
            log.exception("glow: sending failed")
            self._fails(GlowError(f"{type(error).__name__} while sending"))
        return False

    def shelter(self) -> bool:
        """Move a batch from memory to disk. False: there is none, or no room."""
        rows = self._queue.peek(self._batch_rows, _BATCH_BYTES) if self._spool else []
        if not rows or self._spool is None:
            return False
        try:
            self._sheltered = self._spool.append(rows)
        except GlowError as error:
            self.last_error = error
            return False
        self._queue.drop(rows)
        return True

    def _from_disk(self) -> bool:
        if self._spool is None or not self._spool.counts().rows:
            return False
        with self._spool.draining() as mine:
            return mine and self._send(self._spool)

    def _send(self, source: Queue | Spool) -> bool:
        rows = source.peek(self._most, _BATCH_BYTES)
        if not rows:
            return False
        delivery = deliver(self._run, rows, self._clock)
        if delivery.done:
            source.drop(delivery.done)
        self._count(delivery)
        if delivery.error is None:
            self._succeeds()
            return True
        if isinstance(delivery.error, RateLimited) or delivery.error.sqlstate == _CANCELED:
            # A batch counts as its rows, and takes as long: one above the login's limits would never get through.
            self._most = max(1, len(rows) // 2)
        self._fails(delivery.error)
        return False

    def _count(self, delivery: Delivery) -> None:
        self.sent += len(delivery.done) - len(delivery.refusals)
        self.refused += len(delivery.refusals)
        for refusal in delivery.refusals:
            try:
                self._on_refused(refusal)
            except Exception:
                log.exception("on_refused failed")

    def _succeeds(self) -> None:
        if self.away:
            log.info("glow: the database answers again")
        self._failures, self.last_error = 0, None
        self._most = min(self._batch_rows, self._most * 2)

    def _fails(self, error: GlowError) -> None:
        if not self.away:
            log.warning("glow: rows wait, %s (%s)", type(error).__name__, error.sqlstate or "no SQLSTATE")
        self._failures += 1
        self.last_error = error
        self._resume_at = self._monotonic() + self._pauses.pause(self._failures)


def log_refusal(refusal: Refusal) -> None:
    """Warn of a refused row, without anything a user wrote."""
    field = (refusal.field or "").partition(".")[0]
    log.warning("glow: a row of %s was refused: %s %s", refusal.function, refusal.code, field)
