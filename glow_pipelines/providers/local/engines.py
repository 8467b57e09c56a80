"""The two models in memory.

Belongs here: loading them with settings that make answers repeatable, and calling them. Does not: HTTP (server), nor
waiting for a turn: callers see to it that no more calls are made at once than there are instances.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.providers.local.remembered import Remembered, identity
from glow_pipelines.providers.local.turns import Messages, common

CONTEXT = 4096


class AdapterUnreadable(RuntimeError):
    """The file of an adapter is gone, or does not fit the base."""


LONGEST_TEXT = 256
"""Tokens the embedding model was trained to read; the rest of a longer text is cut."""


@dataclass(eq=False)
class _Instance:
    """One llama.cpp with one slot, and what that slot holds: the conversation and the prompt's length in tokens."""

    server: Any
    adapter: Path | None = None
    messages: Sequence[Any] = ()
    prompt_tokens: int = 0


def conversation(messages: Messages, adapter: Path | None) -> Messages:
    """What a slot holds after reading messages: with another adapter the same words are another beginning."""
    return [(adapter, messages[0]), *messages[1:]]


class ChatEngine:
    """llama.cpp, `workers` instances with one slot each, so that no answer depends on what runs beside it.

    A shared beginning of prompts is computed once (2.8 s -> 0.35 s for 290 of 326 tokens) but only where that cannot
    change an answer. With llama.cpp's defaults it did: 68 of 72 requests got other log-probabilities and 3 another
    answer after another request. Three causes, each shut out here: flash attention tiles by batch; a single token is
    computed by another kernel than several, so neither generated tokens nor a last one alone may count as prompt; and
    a prompt must not be cut into batches, as the last of those may be a single token.

    An adapter is given to an instance when that is loaded, and the base has instances of its own which never had one:
    the base's answers cannot depend on adapters. Those of adapters (200 MB, half a second each) are loaded on demand;
    beyond two per worker, the one that was idle for the longest is dropped.
    """

    def __init__(self, model: Path, threads: int, workers: int, api_key: str, remembered: Remembered) -> None:
        import xllamacpp as llama

        self._lock, self._proving = threading.Lock(), threading.Lock()
        self._load = partial(_load, llama, model, threads, api_key)
        self._idle = [_Instance(self._load()) for _ in range(workers)]
        self._most_adapted, self._adapted = 2 * workers, 0
        # Other processors and quantizations have other kernels: proven per machine and file, or not used.
        self._fact = f"prompt reuse is exact {identity(model)} {llama.__version__} {llama.get_system_info()}"
        self._remembered, self._exact = remembered, dict[Path | None, bool]()
        self._reuse = self._may_reuse(None)

    def read_last(self) -> list[Messages]:
        """The conversations that idle instances need not read again."""
        with self._lock:
            return [instance.messages for instance in self._idle]

    def complete(self, body: Mapping[str, Any], adapter: Path | None = None) -> dict[str, Any]:
        """The answer, or llama.cpp's error object, to a chat completion request. At most `workers` calls at once."""
        try:
            return self._complete(body, self._may_reuse(adapter), adapter)
        except AdapterUnreadable as error:
            return {"error": {"code": 500, "message": str(error)}}

    def _complete(self, body: Mapping[str, Any], reuse: bool, adapter: Path | None = None) -> dict[str, Any]:
        messages = conversation(body["messages"], adapter)
        instance = self._take(messages, adapter)
        try:
            answer = _ask(instance.server, body, reuse)
            if reuse and "timings" in answer:
                timings = answer["timings"]
                if timings["prompt_n"] < 2 or timings["cache_n"] > instance.prompt_tokens:
                    answer = _ask(instance.server, body, reuse=False)
            instance.messages = messages
            # After an error the slot may hold anything: nothing of it counts as prompt.
            instance.prompt_tokens = answer["usage"]["prompt_tokens"] if "usage" in answer else 0
        finally:
            with self._lock:
                self._idle.append(instance)
        return answer

    def _take(self, messages: Messages, adapter: Path | None) -> _Instance:
        """An idle instance with the adapter, loaded where there is none. Raises AdapterUnreadable."""
        dropped = None
        with self._lock:
            fitting = [each for each in self._idle if each.adapter == adapter]
            if fitting:
                instance = max(fitting, key=lambda each: common(each.messages, messages))
                self._idle.remove(instance)
                return instance
            if self._adapted < self._most_adapted:
                self._adapted += 1
            else:  # there is one: at most `workers` are busy. The first has been idle for the longest
                dropped = next(each for each in self._idle if each.adapter is not None)
                self._idle.remove(dropped)
        del dropped  # before the next is loaded: its memory is given back here
        try:
            return _Instance(self._load(adapter), adapter)
        except RuntimeError as error:
            with self._lock:
                self._adapted -= 1
            name = "" if adapter is None else adapter.name
            raise AdapterUnreadable(f"the adapter {name} cannot be loaded: {error}") from error

    def _may_reuse(self, adapter: Path | None) -> bool:
        """Whether reuse is exact with this adapter: found out on its first use, remembered in the home."""
        with self._proving:
            if adapter not in self._exact:
                fact = self._fact if adapter is None else f"{self._fact} with {_identity(adapter)}"
                known = self._remembered.get(fact)
                self._exact[adapter] = self._reuse_is_exact(adapter) if known is None else known
                if known is None:
                    self._remembered.put(fact, self._exact[adapter])
            return self._exact[adapter]

    def _reuse_is_exact(self, adapter: Path | None) -> bool:
        """Whether a few prompts get the same log-probabilities with and without a reused beginning."""
        # Over 64 tokens: shorter prompts are one tile of flash attention, and showed no difference.
        system = {"role": "system", "content": "Name the account: travel, meals or office. " * 8}
        bodies = [
            {
                "messages": [system, {"role": "user", "content": text}],
                "max_tokens": 3,
                "temperature": 0,
                "logprobs": True,
            }
            for text in ("Taxi from the station to the client and back", "Taxi")
        ]
        plain = [self._complete(body, False, adapter).get("choices") for body in bodies]
        reused = [self._complete(body, True, adapter).get("choices") for body in bodies]
        return plain == reused


class EmbeddingEngine:
    """MiniLM under onnxruntime: mean of the last hidden state over the text's own tokens, length 1."""

    def __init__(self, model: Path, tokenizer: Path, threads: int) -> None:
        import onnxruntime
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(LONGEST_TEXT)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        """Vectors, shape (len(texts), 384), and the number of tokens read.

        One text at a time: on a processor batches of 32 were no faster (130 texts per CPU second either way), padding
        halved long ones, and memory stays at 230 MB instead of 608 MB.
        """
        rows, tokens = [], 0
        for encoding in self._tokenizer.encode_batch(list(texts)):
            ids = np.array([encoding.ids], dtype=np.int64)
            tokens += ids.shape[1]
            hidden = self._session.run(
                None,
                {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)},
            )[0][0]
            mean = hidden.mean(axis=0)
            rows.append(mean / np.linalg.norm(mean))
        return np.asarray(rows, dtype=np.float32), tokens


def _identity(adapter: Path) -> str:
    try:
        return identity(adapter)
    except OSError as error:
        raise AdapterUnreadable(f"the adapter {adapter.name} is gone") from error


def _load(llama: Any, model: Path, threads: int, api_key: str, adapter: Path | None = None) -> Any:
    parameters = llama.CommonParams()
    parameters.model.path = str(model)
    parameters.n_parallel = 1
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = CONTEXT
    # llama.cpp spins at barriers: two threads on a busy core were ten times slower than one.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.cache_ram_mib = 0  # by default up to 8 GiB of old prompts, their generated tokens among them
    parameters.n_ctx_checkpoints = 0
    parameters.n_gpu_layers = 0
    parameters.warmup = parameters.fit_params = False
    parameters.ui = False
    parameters.verbosity = 0
    if adapter is not None:
        parameters.lora_adapters = [llama.CommonAdapterLoraInfo(str(adapter), 1.0)]
    parameters.api_keys = [api_key]  # each instance listens too, on a port of its own
    return llama.Server(parameters)


def _ask(server: Any, body: Mapping[str, Any], reuse: bool) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = server.handle_chat_completions({**body, "stream": False, "cache_prompt": reuse})
    except ValueError as error:  # how llama.cpp refuses what it cannot read
        return {"error": {"code": 400, "message": str(error)}}
    return answer
