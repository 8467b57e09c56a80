"""CachedChat over a model that counts what it is asked."""

import threading
from collections.abc import Sequence

import pytest

from glow_pipelines.providers.cache import CachedChat, CachedResponse, MemoryCache, request_key
from glow_pipelines.providers.chat import Progress, in_parallel
from glow_pipelines.providers.types import ChatAnswer, ChatRequest, Message, ProviderError, TooLongError, Usage


class Echo:
    """Answers in capitals; refuses "bad"; counts."""

    name = "echo"

    def __init__(self, concurrency: int = 2) -> None:
        self.concurrency = concurrency
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def complete(self, request: ChatRequest) -> ChatAnswer:
        text = request.messages[-1].content
        with self._lock:
            self.asked.append(text)
        if text == "bad":
            raise ProviderError("refused", retryable=False)
        if text == "endless":
            raise TooLongError("no room", retryable=False)
        return ChatAnswer(text.upper(), Usage(1, 5, 2, 0.5, 0.25), cached=False)

    def complete_many(self, requests: Sequence[ChatRequest], progress: Progress | None = None) -> list[ChatAnswer]:
        return in_parallel(self.complete, requests, self.concurrency, progress)


def ask(*texts: str) -> list[ChatRequest]:
    return [ChatRequest((Message("user", text),)) for text in texts]


def test_an_answer_is_paid_for_once() -> None:
    model, cache = Echo(), MemoryCache()
    (request,) = ask("a")
    fresh, known = CachedChat(model, cache).complete(request), CachedChat(model, cache).complete(request)
    assert (fresh.text, fresh.cached, fresh.usage) == ("A", False, Usage(1, 5, 2, 0.5, 0.25))
    assert (known.text, known.cached, known.usage, known.worth) == ("A", True, Usage(), fresh.usage)
    assert model.asked == ["a"]
    key = request_key("echo", request)
    assert cache.get_many([key, "x"]) == {key: CachedResponse("echo", "A", 5, 2, 0.5, 0.25)}


def test_equal_requests_of_one_call_are_sent_once() -> None:
    model, done = Echo(), list[int]()
    answers = CachedChat(model, MemoryCache()).complete_many(ask("a", "b", "a", "a", "b", "c"), done.append)
    assert [answer.text for answer in answers] == ["A", "B", "A", "A", "B", "C"]
    assert [answer.cached for answer in answers] == [False, False, True, True, True, False]
    assert sum((answer.usage for answer in answers), Usage()).calls == 3
    assert sorted(model.asked) == ["a", "b", "c"]
    assert done == [3, 4, 5, 6]


def test_only_what_is_not_known_is_asked() -> None:
    model, cache = Echo(), MemoryCache()
    chat = CachedChat(model, cache)
    chat.complete_many(ask("a", "b"))
    done: list[int] = []
    answers = chat.complete_many(ask("b", "c", "a"), done.append)
    assert [(answer.text, answer.cached) for answer in answers] == [("B", True), ("C", False), ("A", True)]
    assert model.asked[2:] == ["c"]
    assert done == [2, 3]


def test_an_error_keeps_what_was_answered_and_is_not_kept_itself() -> None:
    model, cache = Echo(concurrency=1), MemoryCache()
    chat = CachedChat(model, cache)
    with pytest.raises(ProviderError, match="refused"):
        chat.complete_many(ask("a", "b", "bad", "c", "d", "e", "f", "g"))
    answered = len(cache)
    assert answered >= 2
    with pytest.raises(ProviderError, match="refused"):
        chat.complete(ask("bad")[0])
    assert len(cache) == answered


def test_an_answer_is_kept_before_the_next_one_is_asked() -> None:
    cache = MemoryCache()

    class Watching(Echo):
        def complete(self, request: ChatRequest) -> ChatAnswer:
            kept.append(len(cache))
            return super().complete(request)

    kept: list[int] = []
    CachedChat(Watching(concurrency=1), cache).complete_many(ask("a", "b", "c"))
    assert kept == [0, 1, 2]


def test_another_model_is_asked_anew() -> None:
    cache, other = MemoryCache(), Echo()
    CachedChat(Echo(), cache).complete(ask("a")[0])
    other.name = "other"
    assert not CachedChat(other, cache).complete(ask("a")[0]).cached


def test_nothing_is_asked_of_nobody() -> None:
    assert CachedChat(Echo(), MemoryCache()).complete_many([]) == []


def test_a_request_that_the_model_cannot_hold_ends_nothing_where_the_caller_says_what_stands_for_its_answer() -> None:
    model, nothing = Echo(), ChatAnswer("", Usage(), cached=False)
    chat = CachedChat(model, MemoryCache())
    answers = chat.complete_many(ask("a", "endless", "b"), too_long=nothing)
    assert [answer.text for answer in answers] == ["A", "", "B"]
    with pytest.raises(TooLongError):
        chat.complete_many(ask("endless"))
