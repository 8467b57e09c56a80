"""A llama of two blocks that knows letters and nothing else: a real GGUF, read by llama.cpp and by transformers.

Belongs here: what tests train and serve in seconds. Its heads share keys, so that a wrong order of rows shows.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glow_pipelines.training.adapter import Architecture, Matrix, gguf_name, permute
from glow_pipelines.training.gguf_file import write_gguf

WIDTH, INNER, BLOCKS, HEADS, KEY_HEADS = 64, 96, 2, 4, 2
ARCHITECTURE = Architecture("llama", HEADS, KEY_HEADS)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SHAPES = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH // 2, WIDTH),
    "self_attn.v_proj": (WIDTH // 2, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}
MODULES = {f"model.layers.{block}.{name}": shape for block in range(BLOCKS) for name, shape in SHAPES.items()}


def letters() -> list[str]:
    """How byte-level vocabularies write the 256 bytes."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256)]


def weights(seed: int = 0) -> dict[str, Matrix]:
    """By module, in the order of transformers."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.15, shape).astype(np.float32) for name, shape in MODULES.items()}


def write_base(path: Path, modules: Mapping[str, Matrix] | None = None) -> Path:
    """The model with these weights, or the usual ones."""
    rng = np.random.default_rng(1)
    tokens = [*CONTROL, *letters(), "Ġt"]
    tensors: dict[str, Matrix] = {
        "token_embd.weight": rng.normal(0, 0.5, (len(tokens), WIDTH)).astype(np.float32),
        "output_norm.weight": np.ones(WIDTH, np.float32),
    }
    for block in range(BLOCKS):
        for norm in ("attn_norm", "ffn_norm"):
            tensors[f"blk.{block}.{norm}.weight"] = np.ones(WIDTH, np.float32)
    for name, matrix in (modules or weights()).items():
        heads = HEADS if "q_proj" in name else KEY_HEADS if "k_proj" in name else 0
        tensors[gguf_name(name)] = permute(matrix, heads) if heads else matrix
    write_gguf(
        path,
        {
            "general.architecture": "llama",
            "general.name": "tiny",
            "llama.block_count": BLOCKS,
            "llama.context_length": 512,
            "llama.embedding_length": WIDTH,
            "llama.feed_forward_length": INNER,
            "llama.attention.head_count": HEADS,
            "llama.attention.head_count_kv": KEY_HEADS,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "llama.rope.freq_base": 10000.0,
            "llama.rope.dimension_count": WIDTH // HEADS,
            "llama.vocab_size": len(tokens),
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "smollm",
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)),
            "tokenizer.ggml.merges": ["Ġ t"],
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.unknown_token_id": 0,
            "tokenizer.ggml.padding_token_id": 2,
            "tokenizer.ggml.add_bos_token": False,
            "tokenizer.chat_template": TEMPLATE,
        },
        tensors,
    )
    return path


def supervised(asked: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "Which?"},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answer},
        ]
    }


def preference(asked: str, better: str, worse: str) -> dict[str, Any]:
    outputs = [[{"role": "assistant", "content": each}] for each in (better, worse)]
    asking = {"messages": supervised(asked, "")["messages"][:2]}
    return {"input": asking, "preferred_output": outputs[0], "non_preferred_output": outputs[1]}


def write_job(
    folder: Path,
    base: Path,
    lines: Sequence[object],
    *,
    validation: Sequence[object] = (),
    method: str = "supervised",
    seed: int = 3,
    **hyperparameters: object,
) -> Path:
    """A job as a server leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"base": str(base), "method": method, "hyperparameters": hyperparameters, "seed": seed, "id": "ftjob-1"}
    (folder / "job.json").write_text(json.dumps(told), "utf-8")
    for name, rows in (("train.jsonl", lines), ("validation.jsonl", validation)):
        if rows:
            (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return folder


def served(base: Path, adapter: Path | None = None) -> Any:
    """llama.cpp with the model, and the adapter if there is one."""
    import xllamacpp as llama

    parameters = llama.CommonParams()
    parameters.model.path = str(base)
    if adapter is not None:
        parameters.lora_adapters = [llama.CommonAdapterLoraInfo(str(adapter), 1.0)]
    parameters.n_parallel, parameters.n_ctx = 1, 512
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.n_gpu_layers, parameters.verbosity = 0, 0
    parameters.warmup = parameters.fit_params = parameters.ui = False
    return llama.Server(parameters)


def first_token(server: Any, messages: Sequence[Mapping[str, str]], count: int = 40) -> dict[str, float]:
    """Log-probabilities of the first token, the most probable ones, before the grammar has the model say a letter."""
    body = {"messages": messages, "max_tokens": 1, "temperature": 0, "grammar": "root ::= [a-z]+"}
    answer = server.handle_chat_completions({**body, "logprobs": True, "top_logprobs": count})
    told = answer["choices"][0]["logprobs"]["content"][0]
    return {each["token"]: each["logprob"] for each in told["top_logprobs"]}


def answer(server: Any, asked: str) -> str:
    """The answer to a supervised line's question."""
    body = {"messages": supervised(asked, "")["messages"][:2], "max_tokens": 6, "temperature": 0}
    return str(server.handle_chat_completions(body)["choices"][0]["message"]["content"])
