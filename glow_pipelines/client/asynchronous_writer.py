"""AsyncGlowWriter: GlowWriter for asyncio.

Belongs here: keeping the event loop free where GlowWriter would wait. Does not: anything else; the thread is the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self

from glow_pipelines.client import writing
from glow_pipelines.client.call import Call
from glow_pipelines.client.methods import look_like
from glow_pipelines.client.writer import GlowWriter, WriterStatus

_P = ParamSpec("_P")


def _queues(build: Callable[_P, Call[Any]]) -> Callable[Concatenate["AsyncGlowWriter", _P], Awaitable[None]]:
    """The method that gives the writer what `build` builds."""

    def method(self: "AsyncGlowWriter", /, *args: _P.args, **kwargs: _P.kwargs) -> Awaitable[None]:
        return self.put(build(*args, **kwargs))

    look_like(method, build)
    return method


class AsyncGlowWriter(AbstractAsyncContextManager["AsyncGlowWriter"]):
    """A GlowWriter whose waits, for room, disk and end, are in a thread. Closes the writer it is given."""

    def __init__(self, writer: GlowWriter) -> None:
        self._writer = writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def put(self, call: Call[Any]) -> None:
        """As of GlowWriter."""
        await asyncio.to_thread(self._writer.put, call)

    async def flush(self, timeout: float | None = None) -> bool:
        """As of GlowWriter."""
        return await asyncio.to_thread(self._writer.flush, timeout)

    async def close(self, timeout: float = 10.0) -> None:
        """As of GlowWriter."""
        await asyncio.to_thread(self._writer.close, timeout)

    async def status(self) -> WriterStatus:
        """As of GlowWriter."""
        return await asyncio.to_thread(self._writer.status)

    log_execution = _queues(writing.log_execution)
    log_retrieval = _queues(writing.log_retrieval)
    submit_feedback = _queues(writing.submit_feedback)
    withdraw_feedback = _queues(writing.withdraw_feedback)
    submit_annotation = _queues(writing.submit_annotation)
    submit_demonstration = _queues(writing.submit_demonstration)
