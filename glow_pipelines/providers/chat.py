"""The port to chat models, and the one over any OpenAI-compatible endpoint.

Belongs here: one request, many requests, what they cost. Does not: caching (cache), the embedded server (local).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, Protocol

from glow_pipelines.providers import choices
from glow_pipelines.providers.retry import RetryPolicy
from glow_pipelines.providers.types import ChatAnswer, ChatRequest, ProviderError, Usage
from glow_pipelines.providers.wire import translated

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion

Progress = Callable[[int], None]


class ChatModel(Protocol):
    """Something that answers. `name` is the model's identity: equal names promise equal answers (cache keys use it).

    `concurrency` is how many requests are worth having in flight at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    def complete(self, request: ChatRequest) -> ChatAnswer:
        """One answer. Raises ProviderError."""
        ...

    def complete_many(self, requests: Sequence[ChatRequest], progress: Progress | None = None) -> list[ChatAnswer]:
        """An answer for each request, in their order; `progress` is told how many are done, in the caller's thread.

        The first ProviderError is raised once the calls in flight have ended; calls not begun are not made.
        """
        ...


class OpenAIChat:
    """A model behind `chat.completions` of any OpenAI-compatible endpoint.

    `prices`: model name -> (US dollars per million prompt tokens, per million completion tokens); a model that is not
    in it costs nothing, which is right for local ones. `timeout` is seconds for one attempt.
    """

    def __init__(
        self,
        client: "OpenAI",
        model: str,
        *,
        structured_output: choices.StructuredOutput = "json_schema",
        concurrency: int = 4,
        prices: Mapping[str, tuple[float, float]] | None = None,
        timeout: float = 60.0,
        retry: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency: {concurrency}; give a whole number of at least 1")
        self._client = client.with_options(max_retries=0, timeout=timeout)
        self._model = model
        self._dialect = structured_output
        self._concurrency = concurrency
        self._prices = (prices or {}).get(model, (0.0, 0.0))
        self._retry = retry or RetryPolicy()
        self._clock = clock

    @property
    def name(self) -> str:
        return self._model

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def complete(self, request: ChatRequest) -> ChatAnswer:
        """One answer, asked for again while that can help. Raises ProviderError."""
        began = self._clock()
        arguments = self._arguments(request)
        completion, text = self._retry.call(lambda: self._attempt(arguments))
        if request.choices is not None:
            text = choices.read(text, request.choices, self._dialect)
        return ChatAnswer(text, self._usage(completion, self._clock() - began), cached=False)

    def complete_many(self, requests: Sequence[ChatRequest], progress: Progress | None = None) -> list[ChatAnswer]:
        """See ChatModel. Answers that came before an error are lost here: put a CachedChat around this."""
        return in_parallel(self.complete, requests, self._concurrency, progress)

    def _attempt(self, arguments: dict[str, Any]) -> "tuple[ChatCompletion, str]":
        what = f"chat model {self._model!r}"
        completion = translated(lambda: self._client.chat.completions.create(**arguments), what)
        try:
            choice = completion.choices[0]
            text, refusal, reason = choice.message.content, choice.message.refusal, choice.finish_reason
        except (AttributeError, LookupError, TypeError) as error:
            # A gateway's error page with status 200 comes out of the client as a plain string.
            raise ProviderError(f"{what}: the answer is no chat completion", retryable=True) from error
        if text is None:
            raise ProviderError(f"{what}: no text (finish reason {reason!r}, refusal {refusal!r})", retryable=False)
        return completion, text

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.seed is not None:
            arguments["seed"] = request.seed
        if request.choices is not None:
            arguments |= choices.parameters(request.choices, self._dialect)
            arguments["max_tokens"] = max(request.max_tokens, choices.room(request.choices, self._dialect))
        return arguments

    def _usage(self, completion: "ChatCompletion", seconds: float) -> Usage:
        prompt = completion.usage.prompt_tokens if completion.usage else 0
        answer = completion.usage.completion_tokens if completion.usage else 0
        cost = (prompt * self._prices[0] + answer * self._prices[1]) / 1e6
        return Usage(1, prompt, answer, seconds, cost)


def in_parallel(
    complete: Callable[[ChatRequest], ChatAnswer],
    requests: Sequence[ChatRequest],
    concurrency: int,
    progress: Progress | None = None,
) -> list[ChatAnswer]:
    """`complete` over the requests in at most `concurrency` threads; order, progress and errors as in ChatModel."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="chat") as pool:
        futures = [pool.submit(complete, request) for request in requests]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if progress is not None:
                    progress(done)
        except BaseException:  # also Ctrl-C: what is in flight is paid for, so it is let end; the rest is not begun
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]
