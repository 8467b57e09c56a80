"""What is said when the weights of the embedded models are not what they should be, and what a home remembers."""

from dataclasses import replace
from pathlib import Path

import pytest

from glow_pipelines.providers.local import weights
from glow_pipelines.providers.local.home import Home, Wanted
from glow_pipelines.providers.local.remembered import Remembered
from glow_pipelines.providers.local.supervisor import LocalModels


def test_a_chat_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(weights.ModelUnavailable, match=r"GLOW_LOCAL_MODEL=.*nowhere\.gguf"):
        LocalModels(tmp_path, tmp_path / "nowhere.gguf").start()
    assert not LocalModels(tmp_path).status().running


def test_weights_that_are_not_installed_come_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights._FILES, "chat", ("no-such-package-of-weights", ".gguf", "0"))
    with pytest.raises(weights.ModelUnavailable, match=r"no-such-package-of-weights.*requirements/models\.txt"):
        weights.find_weights(None)


def stand_ins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> weights.Weights:
    """Three small files that pass for weights: their true hashes stand where the real ones did."""
    found = {}
    for kind, (package, suffix, _) in list(weights._FILES.items()):
        found[kind] = folder / kind
        found[kind].write_bytes(b"GGUF" + kind.encode())
        true = weights.hashlib.sha256(found[kind].read_bytes()).hexdigest()
        monkeypatch.setitem(weights._FILES, kind, (package, suffix, true))
    return weights.Weights(found["chat"], "stand-in", found["embedding"], found["tokenizer"])


def test_files_are_hashed_once_and_again_when_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, remembered = stand_ins(tmp_path, monkeypatch), Remembered(tmp_path / "checked.json")
    weights.check_weights(files, False, remembered)
    with monkeypatch.context() as patch:
        patch.delattr(weights.hashlib, "file_digest")  # would raise if it were needed
        weights.check_weights(files, False, remembered)
    files.embedding.write_bytes(b"something else")
    with pytest.raises(weights.ModelUnavailable, match=r"embedding .*unknown content"):
        weights.check_weights(files, False, remembered)


def test_a_chat_model_of_ones_own_must_be_a_gguf_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, remembered = stand_ins(tmp_path, monkeypatch), Remembered(tmp_path / "checked.json")
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    weights.check_weights(replace(files, chat=own), True, remembered)
    own.write_bytes(b"PK")
    with pytest.raises(weights.ModelUnavailable, match="not a GGUF file"):
        weights.check_weights(replace(files, chat=own), True, remembered)


def test_what_is_remembered_survives_and_what_is_broken_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "checked.json"
    Remembered(path).put("a", True)
    Remembered(path).put("b", False)
    again = Remembered(path)
    assert (again.get("a"), again.get("b"), again.get("c")) == (True, False, None)
    path.write_text("{")
    assert again.get("a") is None


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = Home(tmp_path).api_key()
    assert len(key) > 20
    assert Home(tmp_path).api_key() == key
    assert (tmp_path / "models.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("threads", "workers", "named"), [(0, 1, "threads"), (1, 0, "workers")])
def test_less_than_one_thread_or_worker_is_refused(threads: int, workers: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Wanted.of(None, threads, workers)
