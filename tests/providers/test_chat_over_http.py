"""OpenAIChat against a real server that refuses, hangs and talks nonsense as a test wrote it down."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from scripted_server import HANG, Reply, ScriptedServer, completion, refusal, scripted

from glow_pipelines.providers.chat import OpenAIChat
from glow_pipelines.providers.retry import RetryPolicy
from glow_pipelines.providers.types import ChatRequest, Message, ProviderError, TooLongError, Usage
from glow_pipelines.providers.wire import open_client, retry_after

HI = ChatRequest((Message("user", "hi"),))
PAGE = Reply("<html>sorry</html>", content_type="text/html")


@contextmanager
def model_behind(*replies: Any, **options: Any) -> Iterator[tuple[OpenAIChat, ScriptedServer, list[float]]]:
    waits: list[float] = []
    retry = RetryPolicy(attempts=4, sleep=waits.append, random=lambda: 1.0)
    with scripted(*replies) as server, open_client("k", server.base_url) as client:
        yield OpenAIChat(client, "m", **{"retry": retry, "timeout": 5.0, **options}), server, waits


def test_the_request_on_the_wire() -> None:
    request = ChatRequest((Message("system", "s"), Message("user", "u")), max_tokens=9, temperature=0.5, seed=3)
    with model_behind(completion("yes")) as (model, server, _):
        assert model.complete(request).text == "yes"
    assert server.asked == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
            "max_tokens": 9,
            "temperature": 0.5,
            "seed": 3,
        }
    ]


def test_usage_counts_tokens_time_and_money() -> None:
    ticks = iter([10.0, 12.5])
    prices = {"m": (1.0, 4.0), "other": (9.0, 9.0)}
    with model_behind(completion("yes", 1000, 500), prices=prices, clock=lambda: next(ticks)) as (model, _, _):
        answer = model.complete(HI)
    assert answer.usage == Usage(1, 1000, 500, 2.5, pytest.approx(0.003))
    assert not answer.cached


def test_a_model_without_a_price_costs_nothing() -> None:
    with model_behind(completion("yes"), prices={"other": (9.0, 9.0)}) as (model, _, _):
        assert model.complete(HI).usage.cost_usd == 0.0


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_what_may_pass_is_asked_again_after_growing_waits(status: int) -> None:
    with model_behind(refusal(status), refusal(status), completion("yes")) as (model, server, waits):
        assert model.complete(HI).text == "yes"
    assert waits == [0.5, 1.0]
    assert len(server.asked) == 3


@pytest.mark.parametrize("bad", [PAGE, Reply('{"choices": [', 200), Reply({"choices": []}), Reply([1])])
def test_garbage_is_asked_again(bad: Reply) -> None:
    with model_behind(bad, completion("yes")) as (model, _, waits):
        assert model.complete(HI).text == "yes"
    assert len(waits) == 1


def test_a_server_that_hangs_is_given_up_and_asked_again() -> None:
    with model_behind(HANG, completion("yes"), timeout=0.2) as (model, server, _):
        assert model.complete(HI).text == "yes"
    assert len(server.asked) == 2


def test_a_server_that_is_not_there_is_a_retryable_error() -> None:
    waits: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with open_client("k", f"http://127.0.0.1:{port}/v1") as client:
        nobody = OpenAIChat(client, "m", retry=RetryPolicy(attempts=2, sleep=waits.append))
        with pytest.raises(ProviderError, match="no connection") as caught:
            nobody.complete(HI)
    assert caught.value.retryable
    assert len(waits) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_pass_is_asked_once(status: int) -> None:
    with (
        model_behind(refusal(status, "because")) as (model, server, waits),
        pytest.raises(ProviderError, match=f"'m'.*{status}.*because") as caught,
    ):
        model.complete(HI)
    assert (caught.value.retryable, caught.value.status) == (False, status)
    assert (len(server.asked), waits) == (1, [])


def test_a_used_up_quota_is_not_asked_again_although_it_is_a_429() -> None:
    with (
        model_behind(refusal(429, code="insufficient_quota")) as (model, server, _),
        pytest.raises(ProviderError) as caught,
    ):
        model.complete(HI)
    assert (caught.value.retryable, len(server.asked)) == (False, 1)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("this model's maximum context length is 8192 tokens", None),
        ("too many tokens", "context_length_exceeded"),
        ("request (4605 tokens) exceeds the available context size (4096 tokens), try increasing it", None),
    ],
)
def test_a_request_longer_than_the_context_is_told_apart(said: str, code: str | None) -> None:
    with model_behind(refusal(400, said, code=code)) as (model, server, _), pytest.raises(TooLongError):
        model.complete(HI)
    assert len(server.asked) == 1


def test_attempts_end() -> None:
    with (
        model_behind(refusal(503)) as (model, server, waits),
        pytest.raises(ProviderError) as caught,
    ):
        model.complete(HI)
    assert (caught.value.retryable, len(server.asked), len(waits)) == (True, 4, 3)


@pytest.mark.parametrize(("header", "waited"), [("7", 7.5), ("0.25", 0.75), ("soon", 0.5), ("-3", 0.5), ("", 0.5)])
def test_a_server_may_say_when(header: str, waited: float) -> None:
    with model_behind(refusal(429, Retry_After=header), completion("yes")) as (model, _, waits):
        assert model.complete(HI).text == "yes"
    assert waits == [waited]


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("Sun, 22 Nov 2026 10:00:09 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 9.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:09 GMT", 0.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", "", None),
        ("Sun, 22 Nov 2026 10:00:00 GMT", "yesterday", None),
    ],
)
def test_a_date_to_come_back_is_read_against_the_servers_own_clock(header: str, date: str, seconds: float) -> None:
    assert retry_after({"retry-after": header, "date": date}) == seconds


def test_a_server_that_asks_for_more_than_a_minute_is_not_waited_for() -> None:
    with (
        model_behind(refusal(429, Retry_After="61")) as (model, server, waits),
        pytest.raises(ProviderError) as caught,
    ):
        model.complete(HI)
    assert (caught.value.retryable, caught.value.retry_after_seconds) == (True, 61.0)
    assert (len(server.asked), waits) == (1, [])


def test_an_answer_without_text_is_a_permanent_error() -> None:
    with (
        model_behind(completion(None, refusal="I will not")) as (model, server, _),
        pytest.raises(ProviderError, match="I will not") as caught,
    ):
        model.complete(HI)
    assert (caught.value.retryable, len(server.asked)) == (False, 1)


def test_labels_by_grammar() -> None:
    request = ChatRequest((Message("user", "hi"),), max_tokens=1, choices=("meals", "travel"))
    with model_behind(completion("travel"), structured_output="grammar") as (model, server, _):
        assert model.complete(request).text == "travel"
    assert server.asked[0]["grammar"] == 'root ::= "meals" | "travel"'
    assert server.asked[0]["max_tokens"] == 7  # room for the longest label, whatever the limit of free answers


def test_labels_by_json_schema() -> None:
    request = ChatRequest((Message("user", "hi"),), choices=("meals", "travel"))
    with model_behind(completion('{"answer": "travel"}'), structured_output="json_schema") as (model, server, _):
        assert model.complete(request).text == "travel"
    schema = server.asked[0]["response_format"]["json_schema"]
    assert schema["strict"]
    assert schema["schema"]["properties"]["answer"]["enum"] == ["meals", "travel"]


def test_an_endpoint_that_ignores_the_labels_is_found_out() -> None:
    with (
        model_behind(completion("Travel!"), structured_output="grammar") as (model, _, _),
        pytest.raises(ProviderError, match="does not enforce"),
    ):
        model.complete(ChatRequest((Message("user", "hi"),), choices=("meals", "travel")))


def echo(body: dict[str, Any]) -> Reply:
    return completion(body["messages"][-1]["content"].upper())


def ask(*texts: str) -> list[ChatRequest]:
    return [ChatRequest((Message("user", text),)) for text in texts]


def test_many_keep_their_order_and_tell_progress() -> None:
    done: list[int] = []
    texts = [f"text {number}" for number in range(20)]
    with model_behind(echo, concurrency=3) as (model, _, _):
        answers = model.complete_many(ask(*texts), done.append)
    assert [answer.text for answer in answers] == [text.upper() for text in texts]
    assert done == list(range(1, 21))


def test_no_more_are_in_flight_than_allowed() -> None:
    gate, lock, now, most = threading.Barrier(3), threading.Lock(), [0], [0]

    def slow(body: dict[str, Any]) -> Reply:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(5)  # passes only when exactly three are here together
        with lock:
            now[0] -= 1
        return echo(body)

    with model_behind(slow, concurrency=3) as (model, _, _):
        assert len(model.complete_many(ask(*"abcdef"))) == 6
    assert most[0] == 3


def test_none_are_asked_of_nobody() -> None:
    with model_behind(echo) as (model, server, _):
        assert model.complete_many([]) == []
    assert server.asked == []


def failing_at(text: str) -> Callable[[dict[str, Any]], Reply]:
    return lambda body: refusal(400, "bad text") if body["messages"][-1]["content"] == text else echo(body)


def test_the_first_permanent_error_ends_it_and_what_is_not_begun_is_not_asked() -> None:
    with (
        model_behind(failing_at("b"), concurrency=1) as (model, server, _),
        pytest.raises(ProviderError, match="bad text"),
    ):
        model.complete_many(ask(*"abcdefghij"))
    assert len(server.asked) < 10


def test_a_progress_that_raises_ends_it_too() -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with (
        model_behind(echo, concurrency=1) as (model, server, _),
        pytest.raises(KeyboardInterrupt),
    ):
        model.complete_many(ask(*"abcdefghij"), stop)
    assert len(server.asked) < 10
