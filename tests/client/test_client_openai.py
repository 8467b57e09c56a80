"""The wrapper of the openai client: the real one, against small endpoints, into PostgreSQL."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import psycopg
import pytest
from model_server import TOOL, WORDS, ModelServer

from glow_pipelines.client import GlowClient, GlowWriter
from glow_pipelines.client.model_answers import question
from glow_pipelines.client.openai import execution_id, execution_log, logged
from tests.openai_server import OpenAIServer, ScriptedModel

ASKED: Any = [
    {"role": "system", "content": "Answer shortly."},
    {"role": "user", "content": "Taxi?"},
]
TOOLS: Any = [{"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": {}}}}]


class Bench:
    """A writer, and what of it arrived."""

    def __init__(self, url: str, writer: GlowWriter) -> None:
        self.url, self.writer = url, writer

    def rows(self) -> list[dict[str, Any]]:
        assert self.writer.flush(20)
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute("select * from glow.executions order by recorded_at, execution_id").fetchall()

    def row(self) -> dict[str, Any]:
        (row,) = self.rows()
        return row


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with GlowClient(database_url) as client:
        client.register_agent("tax")
        with GlowWriter(client, linger=0.01) as writer:
            yield Bench(database_url, writer)


@pytest.fixture
def url() -> Iterator[str]:
    with ModelServer() as server:
        yield server.url


def plain(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="test", max_retries=0)


def plain_async(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key="test", max_retries=0)


def test_an_answer_is_logged_with_all_that_is_known_of_it(bench: Bench) -> None:
    with OpenAIServer(ScriptedModel()) as server:
        client: Any = logged(plain(server.url), bench.writer, "tax", new_id=lambda: "run-1")
        answer = client.chat.completions.create(
            model="scripted", messages=ASKED,
            glow={"user_id": "u1", "conversation_id": "c1", "channel": "web", "metadata": {"page": 3}},
        )  # fmt: skip
        assert isinstance(client, openai.OpenAI)
        client.close()
    assert execution_id(answer) == answer.glow_execution_id == "run-1"
    row = bench.row()
    assert {name: row[name] for name in ("execution_id", "agent", "input", "output", "user_id", "channel")} == {
        "execution_id": "run-1", "agent": "tax", "input": "Taxi?", "output": answer.choices[0].message.content,
        "user_id": "u1", "channel": "web",
    }  # fmt: skip
    assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == ("scripted", 50, 2)
    assert 0 <= row["latency_ms"] < 10_000
    assert row["metadata"] == {"response_id": "c", "finish_reason": "stop", "page": 3}


def test_the_id_is_no_part_of_the_answer(bench: Bench, url: str) -> None:
    with plain(url) as bare:
        client = logged(bare, bench.writer, "tax")
        answer = client.chat.completions.create(model="scripted", messages=ASKED)
        assert execution_id(answer)
        assert "glow" not in answer.to_json()
        assert answer == bare.chat.completions.create(model="scripted", messages=ASKED)
        assert execution_id(bare.chat.completions.create(model="scripted", messages=ASKED)) is None


def test_a_stream_is_passed_on_and_logged_at_its_end(bench: Bench, url: str) -> None:
    with plain(url) as bare:
        client: Any = logged(bare, bench.writer, "tax")
        options = {"include_usage": True}
        stream = client.chat.completions.create(
            model="scripted", messages=ASKED, stream=True, stream_options=options, glow={"execution_id": "mine"}
        )
        assert execution_id(stream) == "mine"
        assert execution_log(client).logged == 0
        texts = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
        assert stream.response.status_code == 200
    assert texts == [*WORDS, None]
    row = bench.row()
    assert (row["execution_id"], row["output"]) == ("mine", "".join(WORDS))
    assert (row["prompt_tokens"], row["completion_tokens"], row["metadata"]["finish_reason"]) == (5, 3, "stop")
    assert "complete" not in row["metadata"]


@pytest.mark.parametrize("how", ["closed", "left", "forgotten"])
def test_a_stream_that_is_not_read_to_its_end_is_logged_as_far_as_it_was(bench: Bench, url: str, how: str) -> None:
    with plain(url) as bare:
        client = logged(bare, bench.writer, "tax")
        stream = client.chat.completions.create(model="scripted", messages=ASKED, stream=True)
        next(stream)
        if how == "closed":
            stream.close()
        elif how == "left":
            with stream:
                pass
        else:
            stream.response.close()
            del stream
            gc.collect()
    row = bench.row()
    assert (row["output"], row["metadata"]["complete"]) == (WORDS[0], False)


def test_tools_that_are_called_are_the_output(bench: Bench, url: str) -> None:
    with plain(url) as bare:
        client = logged(bare, bench.writer, "tax")
        client.chat.completions.create(model="scripted", messages=ASKED, tools=TOOLS)
        for _ in client.chat.completions.create(model="scripted", messages=ASKED, tools=TOOLS, stream=True):
            pass
    first, second = bench.rows()
    assert first["output"] == second["output"]
    assert '"book"' in first["output"]
    assert TOOL["function"]["arguments"].replace('"', '\\"') in first["output"]  # type: ignore[index]


def test_responses_are_logged_too(bench: Bench, url: str) -> None:
    with plain(url) as bare:
        client: Any = logged(bare, bench.writer, "tax")
        answer = client.responses.create(model="scripted", input="Taxi?", glow={"user_id": "u1"})
        assert execution_id(answer)
        with client.responses.create(model="scripted", input=ASKED, stream=True) as stream:
            assert [event.type for event in stream][-1] == "response.completed"
    for row in bench.rows():
        assert (row["input"], row["output"], row["model"]) == ("Taxi?", "".join(WORDS), "scripted")
        assert (row["prompt_tokens"], row["completion_tokens"]) == (5, 3)


def test_the_asynchronous_client_is_logged_alike(bench: Bench, url: str) -> None:
    async def ask() -> list[str | None]:
        async with plain_async(url) as bare:
            client: Any = logged(bare, bench.writer, "tax")
            answer = await client.chat.completions.create(model="scripted", messages=ASKED)
            stream = await client.chat.completions.create(model="scripted", messages=ASKED, stream=True)
            async for _ in stream:
                pass
            broken = await client.chat.completions.create(model="scripted", messages=ASKED, stream=True)
            async with broken:
                await anext(broken)
            response = await client.responses.create(model="scripted", input="Taxi?")
        return [execution_id(each) for each in (answer, stream, broken, response)]

    ids = asyncio.run(ask())
    rows = {row["execution_id"]: row for row in bench.rows()}
    assert set(rows) == set(ids)
    assert [rows[str(each)]["output"] for each in ids[1:]] == ["".join(WORDS), WORDS[0], "".join(WORDS)]


def test_helpers_of_the_openai_client_work_as_before(bench: Bench, url: str) -> None:
    with plain(url) as bare:
        client = logged(bare, bench.writer, "tax")
        raw = client.chat.completions.with_raw_response.create(model="scripted", messages=ASKED)
        assert execution_id(raw) == execution_id(raw.parse())
        with client.chat.completions.with_streaming_response.create(model="scripted", messages=ASKED) as streamed:
            assert b"book" in streamed.read()
        assert (execution_log(client).logged, execution_log(client).failed) == (1, 1)
        again = client.with_options(timeout=5)
        again.chat.completions.create(model="scripted", messages=ASKED)
        assert execution_log(again) is execution_log(client)
        assert execution_log(client).logged == 2
        messages = iter(ASKED)
        client.chat.completions.create(model="scripted", messages=messages)
    assert [row["input"] for row in bench.rows()] == ["Taxi?"] * 3


def test_an_answer_leads_to_feedback(bench: Bench, url: str) -> None:
    with plain(url) as bare, GlowClient(bench.url) as glow:
        answer = logged(bare, bench.writer, "tax").chat.completions.create(model="scripted", messages=ASKED)
        found = execution_id(answer)
        assert found is not None
        glow.submit_feedback("tax", found, "u1", thumbs=1)  # before its execution or after: no matter
        bench.writer.flush(20)
        assert glow.feedback_stats("tax").executions_with_feedback == 1


def test_a_failure_of_ours_is_counted_and_told_once_and_breaks_nothing(
    bench: Bench, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.writer.close()
    secret: Any = [{"role": "user", "content": "my doctor said"}]
    with plain(url) as bare:
        client: Any = logged(bare, bench.writer, "tax")
        for glow in (None, {"nobody": 1}, {"metadata": 5}, "text", {"metadata": {"a": {1}}}):
            assert client.chat.completions.create(model="scripted", messages=secret, glow=glow).choices
        for _ in client.chat.completions.create(model="scripted", messages=secret, stream=True):
            pass
        counts = execution_log(client)
    assert (counts.logged, counts.failed) == (0, 7)  # "text" fails to be read and then to be logged
    assert caplog.text.count("was not logged") == 1
    assert "doctor" not in caplog.text


def test_a_failure_of_the_model_is_raised_and_not_logged(bench: Bench) -> None:
    client = logged(plain("http://127.0.0.1:9/v1"), bench.writer, "tax")
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="scripted", messages=ASKED)
    client.close()
    assert (execution_log(client).logged, execution_log(client).failed) == (0, 0)


def test_a_full_queue_does_not_delay_the_model(database_url: str, url: str) -> None:
    with GlowClient("postgresql://nobody@127.0.0.1:9/none", timeout=0.2) as glow, plain(url) as bare:
        writer = GlowWriter(glow, queue_rows=1, block_seconds=60)
        client = logged(bare, writer, "tax")
        for _ in range(3):
            client.chat.completions.create(model="scripted", messages=ASKED)
        assert (execution_log(client).logged, execution_log(client).failed) == (1, 2)
        with pytest.raises(Exception, match="not sent"):
            writer.close(timeout=0.1)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("Taxi?", "Taxi?"),
        (None, ""),
        ([], ""),
        ([{"role": "system", "content": "only"}], "only"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]}], "a\nb"),
        ([{"type": "function_call_output", "output": "x"}, {"role": "user", "content": "a"}], "a"),
    ],
)
def test_the_question_is_what_the_user_said_last(asked: Any, text: str) -> None:
    assert question(asked) == text


def test_the_openai_package_is_not_needed() -> None:
    script = (
        "import sys\nsys.modules['openai'] = None\nimport glow_pipelines.client.openai as ours\n"
        "assert ours.execution_id(object()) is None\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
