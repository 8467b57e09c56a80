"""The base model: a GGUF file, read into transformers, dequantised.

Belongs here: loading, how the base writes conversations. Does not: what is learned beside it (lora). Imports torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from jinja2 import TemplateError

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.adapter import Architecture
from glow_pipelines.training.lines import Message

LONGEST = 2048
"""Tokens of a line at most: memory grows with the longest line."""


class Base:
    """The frozen model with its tokenizer. Raises CannotTrain when the file holds none that can be trained."""

    def __init__(self, path: Path, device: str) -> None:
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        read: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(path.parent), **read)
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                str(path.parent), dtype=torch.float32, attn_implementation="sdpa", **read
            )
        except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
            raise CannotTrain(f"{path} holds no model that transformers reads: {error}") from error
        if self._tokenizer.chat_template is None:
            raise CannotTrain(f"{path} has no chat template: give an instruct model")
        # eval(): no dropout, so that a step depends on nothing but the weights and its batch.
        self.model = model.requires_grad_(False).eval().to(device)
        config = model.config
        self.architecture = Architecture(config.model_type, config.num_attention_heads, config.num_key_value_heads)
        self.longest = min(LONGEST, int(config.max_position_embeddings))
        self.end: int | None = self._tokenizer.eos_token_id
        self.control = tuple(str(token) for token in self._tokenizer.all_special_tokens)

    def render(self, messages: Sequence[Message], asks: bool) -> str:
        """As tokens.Render."""
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [dict(each) for each in messages], tokenize=False, add_generation_prompt=asks
                )
            )
        except TemplateError as error:
            raise CannotTrain(f"the chat template of the base refuses such messages: {error}") from error

    def encode(self, text: str) -> list[int]:
        """As tokens.Encode. The template writes what stands at the beginning, nothing is added."""
        return [int(each) for each in self._tokenizer.encode(text, add_special_tokens=False)]
