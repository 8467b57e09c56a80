"""The training itself: from the folder of a job to its adapter, whatever kills it on the way.

Belongs here: steps, measuring, saving, pausing. Does not: any formula (losses), any file's form. Imports torch.
"""

import json
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from glow_pipelines.exporting.part import sha256_of
from glow_pipelines.files import write_whole
from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.learning.datasets.text import digest
from glow_pipelines.training.adapter import write_adapter
from glow_pipelines.training.base import Base
from glow_pipelines.training.checkpoints import Checkpoints
from glow_pipelines.training.folder import DONE, PAUSED, Job, JobFolder, MetricsLog
from glow_pipelines.training.lines import read_examples
from glow_pipelines.training.lora import Lora
from glow_pipelines.training.losses import Scored, preference_margin, score, small_batches
from glow_pipelines.training.schedule import schedule_of
from glow_pipelines.training.tokens import Tokens, tokens_of, why_left_out

TOKENS_AT_ONCE = 1024
Clock = Callable[[], float]
Told = Callable[[int, int, float], None]
"""Steps done, steps in all, loss."""


@dataclass(frozen=True)
class _Line:
    """The texts of one line (supervised one, preference two) and their log-probabilities under the base, for DPO."""

    texts: tuple[Tokens, ...]
    reference: torch.Tensor


class Training:
    """One job, to its end or its next pause. A step depends on nothing but the job and its number, so that a training
    killed at any time comes to the same adapter: bit by bit on the same processor with as many threads."""

    def __init__(self, folder: JobFolder, device: str, clock: Clock, told: Told) -> None:
        self._folder, self._clock, self._told, self._job = folder, clock, told, folder.read_job()
        # On a GPU some operation of some base may have no such form: better other last bits than no training.
        torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
        began = clock()
        examples = read_examples(folder.train, self._job.method)
        held = read_examples(folder.validation, self._job.method) if folder.validation.exists() else []
        self._log = MetricsLog(folder.metrics)
        self._base = Base(self._job.base, device)
        self._train = self._lines(folder.train.name, examples)
        self._held = self._lines(folder.validation.name, held)
        if not self._train:
            raise CannotTrain(f"{folder.train}: no line is left to train on")
        self._plan = schedule_of(self._job, len(self._train))
        self._lora = Lora(self._base.model, self._plan.rank, self._job.seed)
        # foreach: several tensors at once, in an order of its own on some devices.
        self._optimizer = torch.optim.AdamW(
            self._lora.parameters(), lr=self._plan.rate, weight_decay=0.0, foreach=False
        )
        self._checkpoints = Checkpoints(folder.checkpoints, self._identity(), self._lora, self._optimizer)
        self._log.say(f"Training on {device}: {len(self._train)} lines, {self._plan.steps} steps", clock())
        self._began, self._loaded = began, clock()

    def run(self) -> int:
        """DONE with adapter.gguf in place, or PAUSED."""
        start, data = self._checkpoints.resume()
        for step in range(start, self._plan.steps):
            data, done = self._step(step), step + 1
            if self._plan.is_epoch_end(done) and self._held:
                data |= self._measure()
            self._log.step(data, self._plan.steps, self._clock())
            self._told(done, self._plan.steps, data["train_loss"])
            pauses = self._folder.pause.exists() and done < self._plan.steps
            if pauses or self._plan.saves(done):
                served = pauses or self._plan.is_epoch_end(done)
                self._checkpoints.save(done, data, self._base.architecture if served else None)
            if pauses:
                self._log.say(f"Paused after step {done}", self._clock())
                return PAUSED
        self._publish(start, data)
        return DONE

    def _step(self, step: int) -> dict[str, Any]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate_of(step)
        self._optimizer.zero_grad()
        figures = self._pass([self._train[place] for place in self._plan.batch_of(step)], learn=True)
        torch.nn.utils.clip_grad_norm_(self._lora.parameters(), 1.0, foreach=False)
        self._optimizer.step()
        return {"step": step + 1, **{f"train_{name}": value for name, value in figures.items()}}

    def _measure(self) -> dict[str, Any]:
        with torch.no_grad():
            return {f"valid_{name}": value for name, value in self._pass(self._held, learn=False).items()}

    def _pass(self, lines: Sequence[_Line], learn: bool) -> dict[str, float]:
        """Loss and accuracies over the lines, a few at a time; with `learn` their gradient is added up."""
        tokens = sum(sum(line.texts[0].learned) for line in lines)
        total = {"loss": 0.0, "mean_token_accuracy": 0.0}
        if self._job.method == "dpo":
            total["preference_accuracy"] = 0.0
        for part in small_batches([max(map(len, line.texts)) * len(line.texts) for line in lines], TOKENS_AT_ONCE):
            some = lines[part]
            scored = score(self._base.model, [text for line in some for text in line.texts])
            if self._job.method == "dpo":
                reference = torch.cat([line.reference for line in some])
                margin = preference_margin(scored, reference, self._plan.beta)
                loss = -torch.nn.functional.logsigmoid(margin).sum() / len(lines)
                total["preference_accuracy"] += float((margin > 0).sum()) / len(lines)
                scored = _better(scored)
            else:
                loss = -scored.log_probabilities.sum() / tokens
            total["loss"] += float(loss.detach())
            total["mean_token_accuracy"] += float(scored.hits.sum()) / tokens
            if learn:
                loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
        return total

    def _lines(self, name: str, examples: Sequence[Any]) -> list[_Line]:
        kept, base = [], self._base
        for example in examples:
            texts = tuple(tokens_of(each, base.render, base.encode, base.end) for each in example.answers)
            if reason := why_left_out(example, texts, base.control, base.longest):
                self._log.say(f"{name}, line {example.line} is left out: {reason}", self._clock(), "warn")
                continue
            # One text at a time: what stands beside it changes the last bits.
            with torch.no_grad():
                each = [score(base.model, [text]).sums() for text in texts] if len(texts) > 1 else [torch.zeros(1)]
            kept.append(_Line(texts, torch.cat(each)))
        return kept

    def _identity(self) -> str:
        job: Job = self._job
        files = [sha256_of(path) for path in (job.base, self._folder.train, self._folder.validation) if path.exists()]
        # Not how often is saved: it changes nothing.
        asked = {name: value for name, value in sorted(job.hyperparameters.items()) if name != "checkpoint_every"}
        return digest(job.method, json.dumps(asked), str(job.seed), *files)

    def _publish(self, start: int, data: dict[str, Any]) -> None:
        """The adapter comes last: a folder without it is not done."""
        result = {
            "trained_tokens": self._plan.epochs * sum(len(text) for line in self._train for text in line.texts),
            "steps": self._plan.steps,
            "epochs": self._plan.epochs,
            "lines": len(self._train),
            "resumed_at": start,
            "seconds": round(self._clock() - self._began, 1),
            "seconds_to_load": round(self._loaded - self._began, 1),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "metrics": data,
        }
        write_whole(self._folder.result, json.dumps(result, indent=1) + "\n")
        write_adapter(self._folder.adapter, self._lora.arrays(), self._base.architecture, self._lora.alpha)
        self._checkpoints.finish()


def _better(scored: Scored) -> Scored:
    """Of the better answers alone."""
    mine = scored.rows % 2 == 0
    return Scored(scored.log_probabilities[mine], scored.hits[mine], scored.rows[mine] // 2, scored.texts // 2)
