"""The embedded server with its real models, through the real openai client, which checks every answer strictly."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from glow_pipelines.providers.chat import OpenAIChat
from glow_pipelines.providers.embeddings import OpenAIEmbeddings
from glow_pipelines.providers.local import weights
from glow_pipelines.providers.local.supervisor import LocalEndpoint, LocalModels
from glow_pipelines.providers.types import ChatRequest, Message, ProviderError
from glow_pipelines.providers.wire import open_client

try:
    weights.find_weights(None)
except weights.ModelUnavailable as error:
    pytest.skip(f"no embedded models: {error}", allow_module_level=True)
pytest.importorskip("xllamacpp")

LABELS = ("travel", "meals", "office supplies", 'other "unclear"')
SHOTS = (
    Message("system", "Name the account of the expense."),
    Message("user", "Taxi to the client"),
    Message("assistant", "travel"),
    Message("user", "Lunch with two colleagues"),
    Message("assistant", "meals"),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModels]:
    local = LocalModels(tmp_path_factory.mktemp("models"))
    yield local
    local.stop()


@pytest.fixture(scope="module")
def endpoint(models: LocalModels) -> LocalEndpoint:
    return models.start()


@pytest.fixture
def client(endpoint: LocalEndpoint) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, _strict_response_validation=True
    ) as opened:
        yield opened


def question(text: str, choices: tuple[str, ...] | None = LABELS) -> ChatRequest:
    return ChatRequest((*SHOTS, Message("user", text)), max_tokens=8, choices=choices)


def create(client: openai.OpenAI, endpoint: LocalEndpoint, **changed: Any) -> Any:
    arguments = {
        "model": endpoint.chat_model,
        "messages": [{"role": "user", "content": "Say hi"}],
        "max_tokens": 4,
        "temperature": 0,
    }
    return client.chat.completions.create(**(arguments | changed))


def test_the_wire_is_openais(client: openai.OpenAI, endpoint: LocalEndpoint) -> None:
    assert [model.id for model in client.models.list()] == [endpoint.chat_model, endpoint.embedding_model]
    answer = create(client, endpoint)
    assert answer.model == endpoint.chat_model == "smollm2-135m-instruct-q4_1"
    assert answer.usage.completion_tokens == 4
    assert answer.choices[0].message.content


@pytest.mark.parametrize("dialect", ["grammar", "json_schema"])
def test_the_answer_is_one_of_the_labels(client: openai.OpenAI, endpoint: LocalEndpoint, dialect: Any) -> None:
    chat = OpenAIChat(client, endpoint.chat_model, structured_output=dialect)
    answers = chat.complete_many([question("Train to Lyon"), question("Pens")])
    assert {answer.text for answer in answers} <= set(LABELS)
    assert all(answer.usage.prompt_tokens > 50 and answer.usage.cost_usd == 0 for answer in answers)


@pytest.mark.parametrize("label", ['a "b" \\ c', "ünï – 漢字", "two\nlines", "][)(|*"])
def test_a_label_of_any_characters_comes_back_as_it_is(
    client: openai.OpenAI, endpoint: LocalEndpoint, label: str
) -> None:
    chat = OpenAIChat(client, endpoint.chat_model, structured_output="grammar")
    assert chat.complete(question("Train to Lyon", (label,))).text == label


def test_answers_do_not_depend_on_order_neighbours_or_what_was_asked_before(
    client: openai.OpenAI, endpoint: LocalEndpoint
) -> None:
    texts = ("Train", "Train to Lyon and back", "Pens and paper for the front desk", "Dinner")
    bodies = [
        {
            "messages": [{"role": message.role, "content": message.content} for message in question(text).messages],
            "logprobs": True,
            "top_logprobs": 3,
        }
        for text in texts
    ]
    first = create(client, endpoint, **bodies[1])
    follow_up = {"role": "assistant", "content": first.choices[0].message.content}
    bodies.append({**bodies[1], "messages": [*bodies[1]["messages"], follow_up, {"role": "user", "content": "Why?"}]})

    def ask(body: Any) -> str:
        return str(create(client, endpoint, **body).choices[0].model_dump_json())

    with ThreadPoolExecutor(3) as pool:
        forward = list(pool.map(ask, bodies))
        backward = list(pool.map(ask, bodies[::-1]))[::-1]
        again = list(pool.map(ask, [body for body in bodies for _ in range(2)]))  # the same twice in a row, too
    assert forward == backward == again[::2] == again[1::2]


def test_a_shared_beginning_is_computed_once(client: openai.OpenAI, endpoint: LocalEndpoint) -> None:
    messages = [{"role": message.role, "content": message.content} for message in question("Train").messages]
    create(client, endpoint, messages=messages)
    other = create(client, endpoint, messages=[*messages[:-1], {"role": "user", "content": "Dinner for two"}])
    assert other.usage.prompt_tokens_details.cached_tokens > 40


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"messages": []}, 400),
        ({"messages": ["hi"]}, 400),
        ({"messages": [{"role": "user"}]}, 400),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, 400),
        ({"model": "gpt"}, 404),
        ({"stream": True}, 400),
        ({"max_tokens": 0}, 400),
        ({"n": 2}, 400),
        ({"extra_body": {"grammar": "root ::= ("}}, 400),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400),
    ],
)
def test_what_is_not_offered_is_said(
    client: openai.OpenAI, endpoint: LocalEndpoint, changed: dict[str, Any], status: int
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        create(client, endpoint, **changed)
    assert caught.value.status_code == status
    assert caught.value.type == "invalid_request_error"


def test_an_answer_without_a_limit_ends(client: openai.OpenAI, endpoint: LocalEndpoint) -> None:
    endless = {"grammar": 'root ::= "a" root'}
    answer = create(client, endpoint, max_tokens=None, extra_body=endless)
    assert answer.usage.completion_tokens == 128


def test_without_the_key_there_is_nothing(endpoint: LocalEndpoint) -> None:
    with open_client("guess", endpoint.base_url) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
            OpenAIChat(stranger, endpoint.chat_model).complete(question("Train"))


def test_near_meanings_have_near_vectors(client: openai.OpenAI, endpoint: LocalEndpoint) -> None:
    model = OpenAIEmbeddings(client, endpoint.embedding_model, batch_size=2)
    texts = ["How do I reset my password?", "I forgot my login secret", "The bus leaves at nine", ""]
    found = model.embed(texts)
    assert found.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    near, far = found[0] @ found[1], found[0] @ found[2]
    assert near > far + 0.2
    np.testing.assert_array_equal(model.embed(texts[::-1])[::-1], found)
    assert np.isfinite(model.embed(["long " * 2000])).all()


def test_both_encodings_of_a_vector_are_the_same(endpoint: LocalEndpoint) -> None:
    with open_client(endpoint.api_key, endpoint.base_url) as lenient:  # strictly validating clients refuse base64
        packed = lenient.embeddings.create(model=endpoint.embedding_model, input="hi").data[0].embedding
        plain = lenient.embeddings.create(model=endpoint.embedding_model, input="hi", encoding_format="float")
    np.testing.assert_array_equal(np.float32(packed), np.float32(plain.data[0].embedding))


def test_embeddings_do_not_wait_for_chats(client: openai.OpenAI, endpoint: LocalEndpoint) -> None:
    chats = [threading.Thread(target=create, args=(client, endpoint), kwargs={"max_tokens": 30}) for _ in range(5)]
    for chat in chats:
        chat.start()
    OpenAIEmbeddings(client, endpoint.embedding_model).embed(["hi"])
    waiting = sum(chat.is_alive() for chat in chats)
    for chat in chats:
        chat.join()
    assert waiting >= 3


def test_one_server_for_all_processes(models: LocalModels, endpoint: LocalEndpoint) -> None:
    code = (
        "import sys; from pathlib import Path; from glow_pipelines.providers.local.supervisor import LocalModels;"
        "print(LocalModels(Path(sys.argv[1])).start().base_url)"
    )
    command = [sys.executable, "-c", code, str(models._home.folder)]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {other.communicate(timeout=60)[0].strip() for other in others} == {endpoint.base_url}


def test_kill_9_another_configuration_and_stop(tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        starter = "from glow_pipelines.providers.local.supervisor import LocalModels; from pathlib import Path;"
        starter += f"LocalModels(Path({str(tmp_path)!r}), workers=1).start(); import os; os.kill(os.getpid(), 9)"
        one = LocalModels(tmp_path, workers=1)
        cleanup.callback(one.stop)
        assert subprocess.run([sys.executable, "-c", starter]).returncode == -9
        status = one.status()
        assert status.running  # its starter is dead, it is not
        assert one.start().base_url == f"http://127.0.0.1:{status.port}/v1"
        assert status.pid is not None
        os.kill(status.pid, signal.SIGKILL)
        wait_for_the_end_of(one)
        key = one.start().api_key
        second = one.status()
        assert second.running
        assert second.pid != status.pid
        assert LocalModels(tmp_path, workers=2).start().api_key == key
        assert one.status().pid != second.pid
        one.stop()
        assert (one.status().running, one.status().pid) == (False, None)
        one.stop()


def wait_for_the_end_of(models: LocalModels) -> None:
    deadline = time.monotonic() + 10
    while models.status().pid is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert models.status().pid is None
