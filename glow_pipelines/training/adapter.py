"""A LoRA adapter as llama.cpp reads it: what its tensors are called, and in which order their rows stand.

Belongs here: layout, in numpy. Does not: bytes (gguf_file), learning the weights (lora).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.gguf_file import Value, write_gguf

Matrix = NDArray[np.float32]
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_LINEAR = re.compile(r"model\.layers\.([0-9]+)\.(self_attn\.[qkvo]_proj|mlp\.(?:gate|up|down)_proj)")
# Whether llama.cpp keeps the rows of q and k in another order than transformers does.
_PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}


@dataclass(frozen=True)
class Architecture:
    """Of the base. `name` as in GGUF's general.architecture. Raises CannotTrain for one whose layout is not known."""

    name: str
    heads: int
    key_heads: int

    def __post_init__(self) -> None:
        if self.name not in _PERMUTED:
            raise CannotTrain(
                f"the base is a {self.name!r}; adapters are written for {', '.join(_PERMUTED)}: choose such a base"
            )


def is_adapted(name: str) -> bool:
    """Whether a module of transformers, by its full name, is one of the linear layers of a block."""
    return _LINEAR.fullmatch(name) is not None


def gguf_name(name: str) -> str:
    """The tensor that is called so there, such as blk.0.attn_q.weight. Raises ValueError for any other module."""
    found = _LINEAR.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no linear layer of a block")
    return f"blk.{found[1]}.{_NAMES[found[2]]}.weight"


def permute(rows: Matrix, heads: int) -> Matrix:
    """Rows of q or k from transformers' order to llama's: the rotary halves of each head interleaved."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def tensors_of(weights: Mapping[str, tuple[Matrix, Matrix]], architecture: Architecture) -> dict[str, Matrix]:
    """Tensors of the adapter from (a, b) by module, of shapes (rank, inputs) and (outputs, rank)."""
    found = {}
    for name, (a, b) in weights.items():
        target = gguf_name(name)
        if _PERMUTED[architecture.name] and target.endswith(("attn_q.weight", "attn_k.weight")):
            b = permute(b, architecture.heads if target.endswith("attn_q.weight") else architecture.key_heads)
        found[f"{target}.lora_a"], found[f"{target}.lora_b"] = a, b
    return found


def write_adapter(
    path: Path, weights: Mapping[str, tuple[Matrix, Matrix]], architecture: Architecture, alpha: float
) -> None:
    """The file for llama.cpp, which adds b·a·alpha/rank to each weight of the base."""
    metadata: dict[str, Value] = {
        "general.architecture": architecture.name,
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }
    write_gguf(path, metadata, tensors_of(weights, architecture))
