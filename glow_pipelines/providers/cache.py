"""Answers that need not be paid for twice: what makes two requests equal, and a chat model that remembers.

Belongs here: keys, the port to where answers are kept, one kept in memory. Does not: the one in Postgres (store).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from glow_pipelines.providers.chat import ChatModel, Progress, in_parallel
from glow_pipelines.providers.types import ChatAnswer, ChatRequest, TooLongError, Usage

KEY_VERSION = 1
"""Raise it when equal keys no longer mean equal answers: every cached answer is then asked for again."""


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """An answer as it was when it was fresh: by which model, and what it cost then."""

    model: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost_usd: float


class ResponseCache(Protocol):
    """Where answers are kept. Called from several threads at once."""

    def get_many(self, keys: Sequence[str]) -> dict[str, CachedResponse]:
        """Those of the keys that are known."""
        ...

    def put(self, key: str, response: CachedResponse) -> None:
        """Keep an answer durably before returning. A key that is known already is no error."""
        ...


class MemoryCache:
    """Kept as long as the object lives."""

    def __init__(self) -> None:
        self._responses: dict[str, CachedResponse] = {}

    def __len__(self) -> int:
        return len(self._responses)

    def get_many(self, keys: Sequence[str]) -> dict[str, CachedResponse]:
        return {key: self._responses[key] for key in keys if key in self._responses}

    def put(self, key: str, response: CachedResponse) -> None:
        self._responses[key] = response


def request_key(model_name: str, request: ChatRequest) -> str:
    """sha256 (hex) over everything that may change the answer. The order of `choices` is part of it."""
    parts = {
        "version": KEY_VERSION,
        "model": model_name,
        "messages": [[message.role, message.content] for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
        "choices": None if request.choices is None else list(request.choices),
        "seed": request.seed,
    }
    # ensure_ascii: a lone surrogate in hostile text is then a key like any other instead of an encoding error.
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class CachedChat:
    """A chat model that asks `model` only what `cache` does not know, and keeps each answer the moment it arrives.

    A kill -9 loses at most the answers in flight. Errors are not kept.
    """

    def __init__(self, model: ChatModel, cache: ResponseCache) -> None:
        self._model = model
        self._cache = cache

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def concurrency(self) -> int:
        return self._model.concurrency

    def complete(self, request: ChatRequest) -> ChatAnswer:
        """The known answer, else a fresh one. Raises ProviderError."""
        return self.complete_many([request])[0]

    def complete_many(
        self, requests: Sequence[ChatRequest], progress: Progress | None = None, *, too_long: ChatAnswer | None = None
    ) -> list[ChatAnswer]:
        """See ChatModel. Of equal requests the first is asked and pays; the others are `cached`.

        `too_long` stands for the answer to a request that the model cannot hold, and is not kept; without it
        TooLongError is raised.
        """
        keys = [request_key(self.name, request) for request in requests]
        by_key = dict(zip(keys, requests, strict=True))
        known = self._cache.get_many(list(by_key))
        answers = {key: _known(response) for key, response in known.items()}
        missing = [key for key in dict.fromkeys(keys) if key not in answers]
        ready = len(keys) - len(missing)  # repeats of a request are counted with what was known
        if progress is not None and ready:
            progress(ready)
        fresh = in_parallel(
            lambda request: self._ask(request, too_long),
            [by_key[key] for key in missing],
            self.concurrency,
            None if progress is None else lambda done: progress(ready + done),
        )
        answers |= zip(missing, fresh, strict=True)
        given: set[str] = set()
        return [_once(answers[key], key, given) for key in keys]

    def _ask(self, request: ChatRequest, too_long: ChatAnswer | None) -> ChatAnswer:
        try:
            answer = self._model.complete(request)
        except TooLongError:
            if too_long is None:
                raise
            return too_long
        usage = answer.usage
        self._cache.put(
            request_key(self.name, request),
            CachedResponse(
                self.name, answer.text, usage.prompt_tokens, usage.completion_tokens, usage.seconds, usage.cost_usd
            ),
        )
        return answer


def _known(response: CachedResponse) -> ChatAnswer:
    first = Usage(1, response.prompt_tokens, response.completion_tokens, response.seconds, response.cost_usd)
    return ChatAnswer(response.text, Usage(), cached=True, first=first)


def _once(answer: ChatAnswer, key: str, given: set[str]) -> ChatAnswer:
    if key in given:
        return ChatAnswer(answer.text, Usage(), cached=True, first=answer.worth)
    given.add(key)
    return answer
