"""Token counts by the tokenizer inside a GGUF file, and the estimate where there is none."""

import struct
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.learning.models.tokens import ESTIMATE
from glow_pipelines.providers.local.weights import ModelUnavailable, find_weights
from glow_pipelines.providers.tuning.tokenizers import read_metadata, token_counter
from glow_pipelines.settings import Settings


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf(about: dict[str, Any], version: int = 3) -> bytes:
    """The head of a GGUF file with texts, whole numbers and lists of texts."""
    out = b"GGUF" + struct.pack("<IQQ", version, 0, len(about))
    for name, value in about.items():
        out += text(name)
        if isinstance(value, list):
            out += struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        elif isinstance(value, int):
            out += struct.pack("<II", 4, value)
        else:
            out += struct.pack("<I", 8) + text(value)
    return out


TOY = {
    "general.name": "toy",
    "general.version": 7,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": ["a", "b", "1", "2", "Ġ", "ab", "Ġa", "Ġab"],
    "tokenizer.ggml.merges": ["a b", "Ġ ab"],
}


def settings(path: Path) -> Settings:
    return Settings.from_environment({"GLOW_LOCAL_MODEL": str(path)})


def test_tokens_are_counted_by_the_files_own_tokenizer(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the local extra is not installed")
    path = tmp_path / "toy.gguf"
    path.write_bytes(gguf(TOY) + b"weights")
    counter = token_counter("local", "toy", settings(path))
    assert (counter.name, counter.exact) == ("tokenizer of toy", True)
    assert [counter.count(each) for each in ("", "ab", "ab ab", "aab", "12")] == [0, 1, 2, 2, 2]
    assert counter.count("\ud800ab") >= 1  # half a surrogate pair is text a user can send


@pytest.mark.parametrize(
    "data",
    [
        b"", b"GGUF", b"no model", gguf(TOY, version=1), gguf(TOY)[:-20], gguf({**TOY, "tokenizer.ggml.pre": "other"}),
        gguf({"general.name": "no tokenizer"}), b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("x") + struct.pack("<IIQ", 9, 9, 1),
    ],
)  # fmt: skip
def test_a_file_without_a_known_tokenizer_is_estimated(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    assert token_counter("local", "m", settings(path)) is ESTIMATE


def test_other_services_are_estimated_without_a_tokenizer(tmp_path: Path) -> None:
    for provider in ("together", "fireworks", "none"):
        assert token_counter(provider, "m", Settings.from_environment({})) is ESTIMATE
    assert token_counter("local", "m", settings(tmp_path / "absent.gguf")) is ESTIMATE
    assert token_counter("openai", "no-such-model", Settings.from_environment({})) is ESTIMATE


def test_metadata_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "toy.gguf"
    path.write_bytes(gguf(TOY))
    with path.open("rb") as file:
        assert read_metadata(file) == TOY


def test_the_embedded_model_counts_as_its_makers_tokenizer_does() -> None:
    """Numbers from transformers' reading of the same file."""
    pytest.importorskip("tokenizers", reason="the local extra is not installed")
    try:
        find_weights(None)
    except ModelUnavailable as problem:
        pytest.skip(str(problem))
    counter = token_counter("local", "m", Settings.from_environment({}))
    assert counter.exact
    told = {"Where is my parcel? Order 12345, paid $1.50": NUMBERS[0], "Zoë's  café\n\n\tüber 日本語 🎉": NUMBERS[1]}
    assert {each: counter.count(each) for each in told} == told


NUMBERS = (19, 20)
