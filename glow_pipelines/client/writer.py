"""GlowWriter: calls that return at once; a thread sends their rows in batches.

Belongs here: the thread, when it wakes, how it ends. Does not: what it does with the rows (`sender`), where they wait
(`queue`, `spool`).
"""

import atexit
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self
from uuid import uuid4

from glow_pipelines.client import writing
from glow_pipelines.client.call import Call
from glow_pipelines.client.errors import GlowError, NotSent
from glow_pipelines.client.methods import look_like
from glow_pipelines.client.queue import Queue
from glow_pipelines.client.results import Refusal
from glow_pipelines.client.retries import Retries
from glow_pipelines.client.rows import row
from glow_pipelines.client.sender import Sender, log_refusal
from glow_pipelines.client.spool import Spool
from glow_pipelines.client.sync import GlowClient

_P = ParamSpec("_P")
_CONNECT_SECONDS = 2.0
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """`queued`: in memory; `spooled`: on disk, of all processes that share the file; `oldest_seconds`: of both."""

    queued: int
    queued_bytes: int
    spooled: int
    spooled_bytes: int
    oldest_seconds: float | None
    sent: int
    refused: int
    away: bool
    last_error: GlowError | None


def _queues(build: Callable[_P, Call[Any]]) -> Callable[Concatenate["GlowWriter", _P], None]:
    """The method that gives the writer what `build` builds."""

    def method(self: "GlowWriter", /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        self.put(build(*args, **kwargs))

    look_like(method, build)
    return method


class GlowWriter(AbstractContextManager["GlowWriter"]):
    """Takes rows and sends them in batches of `batch_rows`, or what came in `linger` seconds. Close it or use `with`.

    Where a row is between the call and the database:
    - `durable=True`, with a spool: on disk before the call returns. kill -9 and power cut lose nothing.
    - a spool: in memory, and on disk once the database is away. kill -9 loses what is in memory: some `linger` seconds.
    - neither: in memory only. When `queue_rows` or `queue_bytes` are reached, callers wait `block_seconds` (None: for
      ever, 0: not at all) and then get QueueFull; `close` raises NotSent for rows it could not get rid of.

    Each row has its idempotency key and its instant from the call on: sent twice it counts once, sent late it overrules
    nothing newer. Refused rows go to `on_refused`, in the writer's thread. Make the writer after a fork, not before.
    The spool is closed with the writer; the client is not.
    """

    def __init__(
        self,
        client: GlowClient,
        *,
        spool: Spool | None = None,
        durable: bool = False,
        batch_rows: int = 500,
        linger: float = 0.2,
        queue_rows: int = 10_000,
        queue_bytes: int = 64 << 20,
        block_seconds: float | None = 5.0,
        on_refused: Callable[[Refusal], None] = log_refusal,
        pauses: Retries | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        new_key: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        if durable and spool is None:
            raise ValueError("durable=True without a spool; accepted: durable=True, spool=Spool(path)")
        self._durable = spool if durable else None
        self._spool, self._batch_rows, self._linger, self._block_seconds = spool, batch_rows, linger, block_seconds
        self._clock, self._new_key, self._pid = clock, new_key, os.getpid()
        self._patience = min(client.timeout, _CONNECT_SECONDS)
        self._queue = Queue(queue_rows, queue_bytes)
        self._sender = Sender(
            lambda call: client.run(call, self._patience),
            self._queue,
            spool,
            batch_rows,
            on_refused,
            pauses or Retries(first=0.2, longest=5.0),
            clock,
            monotonic,
        )
        self._news, self._hurry, self._moved = Event(), Event(), Condition()
        self._ends_at: float | None = None
        self._thread = Thread(target=self._work, name="glow-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put(self, call: Call[Any]) -> None:
        """Take a call for sending; the methods are this with one of the definitions.

        Raises QueueFull, SpoolFull, and InvalidValue for what no JSON can hold; all else is refused later.
        """
        self._put(call, self._block_seconds)

    def offer(self, call: Call[Any]) -> None:
        """The same, without waiting for room."""
        self._put(call, 0.0)

    def _put(self, call: Call[Any], seconds: float | None) -> None:
        if os.getpid() != self._pid:
            raise GlowError("this writer belongs to the process before the fork", "a writer for each process")
        if self._ends_at is not None:
            raise GlowError("this writer is closed", "a writer that is open")
        given = row(call, self._clock(), self._new_key)
        if self._durable is not None:
            self._durable.append([given])
        else:
            self._queue.put(given, seconds)
        if len(self._queue) >= self._batch_rows:
            self._hurry.set()
        self._news.set()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was given before has been answered. False: not within `timeout` seconds."""
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        queued = self._queue.last
        if not self._wait(lambda: (first := self._queue.first()) is None or first.place > queued, ends):
            return False
        if (spool := self._spool) is None:
            return True
        spooled = spool.last()
        return self._wait(lambda: spool.passed(spooled), ends)

    def status(self) -> WriterStatus:
        """Where the rows are."""
        first, spooled = self._queue.first(), self._spool.counts() if self._spool else None
        given = [first.given_at if first else None, spooled.oldest if spooled else None]
        oldest = min((each for each in given if each is not None), default=None)
        return WriterStatus(
            queued=len(self._queue),
            queued_bytes=self._queue.bytes,
            spooled=spooled.rows if spooled else 0,
            spooled_bytes=spooled.bytes if spooled else 0,
            oldest_seconds=None if oldest is None else max(0.0, self._clock().timestamp() - oldest),
            sent=self._sender.sent,
            refused=self._sender.refused,
            away=self._sender.away,
            last_error=self._sender.last_error,
        )

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, for up to `timeout` seconds; what is left goes to the spool. Raises NotSent without one."""
        if self._ends_at is not None:
            return
        atexit.unregister(self.close)
        self._queue.close()
        self._ends_at = time.monotonic() + timeout
        self._news.set()
        self._hurry.set()
        self._thread.join(timeout + 2 * self._patience)
        while self._sender.shelter():
            pass
        if self._spool is not None:
            self._spool.close()
        if left := len(self._queue):
            reason = self._sender.last_error
            raise NotSent(f"{left} rows were not sent", f"a database that answers, or a spool; last error: {reason}")

    def _work(self) -> None:
        while self._ends_at is None or (time.monotonic() < self._ends_at and not self._is_safe()):
            self._news.wait(min(_POLL_SECONDS, self._sender.pause() or _POLL_SECONDS))
            self._hurry.wait(self._linger)
            self._news.clear()
            if self._ends_at is None:
                self._hurry.clear()
            while self._sender.step() and (self._ends_at is None or time.monotonic() < self._ends_at):
                with self._moved:
                    self._moved.notify_all()
            with self._moved:
                self._moved.notify_all()

    def _is_safe(self) -> bool:
        """Whether nothing would be lost now: all sent, or on disk with nobody to send it to."""
        if len(self._queue):
            return False
        return self._spool is None or self._sender.away or not self._spool.counts().rows

    def _wait(self, is_so: Callable[[], bool], ends: float) -> bool:
        with self._moved:
            while not is_so():
                if time.monotonic() >= ends or not self._thread.is_alive():
                    return False
                self._hurry.set()
                self._news.set()
                self._moved.wait(0.05)
        return True

    log_execution = _queues(writing.log_execution)
    log_retrieval = _queues(writing.log_retrieval)
    submit_feedback = _queues(writing.submit_feedback)
    withdraw_feedback = _queues(writing.withdraw_feedback)
    submit_annotation = _queues(writing.submit_annotation)
    submit_demonstration = _queues(writing.submit_demonstration)
