"""What a client does when the database refuses, fails, loses an answer or is away; both clients alike."""

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from gate import Gate
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.client import (
    AsyncGlowClient,
    FeedbackReceipt,
    Forbidden,
    GlowClient,
    GlowError,
    Incompatible,
    InvalidToken,
    InvalidValue,
    Malformed,
    NotFound,
    RateLimited,
    Retries,
    TooLarge,
    Unavailable,
    batches,
    experimenting,
    reading,
    rolling,
    writing,
)
from glow_pipelines.client.errors import blames_the_row, from_sqlstate
from glow_pipelines.client.results import FeedbackStats, read

QUICK = Retries(first=0.01, longest=0.05)


@pytest.fixture
def gate(database_url: str) -> Iterator[Gate]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
        client.log_execution("e1", "coder", "taxi", "meals")
    with Gate(database_url) as gate:
        yield gate


def votes(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from glow.agent_feedback").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize(
    ("code", "kind", "row_at_fault"),
    [
        ("PT400", Malformed, True),
        ("PT401", InvalidToken, False),
        ("PT403", Forbidden, True),
        ("PT404", NotFound, True),
        ("PT413", TooLarge, True),
        ("PT422", InvalidValue, True),
        ("22P05", InvalidValue, True),
        ("54000", TooLarge, True),
        ("XX000", GlowError, False),
        ("PT429", RateLimited, False),
        ("42501", Forbidden, False),
        ("42883", Incompatible, False),
        ("08006", Unavailable, False),
        ("40P01", Unavailable, False),
        ("53300", Unavailable, False),
        ("57P01", Unavailable, False),
    ],
)
def test_each_sqlstate_has_its_type(code: str, kind: type[GlowError], row_at_fault: bool) -> None:
    error = from_sqlstate(code, "rating: '6' is not accepted", "whole stars")
    assert (type(error), error.sqlstate, error.remedy) == (kind, code, "whole stars")
    assert blames_the_row(error) is row_at_fault


def test_a_refusal_carries_message_remedy_code_and_cause(gate: Gate) -> None:
    with GlowClient(gate.url) as client, pytest.raises(InvalidValue) as caught:
        client.submit_feedback("coder", "e1", "u1", rating=6)
    assert caught.value.message == "rating: '6' is not accepted"
    assert caught.value.remedy == "whole stars from 1 to 5"
    assert caught.value.sqlstate == "PT422"
    assert isinstance(caught.value.__cause__, psycopg.Error)


def test_a_number_beyond_an_integer_is_out_of_range_and_not_an_unknown_function(gate: Gate) -> None:
    with GlowClient(gate.url) as client, pytest.raises(InvalidValue, match="out of range"):
        client.submit_feedback("coder", "e1", "u1", rating=10**12)


def test_a_lost_answer_is_asked_for_again_and_counts_once(gate: Gate, database_url: str) -> None:
    slept: list[float] = []
    with GlowClient(gate.url, retries=Retries(random=lambda: 0.5), sleep=slept.append) as client:
        client.feedback_stats("coder")  # the connection is there
        gate.lose_next_answer()
        receipt = client.submit_feedback("coder", "e1", "u1", thumbs=1)
    assert (receipt.status, gate.lost, slept) == ("replayed", 1, [0.05])
    assert votes(database_url) == 1


def test_a_lost_answer_counts_once_with_asyncio_too(gate: Gate, database_url: str) -> None:
    async def vote() -> FeedbackReceipt:
        async with AsyncGlowClient(gate.url, retries=QUICK) as client:
            await client.feedback_stats("coder")
            gate.lose_next_answer()
            return await client.submit_feedback("coder", "e1", "u1", thumbs=1)

    assert asyncio.run(vote()).status == "replayed"
    assert (gate.lost, votes(database_url)) == (1, 1)


def test_what_could_count_twice_is_not_asked_again(gate: Gate) -> None:
    with GlowClient(gate.url, retries=QUICK) as client:
        request = client.request_dataset("coder")
        gate.lose_next_answer()
        with pytest.raises(Unavailable, match="connection was lost"):
            client.cancel_request(request.request_id)
        assert client.request_status(request.request_id).status == "cancelled"


def test_every_connection_of_the_pool_may_be_lost_at_once(gate: Gate) -> None:
    with GlowClient(gate.url, retries=QUICK) as client:
        threads = [client._pool.getconn() for _ in range(4)]
        for each in threads:
            client._pool.putconn(each)
        gate.shut()
        gate.open()
        assert client.submit_feedback("coder", "e1", "u1", thumbs=1).status == "accepted"


def test_an_absent_database_is_unavailable_with_the_reason_and_comes_back(gate: Gate) -> None:
    with GlowClient(gate.url, timeout=0.3) as client:
        gate.shut()
        with pytest.raises(Unavailable, match="refused") as caught:
            client.learning_stats()
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        gate.open()
        assert client.learning_stats().agents == 1


def test_an_absent_database_is_unavailable_with_asyncio_too(gate: Gate) -> None:
    async def ask() -> None:
        async with AsyncGlowClient(gate.url, timeout=0.3) as client:
            gate.shut()
            with pytest.raises(Unavailable, match="refused"):
                await client.learning_stats()
            gate.open()
            assert (await client.learning_stats()).agents == 1

    asyncio.run(ask())


def test_a_wrong_password_is_told_and_never_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with GlowClient(f"postgresql://me:s3cret@127.0.0.1:{port}/glow", timeout=0.2) as client:
        with pytest.raises(Unavailable) as caught:
            client.learning_stats()
        assert "s3cret" not in str(caught.value)


def test_a_closed_client_says_so(database_url: str) -> None:
    client = GlowClient(database_url)
    client.close()
    with pytest.raises(GlowError, match="closed"):
        client.learning_stats()


def test_a_full_pool_is_not_mistaken_for_an_absent_database(gate: Gate) -> None:
    with (
        GlowClient(gate.url, pool_size=1, timeout=0.2) as client,
        client._pool.connection(),
        pytest.raises(Unavailable, match="pool_size"),
    ):
        client.learning_stats()


def test_without_prepared_statements_nothing_is_prepared(database_url: str) -> None:
    for threshold, prepared in ((None, 0), (0, 1)):
        with GlowClient(database_url, pool_size=1, prepare_threshold=threshold) as client:
            client.learning_stats()
            with client._pool.connection() as connection:
                rows = connection.execute(
                    "select from pg_prepared_statements where statement like 'select * from glow_api%'"
                ).fetchall()
        assert len(rows) == prepared


@given(
    st.integers(2, 8), st.floats(0.001, 5), st.floats(0.001, 60), st.floats(0, 1, exclude_max=True), st.integers(1, 99)
)
def test_retries_are_bounded_in_number_and_length(
    attempts: int, first: float, longest: float, chance: float, attempt: int
) -> None:
    retries = Retries(attempts, first, longest, lambda: chance)
    call, error = reading.learning_stats(), Unavailable("away")
    wait = retries.wait(call, error, attempt)
    assert (wait is None) == (attempt >= attempts)
    assert wait is None or 0 <= wait <= min(longest, first * 2 ** (attempt - 1))
    assert retries.wait(call, Unavailable("pool", retry=False), attempt) is None


def test_both_clients_have_every_call_with_one_signature() -> None:
    defined = {
        name: build
        for module in (writing, reading, batches, experimenting, rolling)
        for name, build in inspect.getmembers(module, inspect.isfunction)
        if build.__module__ == module.__name__
        and not name.startswith("_")
        and name not in ("batch", "row_of", "reads_each")
    }
    assert len(defined) > 20
    for client in (GlowClient, AsyncGlowClient):
        for name, build in defined.items():
            method = getattr(client, name)
            assert list(inspect.signature(method).parameters)[1:] == list(inspect.signature(build).parameters)
            assert method.__doc__ == build.__doc__


def test_every_call_fits_a_function_of_the_database(database_url: str) -> None:
    """With every argument given: a name that the function does not have is 42883."""
    samples: dict[str, Any] = {"hits": [{"chunk_id": "a", "rank": 1}], "issues": ["x"], "split_shares": [0.5, 0.2, 0.3]}
    samples |= {"goals": ["accuracy"], "cost_usd": 0.1, "withdrawn": True, "rows": []}
    for each in ("thumbs", "rating", "latency_ms", "prompt_tokens", "completion_tokens", "valid_seconds", "most"):
        samples[each] = 1
    samples |= {
        "feedback": 1,
        "request_id": 1,
        "effect": 0.05,
        "days": 7,
        "until_day": 14,
        "stage": 1,
        "approval": True,
    }
    for each in ("enroll_ppm", "treatment_ppm", "holdout_ppm", "slot_from", "slot_to"):
        samples[each] = 10
    for each in ("dimensions", "metadata", "evaluation", "prompt", "config", "control_config"):
        samples[each] = {"a": 1}
    for each in ("since", "occurred_at", "started_at", "ends_at"):
        samples[each] = psycopg.TimestampFromTicks(0).astimezone()
    with GlowClient(database_url) as client:
        for module in (writing, reading, experimenting, rolling):
            for name, build in inspect.getmembers(module, inspect.isfunction):
                if build.__module__ == module.__name__ and not name.startswith("_"):
                    arguments = {each: samples.get(each, "x") for each in inspect.signature(build).parameters}
                    try:
                        getattr(client, name)(**arguments)
                    except Incompatible as error:
                        pytest.fail(f"{name}: {error}")
                    except GlowError:
                        pass  # these values are not meant to be accepted


def test_a_newer_database_may_answer_more_and_an_older_one_not_less() -> None:
    answer = {"feedback_id": 7, "status": "accepted", "execution_known": True, "mood": "sunny"}
    assert read(FeedbackReceipt, answer) == FeedbackReceipt("accepted", True, 7)
    with pytest.raises(Incompatible, match="execution_known"):
        read(FeedbackReceipt, {"feedback_id": 7, "status": "accepted"})


def test_an_answer_has_the_types_it_says(gate: Gate) -> None:
    with GlowClient(gate.url) as client:
        client.submit_feedback("coder", "e1", "u1", rating=4, issues=["tone"])
        stats, (issue,) = client.feedback_stats("coder"), client.common_issues("coder")
    assert isinstance(stats, FeedbackStats)
    assert stats.mean_rating == 4.0
    assert stats.last_feedback_at is not None
    assert stats.last_feedback_at.tzinfo is not None
    assert (issue.issue, issue.share, type(issue.share)) == ("tone", 1.0, float)


@pytest.mark.parametrize("sent", [lambda c: c.submit_feedback_batch, lambda c: c.submit_feedback])
def test_half_a_character_is_refused_before_it_is_sent(gate: Gate, sent: Callable[[GlowClient], Any]) -> None:
    row = {"agent": "coder", "execution_id": "e1", "user_id": "u1", "comment": "half \ud800"}
    with GlowClient(gate.url) as client, pytest.raises(InvalidValue, match="Unicode"):
        sent(client)([row]) if "batch" in sent(client).__name__ else sent(client)(**row)
