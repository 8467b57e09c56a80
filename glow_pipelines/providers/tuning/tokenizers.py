"""The tokenizer of a model to be trained, where one is at hand: the embedded model's own, tiktoken where installed.

Belongs here: finding it and saying what was found. Does not: what of a line is counted (learning/models/tokens).
Nothing is fetched: tiktoken's table is used only where it lies in its cache already.
"""

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from glow_pipelines.learning.models.tokens import ESTIMATE, TokenCounter
from glow_pipelines.providers.local.weights import ModelUnavailable, find_weights
from glow_pipelines.settings import Settings

# The tables that tiktoken downloads at first use, by encoding.
_TABLES = {
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
}
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST = 10_000_000  # items of a list: a damaged file must not fill the memory
# How text is cut before merging, by the name a GGUF file gives it; models of other names are estimated.
_DIGITS_APART = {"smollm"}


def token_counter(provider: str, base_model: str, settings: Settings) -> TokenCounter:
    """The counter for a base model; the estimate, which says so, where no tokenizer is at hand."""
    if provider == "local":
        try:
            return _of_gguf(find_weights(settings.local_model).chat) or ESTIMATE
        except ModelUnavailable:
            return ESTIMATE
    if provider in ("openai", "azure"):
        return _tiktoken(base_model) or ESTIMATE
    return ESTIMATE


def _tiktoken(base_model: str) -> TokenCounter | None:
    try:
        tiktoken = import_module("tiktoken")  # optional, and without it nothing is lost but exactness
        name = tiktoken.encoding_name_for_model(base_model)
        folder = os.environ.get("TIKTOKEN_CACHE_DIR") or str(Path(tempfile.gettempdir()) / "data-gym-cache")
        table = Path(folder) / hashlib.sha1(_TABLES[name].encode(), usedforsecurity=False).hexdigest()
        if not table.is_file():
            return None
        encoding = tiktoken.get_encoding(name)
    except (ImportError, LookupError, OSError, ValueError):
        return None
    return TokenCounter(f"tiktoken {name}", lambda text: len(encoding.encode_ordinary(text)), exact=True, per_message=4)


@cache
def _of_gguf(path: Path) -> TokenCounter | None:
    try:
        with path.open("rb") as file:
            about = read_metadata(file)
        count = _bpe(about)
    except (ImportError, OSError, ValueError, LookupError, TypeError):
        return None
    name = str(about.get("general.name") or path.stem)
    return None if count is None else TokenCounter(f"tokenizer of {name}", count, exact=True)


def _bpe(about: dict[str, Any]) -> Callable[[str], int] | None:
    if about.get("tokenizer.ggml.model") != "gpt2" or about.get("tokenizer.ggml.pre") not in _DIGITS_APART:
        return None
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    merges = [tuple(merge.split(" ", 1)) for merge in about["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(about["tokenizer.ggml.tokens"])}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return lambda text: len(tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids)


def read_metadata(file: BinaryIO) -> dict[str, Any]:
    """The metadata of a GGUF file (version 2 or 3), which stand before its weights. Raises ValueError on any other."""
    if file.read(4) != b"GGUF" or _scalar(file, "I") not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    _scalar(file, "Q")  # how many tensors
    count = _scalar(file, "Q")
    if count > _MOST:
        raise ValueError("damaged GGUF file")
    return {_string(file): _value(file, _scalar(file, "I")) for _ in range(count)}


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, length = _scalar(file, "I"), _scalar(file, "Q")
        if length > _MOST or inner == _ARRAY:
            raise ValueError("damaged GGUF file")
        return [_value(file, inner) for _ in range(length)]
    if kind not in _SCALARS:
        raise ValueError(f"a GGUF value of kind {kind}, which nobody knows")
    return _scalar(file, _SCALARS[kind])


def _string(file: BinaryIO) -> str:
    return _bytes(file, _scalar(file, "Q")).decode("utf-8", "replace")


def _scalar(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", _bytes(file, struct.calcsize(f"<{code}")))[0]


def _bytes(file: BinaryIO, length: int) -> bytes:
    if length > _MOST or len(found := file.read(length)) < length:
        raise ValueError("the GGUF file ends too early")
    return found
