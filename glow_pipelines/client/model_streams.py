"""Streamed answers, passed on as they come; when the stream ends, however it ends, its execution is logged.

Belongs here: the two wrappers, which are else the stream they wrap. Does not: what is logged (`openai`).
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from glow_pipelines.client.model_answers import Collector, ModelAnswer

Ended = Callable[[ModelAnswer, bool], None]
"""Told the answer and whether it is complete. Never raises."""


class _Watch:
    """What both wrappers do beside passing on."""

    def __init__(self, stream: Any, collector: Collector, ended: Ended, execution_id: str) -> None:
        self._stream, self._collector, self._ended, self._open = stream, collector, ended, True
        self.glow_execution_id = execution_id

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # ours, asked for before it is set: not the stream's
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        # An app that breaks out of its loop need not close the stream, and a vote may follow all the same.
        with suppress(Exception):
            self._end(False)

    def _take(self, chunk: Any) -> Any:
        with suppress(Exception):  # a chunk of another shape: the app gets it, the log does not
            self._collector.add(chunk)
        return chunk

    def _end(self, complete: bool) -> None:
        if self._open:
            self._open = False
            self._ended(self._collector.answer(), complete)


class LoggedStream(_Watch):
    """An openai Stream."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._take(next(self._stream))
        except BaseException as error:
            self._end(isinstance(error, StopIteration))
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._end(False)
        self._stream.close()


class AsyncLoggedStream(_Watch):
    """An openai AsyncStream."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._take(await anext(self._stream))
        except BaseException as error:
            self._end(isinstance(error, StopAsyncIteration))
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._end(False)
        await self._stream.close()
