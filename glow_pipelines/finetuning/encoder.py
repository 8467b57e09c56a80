"""A transformer that turns texts into unit vectors, and its folder.

Belongs here: loading, pooling, saving in the form that transformers and sentence-transformers both read. Does not: the
loss, the loop.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from glow_pipelines.finetuning.pairs import CannotTrain

Pooling = Literal["mean", "cls"]


class Encoder:
    """Raises CannotTrain where torch or transformers are missing, or the folder holds no such model."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise CannotTrain("training needs torch and transformers: pip install 'glow-pipelines[train]'") from None
        inner, self.pooling = _layout(folder)
        try:
            # From files alone, and weights only as safetensors: a pickle could run anything.
            self.tokenizer: Any = AutoTokenizer.from_pretrained(inner, local_files_only=True)
            self.model: Any = AutoModel.from_pretrained(inner, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise CannotTrain(f"{folder} holds no model that transformers reads (as safetensors): {error}") from error
        self.max_tokens = max_tokens

    def encode(self, texts: Sequence[str]) -> Any:
        """Unit vectors of shape (texts, dimensions), with whatever gradient mode is on."""
        import torch

        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.model.device)
        hidden = self.model(**tokens).last_hidden_state
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=-1)

    def encode_all(self, texts: Sequence[str], batch: int = 64) -> Any:
        """The same without gradients or dropout, on the CPU."""
        import torch

        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            parts = [self.encode(texts[at : at + batch]).cpu() for at in range(0, len(texts), batch)]
        self.model.train(training)
        return torch.cat(parts)

    def save(self, folder: Path) -> None:
        """Write the model with what sentence-transformers wants to know of pooling."""
        self.model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)
        modules = [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]
        pooling = {
            "word_embedding_dimension": self.model.config.hidden_size,
            "pooling_mode_cls_token": self.pooling == "cls",
            "pooling_mode_mean_tokens": self.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        }
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "2_Normalize").mkdir(exist_ok=True)
        for name, content in (
            ("modules.json", modules),
            ("1_Pooling/config.json", pooling),
            ("sentence_bert_config.json", {"max_seq_length": self.max_tokens, "do_lower_case": False}),
        ):
            (folder / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _layout(folder: Path) -> tuple[Path, Pooling]:
    """Where the transformer is and how it pools; a folder without word on it pools by the mean."""
    modules = folder / "modules.json"
    if not modules.exists():
        return folder, "mean"
    listed = json.loads(modules.read_text("utf-8"))
    inner = folder / next((each["path"] for each in listed if each["type"].endswith("Transformer")), "")
    place = next((each["path"] for each in listed if each["type"].endswith("Pooling")), None)
    known = json.loads((folder / place / "config.json").read_text("utf-8")) if place else {}
    modes = {name for name, on in known.items() if name.startswith("pooling_mode_") and on is True}
    if modes <= {"pooling_mode_mean_tokens"}:
        return inner, "mean"
    if modes == {"pooling_mode_cls_token"}:
        return inner, "cls"
    raise CannotTrain(f"{folder} pools by {', '.join(sorted(modes))}; mean and cls are known")
