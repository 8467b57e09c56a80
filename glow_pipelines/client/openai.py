"""`logged(OpenAI(), writer, agent="tax")`: the same client, with every answer logged as an execution.

Belongs here: what is logged and how the answer gets its execution id. Does not: anything that could break or delay the
model call: what fails here is counted, told once in the log, and forgotten. The openai package itself is not imported.
"""

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypedDict, TypeVar
from uuid import uuid4

from glow_pipelines.client import writing
from glow_pipelines.client.model_answers import CHAT, RESPONSES, ModelAnswer, ModelApi, question
from glow_pipelines.client.model_streams import AsyncLoggedStream, LoggedStream
from glow_pipelines.client.sync import GlowClient
from glow_pipelines.client.writer import GlowWriter

_C = TypeVar("_C")
log = logging.getLogger("glow_pipelines.client")


class Glow(TypedDict, total=False):
    """What a call may say with `glow={...}`; `input` where the last user message is not what the agent was asked."""

    execution_id: str
    input: str
    user_id: str
    conversation_id: str
    channel: str
    prompt_version: str
    cost_usd: float
    metadata: Mapping[str, Any]
    tenant: str


def logged(
    client: _C,
    sink: GlowWriter | GlowClient,
    agent: str,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: str(uuid4()),
) -> _C:
    """A copy of an OpenAI or AsyncOpenAI client that logs what chat.completions and responses `create` and `parse`.

    Both take one argument more, `glow` (see Glow). The answer, or the stream, has its execution's id: `execution_id`.
    A GlowClient as `sink` gets a writer of its own, which ends with the process. `with_options` keeps the logging.
    """
    writer = GlowWriter(sink) if isinstance(sink, GlowClient) else sink
    return _watched(client, ExecutionLog(writer, agent, clock, monotonic, new_id))


def execution_id(answer: object) -> str | None:
    """The id that feedback on this answer refers to; None for an answer of a client that is not logged."""
    found = getattr(answer, "glow_execution_id", None)
    return found if isinstance(found, str) else None


def execution_log(client: object) -> "ExecutionLog":
    """The counts of a logged client."""
    found: ExecutionLog = client.__dict__["glow"]
    return found


class ExecutionLog:
    """`logged`: executions given to the writer. `failed`: answers that could not be logged; the first is in the log."""

    def __init__(
        self,
        writer: GlowWriter,
        agent: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._writer, self._agent, self._clock, self._monotonic, self._new_id = writer, agent, clock, monotonic, new_id
        self._guard = Lock()
        self.logged = self.failed = 0

    def begin(self, api: ModelApi, arguments: Mapping[str, Any], glow: Glow | None) -> "Execution":
        """An execution that starts now."""
        said: dict[str, Any] = {}
        try:
            said = {"input": question(arguments.get(api.asked)), **(glow or {})}
        except Exception as error:
            self.fails(error)
        name = said.pop("execution_id", None) or self._new_id()
        return Execution(self, api, name, said, self._clock(), self._monotonic())

    def end(self, execution: "Execution", answer: ModelAnswer, complete: bool) -> None:
        """Give an execution to the writer."""
        try:
            said = dict(execution.said)
            facts = {name: value for name, value in answer.metadata.items() if value is not None}
            metadata = {**facts, **({} if complete else {"complete": False}), **said.pop("metadata", {})}
            call = writing.log_execution(
                execution.id,
                self._agent,
                output=answer.output,
                model=answer.model,
                latency_ms=round((self._monotonic() - execution.began) * 1000),
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                started_at=execution.started_at,
                metadata=metadata,
                **said,
            )
            self._writer.offer(call)
        except Exception as error:
            self.fails(error)
        else:
            with self._guard:
                self.logged += 1

    def fails(self, error: Exception) -> None:
        """Count an answer that is not logged."""
        with self._guard:
            self.failed += 1
            first = self.failed == 1
        if first:
            log.warning("glow: an answer was not logged (%s); more are only counted", type(error).__name__)


@dataclass(frozen=True, slots=True)
class Execution:
    """A model call on its way."""

    log: ExecutionLog
    api: ModelApi
    id: str
    said: Mapping[str, Any]
    started_at: datetime
    began: float

    def watch(self, answer: Any, arguments: Mapping[str, Any]) -> Any:
        """The answer with its id, logged now, or when its stream ends."""
        try:
            raw = (arguments.get("extra_headers") or {}).get("X-Stainless-Raw-Response")
            if arguments.get("stream") is True and raw is None:
                kind = AsyncLoggedStream if hasattr(answer, "__aiter__") else LoggedStream
                return kind(answer, self.api.collector(), self._end, self.id)
            if raw is not None and (raw != "true" or arguments.get("stream") is True):
                raise TypeError("a raw stream cannot be read along")
            body = answer.parse() if raw else answer
            # Past pydantic: an attribute and no field, so that it is in no dump of the answer.
            for each in (answer, body):
                object.__setattr__(each, "glow_execution_id", self.id)
            self._end(self.api.answer(body), True)
        except Exception as error:
            self.log.fails(error)
        return answer

    def _end(self, answer: ModelAnswer, complete: bool) -> None:
        self.log.end(self, answer, complete)


def _watched(client: _C, executions: ExecutionLog) -> _C:
    given: Any = client
    copy = given.with_options()
    for resource, api in ((copy.chat.completions, CHAT), (getattr(copy, "responses", None), RESPONSES)):
        for name in ("create", "parse"):
            if (ask := getattr(resource, name, None)) is not None:
                setattr(resource, name, _asks(ask, api, executions))
    for name in ("copy", "with_options"):
        setattr(copy, name, lambda *args, **kwargs: _watched(given.with_options(*args, **kwargs), executions))
    copy.glow = executions
    result: _C = copy
    return result


def _asks(ask: Callable[..., Any], api: ModelApi, executions: ExecutionLog) -> Callable[..., Any]:
    def asks(*args: Any, glow: Glow | None = None, **kwargs: Any) -> Any:
        if isinstance(asked := kwargs.get(api.asked), Iterator):  # it can be read once, and there are two to read it
            kwargs[api.asked] = list(asked)
        execution = executions.begin(api, kwargs, glow)
        answer = ask(*args, **kwargs)
        return _awaited(answer, execution, kwargs) if inspect.isawaitable(answer) else execution.watch(answer, kwargs)

    asks.__doc__ = ask.__doc__
    return asks


async def _awaited(answer: Awaitable[Any], execution: Execution, arguments: Mapping[str, Any]) -> Any:
    return execution.watch(await answer, arguments)
