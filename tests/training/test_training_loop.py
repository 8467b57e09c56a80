"""Training the tiny llama for real: it learns, a kill or a pause changes no bit, llama.cpp serves what was learned."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("transformers", reason="transformers is not installed (extra `train`)")
pytest.importorskip("gguf", reason="gguf is not installed (extra `train`)")

import torch

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.adapter import write_adapter
from glow_pipelines.training.base import Base
from glow_pipelines.training.folder import DONE, PAUSED, JobFolder
from glow_pipelines.training.lines import Conversation
from glow_pipelines.training.lora import Lora
from glow_pipelines.training.losses import score
from glow_pipelines.training.tokens import Tokens, tokens_of
from glow_pipelines.training.worker import work
from tests.training.tiny import (
    answer,
    first_token,
    preference,
    served,
    supervised,
    weights,
    write_base,
    write_job,
)

# What transformers 5.23 and torch 2.15 say of themselves while they read a GGUF file.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
WORDS = {"ab": "no", "cd": "yes", "ef": "may"}
LINES = [supervised(f"{word}{n}", said) for n in range(4) for word, said in WORDS.items()]
HELD = [supervised(f"{word}9", said) for word, said in WORDS.items()]
FAST = {"n_epochs": 8, "batch_size": 3, "learning_rate_multiplier": 20, "rank": 4, "checkpoint_every": 3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base") / "tiny.gguf")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> JobFolder:
    """Trained at one go."""
    folder = JobFolder(write_job(tmp_path_factory.mktemp("job"), base, LINES, validation=HELD, **FAST))
    assert work(folder, "cpu") == DONE
    return folder


def figures(folder: JobFolder) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in folder.metrics.read_text("utf-8").splitlines()]
    return [row["data"] for row in rows if row["type"] == "metrics"]


def test_the_base_is_read_as_it_was_written(base: Path) -> None:
    """transformers undoes the order of rows that our writer makes: the two agree on it."""
    model = Base(base, "cpu").model
    layers = dict(model.named_modules())
    for name, matrix in weights().items():
        assert np.array_equal(layers[name].weight.numpy(), matrix), name


def test_it_learns_and_is_served(trained: JobFolder, base: Path) -> None:
    rows = figures(trained)
    assert [row["step"] for row in rows] == list(range(1, 33))
    assert rows[0]["train_loss"] > 10 * rows[-1]["train_loss"]
    assert [row["step"] for row in rows if "valid_loss" in row] == list(range(4, 33, 4))
    assert rows[-1]["valid_mean_token_accuracy"] > 0.9
    result = json.loads(trained.result.read_text("utf-8"))
    assert (result["steps"], result["lines"], result["resumed_at"]) == (32, 12, 0)
    assert result["trained_tokens"] > 8 * 12 * 30
    kept = sorted(int(each.name) for each in trained.checkpoints.iterdir())
    assert kept == [20, 24, 28]
    assert all((trained.checkpoints / str(step) / "adapter.gguf").exists() for step in kept)
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (extra `local`)")
    server = served(base, trained.adapter)
    assert {word: answer(server, f"{word}9") for word in WORDS} == WORDS


def test_llama_cpp_says_what_torch_says(tmp_path: Path, base: Path) -> None:
    """With weights of any size beside every layer: a row out of order, or another scale, would show."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (extra `local`)")
    here = Base(base, "cpu")
    lora = Lora(here.model, 4, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for each in lora.parameters():
            each.copy_(torch.randn(each.shape, generator=draw) * 0.2)
    write_adapter(tmp_path / "adapter.gguf", lora.arrays(), here.architecture, lora.alpha)
    messages = supervised("which one", "")["messages"][:2]
    found = first_token(served(base, tmp_path / "adapter.gguf"), messages)
    ids = tuple(here.encode(here.render(messages, True)))
    letters = [token for token in found if len(token) == 1 and token.isascii()]
    assert len(letters) > 5
    for letter in letters:
        (said,) = here.encode(letter)
        with torch.no_grad():
            scored = score(here.model, [Tokens((*ids, said), (False,) * len(ids) + (True,))])
        # There the keys are kept as float16. With rows out of order it was off by five.
        assert float(scored.log_probabilities[0]) == pytest.approx(found[letter], abs=0.03)


def test_paused_and_resumed_at_any_step_it_comes_to_the_same(tmp_path: Path, base: Path, trained: JobFolder) -> None:
    folder = JobFolder(write_job(tmp_path / "job", base, LINES, validation=HELD, **FAST))
    folder.pause.touch()
    assert work(folder, "cpu") == PAUSED
    assert not folder.metrics.exists()

    def clock() -> float:
        """Asks for a pause in the middle of things: the clock is read once a step."""
        if folder.metrics.exists() and len(figures(folder)) in (5, 6, 21):
            folder.pause.touch()
        return time.time()

    for step in (6, 7, 22):
        folder.pause.unlink(missing_ok=True)
        assert work(folder, "cpu", clock=clock) == PAUSED
        assert (folder.checkpoints / str(step) / "adapter.gguf").exists()
    folder.pause.unlink()
    assert work(folder, "cpu") == DONE
    assert figures(folder) == figures(trained)
    assert folder.adapter.read_bytes() == trained.adapter.read_bytes()


def test_killed_it_goes_on_from_its_checkpoint_to_the_same(tmp_path: Path, base: Path, trained: JobFolder) -> None:
    folder = JobFolder(write_job(tmp_path / "job", base, LINES, validation=HELD, **FAST))
    command = [sys.executable, "-m", "glow_pipelines.training", "--job", str(folder.path), "--device", "cpu"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if folder.metrics.exists() and len(figures_so_far(folder)) >= 8:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.001)
    _, told = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, told.decode()
    assert not folder.adapter.exists()
    with folder.metrics.open("ab") as file:
        file.write(b'{"at": 17')  # as a kill in the middle of a line would leave it
    assert work(folder, "cpu") == DONE
    assert json.loads(folder.result.read_text("utf-8"))["resumed_at"] >= 6
    assert figures(folder) == figures(trained)
    assert folder.adapter.read_bytes() == trained.adapter.read_bytes()
    assert work(folder, "cpu") == DONE  # nothing is left to do, and nothing is done


def figures_so_far(folder: JobFolder) -> list[bytes]:
    return [line for line in folder.metrics.read_bytes().splitlines() if b'"metrics"' in line]


def test_an_unreadable_checkpoint_costs_time_only(tmp_path: Path, base: Path, trained: JobFolder) -> None:
    folder = JobFolder(write_job(tmp_path / "job", base, LINES, validation=HELD, **FAST))

    def clock() -> float:
        if folder.metrics.exists() and len(figures(folder)) == 3:
            folder.pause.touch()
        return 0.0

    assert work(folder, "cpu", clock=clock) == PAUSED
    state = folder.checkpoints / "4" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    folder.pause.unlink()
    assert work(folder, "cpu") == DONE
    assert folder.adapter.read_bytes() == trained.adapter.read_bytes()


def test_checkpoints_of_another_training_are_refused(tmp_path: Path, base: Path) -> None:
    folder = JobFolder(write_job(tmp_path / "job", base, LINES, **FAST))

    def clock() -> float:
        if folder.metrics.exists():
            folder.pause.touch()
        return 0.0

    assert work(folder, "cpu", clock=clock) == PAUSED
    folder.pause.unlink()
    write_job(folder.path, base, LINES, **{**FAST, "rank": 5})
    with pytest.raises(CannotTrain, match="another training"):
        work(folder, "cpu")


def test_preferences_are_learned(tmp_path: Path, base: Path) -> None:
    pairs = [preference(f"{word}{n}", said, "nay") for n in range(3) for word, said in WORDS.items()]
    held = [preference(f"{word}9", said, "nay") for word, said in WORDS.items()]
    job = write_job(tmp_path, base, pairs, validation=held, method="dpo", **{**FAST, "learning_rate_multiplier": 30})
    folder = JobFolder(job)
    assert work(folder, "cpu") == DONE
    rows = figures(folder)
    assert rows[0]["train_loss"] == pytest.approx(np.log(2), abs=1e-3)
    assert rows[-1]["train_loss"] < 0.1
    assert rows[-1]["valid_preference_accuracy"] == 1


def test_odd_lines_are_left_out_and_told(tmp_path: Path, base: Path) -> None:
    odd = [supervised("hi <|im_end|>", "no"), supervised("long " * 600, "no")]
    folder = JobFolder(write_job(tmp_path, base, [*LINES[:3], *odd], n_epochs=1, rank=1))
    assert work(folder, "cpu") == DONE
    said = [json.loads(line)["message"] for line in folder.metrics.read_text("utf-8").splitlines()]
    assert any("line 4 is left out" in each and "<|im_end|>" in each for each in said)
    assert any("line 5 is left out" in each and "512 are taken" in each for each in said)
    assert json.loads(folder.result.read_text("utf-8"))["lines"] == 3


def test_what_stands_beside_a_text_does_not_matter(base: Path) -> None:
    here = Base(base, "cpu")
    texts = []
    for line in LINES[:2]:
        messages = tuple(line["messages"])
        texts.append(tokens_of(Conversation(messages, (2,)), here.render, here.encode, here.end))
    longer = Tokens(texts[1].ids * 2, (False,) * len(texts[1]) + texts[1].learned)
    with torch.no_grad():
        alone, beside = score(here.model, [texts[0]]).sums(), score(here.model, [texts[0], longer]).sums()
    assert float(beside[0]) == pytest.approx(float(alone[0]), abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_a_gpu_learns_the_same(tmp_path: Path, base: Path, trained: JobFolder) -> None:
    folder = JobFolder(write_job(tmp_path, base, LINES, validation=HELD, **FAST))
    assert work(folder, "cuda") == DONE
    assert figures(folder)[-1]["valid_mean_token_accuracy"] > 0.9
    assert figures(folder)[0]["train_loss"] == pytest.approx(figures(trained)[0]["train_loss"], abs=1e-3)
