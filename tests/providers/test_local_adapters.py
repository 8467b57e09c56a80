"""Models that were trained, served beside the base by the real embedded server; and the base, which must not notice."""

import os
import shlex
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from glow_pipelines.providers.local import engines, weights
from glow_pipelines.providers.local.engines import ChatEngine
from glow_pipelines.providers.local.remembered import Remembered
from glow_pipelines.providers.local.supervisor import LocalModels
from glow_pipelines.providers.local.tuning import lease
from tests.providers.adapter_file import write_adapter
from tests.providers.tuning_server import LINES, TINY, as_file, strict, until

try:
    FILES = weights.find_weights(None)
except weights.ModelUnavailable as error:
    pytest.skip(f"no embedded models: {error}", allow_module_level=True)
pytest.importorskip("xllamacpp")

BEGIN = {"role": "system", "content": "Name the account of the expense: travel, meals or office. " * 4}


def body(text: str) -> dict[str, Any]:
    messages = [BEGIN, {"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 2, "temperature": 0, "logprobs": True, "top_logprobs": 3}


def test_the_base_answers_to_the_last_bit_as_without_adapters(tmp_path: Path) -> None:
    nothing, some = (tmp_path / f"{name}.gguf" for name in ("nothing", "some"))
    write_adapter(nothing, 0.0)
    write_adapter(some, 1.0)
    texts = ("Train", "Train to Lyon and back")
    alone = ChatEngine(FILES.chat, 1, 1, "key", Remembered(tmp_path / "checked.json"))
    truth = [alone._complete(body(text), reuse=False)["choices"] for text in texts]
    del alone
    engine = ChatEngine(FILES.chat, 1, 2, "key", Remembered(tmp_path / "checked.json"))
    order = [(text, adapter) for text in texts for adapter in (None, some, nothing, None)]
    order += [(text, adapter) for adapter in (some, None) for text in texts]
    with ThreadPoolExecutor(2) as pool:
        given = list(pool.map(lambda each: engine.complete(body(each[0]), each[1])["choices"], order))
    answers: dict[Any, list[Any]] = {}
    for asked, answer in zip(order, given, strict=True):
        answers.setdefault(asked, []).append(answer)
    assert all(answer == found[0] for found in answers.values() for answer in found)  # whatever came in between
    for text, right in zip(texts, truth, strict=True):
        assert answers[text, None][0] == answers[text, nothing][0] == right
        assert answers[text, some][0] != right


class Instance:
    """In llama.cpp's place: tells which adapter it was loaded with."""

    def __init__(self, adapter: Path | None) -> None:
        self.adapter = adapter

    def handle_chat_completions(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [str(self.adapter)], "usage": {"prompt_tokens": 9}}


def test_few_adapters_are_held_and_the_base_is_never_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(*given: Any) -> Instance:
        adapter = given[4] if len(given) > 4 else None
        if adapter is not None and not adapter.exists():
            raise RuntimeError("Failed to init server")
        loaded.append(adapter.name if adapter else "base")
        return Instance(adapter)

    monkeypatch.setattr(engines, "_load", load)
    monkeypatch.setattr(ChatEngine, "_reuse_is_exact", lambda *_: True)
    paths = {name: tmp_path / name for name in "abcd"}
    for name in "abc":
        paths[name].touch()
    engine = ChatEngine(FILES.chat, 1, 1, "key", Remembered(tmp_path / "checked.json"))
    for name in ("a", "b", "a", "", "c", "a", "b", ""):  # two are held: c drops b, which was idle longest, then b c
        adapter = paths.get(name)
        assert engine.complete(body("x"), adapter)["choices"] == [str(adapter)]
    assert loaded == ["base", "a", "b", "c", "b"]
    for _ in range(4):
        assert engine.complete(body("x"), paths["d"])["error"]["code"] == 500
    assert engine.complete(body("x"), paths["a"])["choices"] == [str(paths["a"])]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield (folder := tmp_path_factory.mktemp("models"))
    LocalModels(folder, workers=1, trainer=shlex.join(TINY)).stop()


def test_a_job_of_the_embedded_server_becomes_a_model_that_answers_otherwise(home: Path) -> None:
    models = LocalModels(home, workers=1, trainer=shlex.join(TINY))
    endpoint = models.start()
    with strict(endpoint.base_url).with_options(api_key=endpoint.api_key, timeout=60) as client:

        def ask(model: str) -> Any:
            answer = client.chat.completions.create(model=model, **body("Train to Lyon"))
            assert answer.model == model
            return answer.choices

        before = ask(endpoint.chat_model)
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="guess").fine_tuning.jobs.list()
        file = client.files.create(file=as_file(LINES), purpose="fine-tune")
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
        job = client.fine_tuning.jobs.create(model=endpoint.chat_model, training_file=file.id, method=method, seed=1)
        done: Any = until(lambda: found if (found := client.fine_tuning.jobs.retrieve(job.id)).finished_at else None)
        assert done.status == "succeeded"
        names = [endpoint.chat_model, endpoint.embedding_model, done.fine_tuned_model]
        assert [model.id for model in client.models.list()] == names
        tuned = ask(done.fine_tuned_model)
        checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[0].fine_tuned_model_checkpoint
        assert len({str(choices) for choices in (before, tuned, ask(checkpoint))}) == 3
        assert ask(endpoint.chat_model) == before

        pid = models.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: models.status().pid is None)
        again = models.start()
    with strict(again.base_url).with_options(api_key=again.api_key, timeout=60) as client:
        assert ask(done.fine_tuned_model) == tuned
        assert ask(again.chat_model) == before
        client.models.delete(done.fine_tuned_model)
        with pytest.raises(openai.NotFoundError):
            ask(done.fine_tuned_model)


def test_stopping_the_server_ends_training(home: Path) -> None:
    models = LocalModels(home, workers=1, trainer=shlex.join(TINY))
    endpoint = models.start()
    with strict(endpoint.base_url).with_options(api_key=endpoint.api_key, timeout=60) as client:
        file = client.files.create(file=as_file(LINES), purpose="fine-tune")
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}}
        job = client.fine_tuning.jobs.create(model=endpoint.chat_model, training_file=file.id, method=method, seed=1)
        folder = home / "tuning" / "jobs" / job.id
        until((folder / "began.txt").exists)
    assert lease.holder(folder)
    models.stop()
    assert lease.holder(folder) is None
