"""The loop: batches by seed, steps, checkpoints, and whether held-out questions find their answers better.

Belongs here: order, learning rate, going on after a kill, the report. Does not: the loss, the model folder's form.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glow_pipelines.exporting.part import sha256_of
from glow_pipelines.files import exclusive, write_whole
from glow_pipelines.finetuning.encoder import Encoder
from glow_pipelines.finetuning.loss import backward, masks
from glow_pipelines.finetuning.pairs import CannotTrain, Texts, overlap
from glow_pipelines.learning.datasets.text import digest
from glow_pipelines.training.schedule import batch_of, ramp

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class FinetuneSettings:
    """`batch` decides how many negatives an anchor meets, `mini_batch` only the memory. `guided`: masks as in GIST."""

    epochs: int = 1
    batch: int = 32
    mini_batch: int = 16
    rate: float = 2e-5
    warmup: float = 0.1
    temperature: float = 0.05
    guided: bool = True
    max_tokens: int = 256
    checkpoint_every: int = 100
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "mini_batch", "max_tokens", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise CannotTrain(f"{name}={getattr(self, name)}: give 1 or more")
        if not 0 < self.rate < 1 or not 0 < self.temperature <= 1 or not 0 <= self.warmup < 1:
            raise CannotTrain(
                f"rate={self.rate}, temperature={self.temperature}, warmup={self.warmup}: give rate and temperature"
                " above 0 and below 1, warmup from 0 to below 1"
            )


@dataclass(frozen=True)
class Finetuned:
    """`losses`: mean of the first and of the last tenth of the steps. `mrr`: of the positive among all texts of the
    held-out pairs, before and after; None without any."""

    folder: Path
    steps: int
    losses: tuple[float, float]
    mrr: tuple[float, float] | None
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


def finetune(
    pairs: Sequence[Texts],
    model: Path,
    out: Path,
    settings: FinetuneSettings,
    held_out: Sequence[Texts] = (),
    told: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Finetuned:
    """Train the model in folder `model` and write it to `out`, which must not hold one. Killed, the same call goes on.

    Raises CannotTrain where it cannot begin, and where a question is in both `pairs` and `held_out`.
    """
    if shared := overlap(pairs, held_out):
        raise CannotTrain(
            f"{len(shared)} questions are in both files, such as {min(shared)!r:.80}: leave them out of one"
        )
    if (out / "config.json").exists():
        raise CannotTrain(f"{out} holds a model already; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    with exclusive(out / ".lock"):
        found = _Run(pairs, model, out, settings, held_out).run(told)
    (out / ".lock").unlink(missing_ok=True)
    return found


class _Run:
    def __init__(
        self, pairs: Sequence[Texts], model: Path, out: Path, settings: FinetuneSettings, held_out: Sequence[Texts]
    ) -> None:
        import torch

        torch.manual_seed(settings.seed)
        self.pairs, self.model, self.out, self.settings, self.held_out = pairs, model, out, settings, held_out
        self.encoder = Encoder(model, settings.max_tokens)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.encoder.model.to(self.device).train()
        # Not the whole settings: how often to save changes nothing.
        what = [repr(asdict(settings) | {"checkpoint_every": 0}), *(repr(each) for each in pairs)]
        self.identity = digest(*what, *(sha256_of(path) for path in sorted(model.rglob("*.safetensors"))))
        self.per_epoch = -(-len(pairs) // settings.batch)
        self.steps = self.per_epoch * settings.epochs
        self.positives: dict[str, set[str]] = defaultdict(set)
        for each in pairs:
            self.positives[each.anchor].add(each.positive)

    def run(self, told: Callable[[int, int, float], None]) -> Finetuned:
        import torch

        guide = self._guide() if self.settings.guided else None
        before = mrr(self.encoder, self.held_out)
        optimizer = torch.optim.AdamW(self.encoder.model.parameters(), lr=self.settings.rate, weight_decay=0.01)
        losses = self._resumed(optimizer)
        for step in range(len(losses), self.steps):
            batch = self._batch(step)
            blocked = masks(batch, self.positives, guide)
            for group in optimizer.param_groups:
                group["lr"] = self.settings.rate * ramp(step, self.steps, self.settings.warmup)
            optimizer.zero_grad()
            seed = self.settings.seed * 1_000_003 + step * 1009
            losses.append(
                backward(self.encoder.encode, batch, blocked, self.settings.temperature, self.settings.mini_batch, seed)
            )
            torch.nn.utils.clip_grad_norm_(self.encoder.model.parameters(), 1.0)
            optimizer.step()
            told(len(losses), self.steps, losses[-1])
            if len(losses) % self.settings.checkpoint_every == 0 and len(losses) < self.steps:
                self._save(optimizer, losses)
        after = mrr(self.encoder, self.held_out)
        tenth = max(1, len(losses) // 10)
        ends = (float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:])))
        both = None if before is None or after is None else (before, after)
        found = Finetuned(self.out, self.steps, ends, both, len(self.pairs))
        self._publish(found)
        return found

    def _batch(self, step: int) -> list[Texts]:
        """The batch of a step: an order for each epoch by seed, no state to save."""
        return [self.pairs[i] for i in batch_of(step, len(self.pairs), self.settings.batch, self.settings.seed)]

    def _guide(self) -> Callable[[Sequence[str]], Any]:
        """The model as it was, of every text once: 10⁵ texts of 384 numbers are 77 MB."""
        import torch

        start = Encoder(self.model, self.settings.max_tokens)  # not the one in training: that may have gone on
        start.model.to(self.device)
        texts = list(dict.fromkeys(t for each in self.pairs for t in (each.anchor, each.positive, *each.negatives)))
        vectors = start.encode_all(texts).to(torch.float16)
        at = {text: i for i, text in enumerate(texts)}
        return lambda wanted: vectors[[at[text] for text in wanted]].to(torch.float32)

    def _save(self, optimizer: Any, losses: Sequence[float]) -> None:
        """Whole or not at all: written beside, then renamed."""
        import torch

        fresh, kept = self.out / f"{CHECKPOINT}.new", self.out / CHECKPOINT
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        state = {"model": self.encoder.model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, fresh / "state.pt")
        write_whole(fresh / "done.json", json.dumps({"identity": self.identity, "losses": list(losses)}))
        shutil.rmtree(kept, ignore_errors=True)
        fresh.rename(kept)

    def _resumed(self, optimizer: Any) -> list[float]:
        """The losses up to the checkpoint, whose state is taken up; none where there is none."""
        import torch

        for folder in (self.out / CHECKPOINT, self.out / f"{CHECKPOINT}.new"):
            if not (folder / "done.json").exists():
                continue
            done = json.loads((folder / "done.json").read_text("utf-8"))
            if done["identity"] != self.identity:
                raise CannotTrain(f"{folder} is of another training; remove it, or name another folder")
            state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
            self.encoder.model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            return [float(loss) for loss in done["losses"]]
        return []

    def _publish(self, found: Finetuned) -> None:
        """config.json comes last: a folder without it is no model."""
        fresh = self.out / "model.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        self.encoder.save(fresh)
        report = {**found.to_json(), "settings": asdict(self.settings), "trained_from": self.model.name}
        (fresh / "training.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        for path in sorted(fresh.iterdir(), key=lambda each: each.name == "config.json"):
            path.rename(self.out / path.name)
        fresh.rmdir()
        for name in (CHECKPOINT, f"{CHECKPOINT}.new"):
            shutil.rmtree(self.out / name, ignore_errors=True)


def mrr(encoder: Encoder, held_out: Sequence[Texts]) -> float | None:
    """Mean reciprocal rank of the positive among every positive and negative of the pairs; other positives of the same
    anchor do not stand in its way."""
    if not held_out:
        return None
    texts = list(dict.fromkeys(text for each in held_out for text in (each.positive, *each.negatives)))
    at = {text: i for i, text in enumerate(texts)}
    right: dict[str, set[int]] = defaultdict(set)
    for each in held_out:
        right[each.anchor].add(at[each.positive])
    anchors = list(right)
    scores = (encoder.encode_all(anchors) @ encoder.encode_all(texts).T).numpy()
    row = {anchor: i for i, anchor in enumerate(anchors)}
    ranks = []
    for each in held_out:
        mine = scores[row[each.anchor]]
        own = at[each.positive]
        ranks.append(1 + sum(mine[i] > mine[own] for i in range(len(texts)) if i not in right[each.anchor]))
    return float(np.mean([1 / rank for rank in ranks]))
