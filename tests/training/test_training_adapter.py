"""What llama.cpp makes of the files we write: an adapter does what adding its product to the weights does."""

from pathlib import Path

import numpy as np
import pytest

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.adapter import Architecture, Matrix, gguf_name, permute, tensors_of, write_adapter
from tests.training.tiny import ARCHITECTURE, MODULES, first_token, served, supervised, weights, write_base

RANK, ALPHA = 3, 6.0


def drawn(seed: int = 5) -> dict[str, tuple[Matrix, Matrix]]:
    rng = np.random.default_rng(seed)
    return {
        name: (
            rng.normal(0, 0.3, (RANK, inputs)).astype(np.float32),
            rng.normal(0, 0.3, (outputs, RANK)).astype(np.float32),
        )
        for name, (outputs, inputs) in MODULES.items()
    }


def test_a_served_adapter_is_the_merged_model(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (extra `local`)")
    learned = drawn()
    merged = {name: matrix + learned[name][1] @ learned[name][0] * (ALPHA / RANK) for name, matrix in weights().items()}
    base, whole = write_base(tmp_path / "base.gguf"), write_base(tmp_path / "merged.gguf", merged)
    write_adapter(tmp_path / "adapter.gguf", learned, ARCHITECTURE, ALPHA)
    messages = supervised("the letters", "")["messages"][:2]
    plain = first_token(served(base), messages)
    adapted = first_token(served(base, tmp_path / "adapter.gguf"), messages)
    expected = first_token(served(whole), messages)
    assert adapted == pytest.approx(expected, abs=1e-3)
    assert max(abs(adapted[token] - plain.get(token, -99)) for token in adapted) > 0.5


def test_rows_of_queries_and_keys_are_interleaved_by_head() -> None:
    rows = np.arange(12, dtype=np.float32)[:, None]
    assert permute(rows, 2)[:, 0].tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    learned = drawn()
    tensors = tensors_of(learned, ARCHITECTURE)
    assert len(tensors) == 2 * len(MODULES)
    queries, values = learned["model.layers.1.self_attn.q_proj"], learned["model.layers.1.self_attn.v_proj"]
    assert np.array_equal(tensors["blk.1.attn_q.weight.lora_b"], permute(queries[1], 4))
    assert np.array_equal(tensors["blk.1.attn_q.weight.lora_a"], queries[0])
    assert np.array_equal(tensors["blk.1.attn_v.weight.lora_b"], values[1])
    other = tensors_of(learned, Architecture("qwen2", 4, 2))
    assert np.array_equal(other["blk.1.attn_q.weight.lora_b"], queries[1])


def test_what_has_no_known_layout_is_refused() -> None:
    with pytest.raises(CannotTrain, match="'gemma3'"):
        Architecture("gemma3", 4, 1)
    for name in ("lm_head", "model.layers.0.mlp", "model.layers.x.mlp.up_proj"):
        with pytest.raises(ValueError, match="no linear layer"):
            gguf_name(name)
