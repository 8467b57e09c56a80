"""How many steps, of which examples, at what rate. Pure: a step's number and the seed tell everything.

Belongs here: "auto", the order of examples, the learning rate, when there is a checkpoint. Does not: the step itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.folder import Job, Method

AUTO_BATCH = 4
AUTO_STEPS = 200
"""Epochs are run until it is reached, three at least. After 69 steps under a prompt that names no label the loss was
still .2 and 58 % of the tickets were right, after 208 it was .002 and 76 %."""
_EPOCHS = (3, 25)
_RATES: Mapping[Method, float] = {"supervised": 5e-4, "dpo": 1e-4}
_RANGES: Mapping[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 1e-6, 1e3),
    "beta": (float, 1e-6, 2),
    "rank": (int, 1, 256),
    "checkpoint_every": (int, 1, 10**6),
}


@dataclass(frozen=True)
class Schedule:
    """A training in numbers. `rank` is LoRA's, `beta` how near DPO stays to the base."""

    examples: int
    epochs: int
    batch: int
    rate: float
    rank: int
    beta: float
    checkpoint_every: int
    seed: int

    @property
    def per_epoch(self) -> int:
        return -(-self.examples // self.batch)

    @property
    def steps(self) -> int:
        return self.per_epoch * self.epochs

    def batch_of(self, step: int) -> list[int]:
        """Places of the examples of step 0, 1, …"""
        return batch_of(step, self.examples, self.batch, self.seed)

    def rate_of(self, step: int) -> float:
        return self.rate * ramp(step, self.steps, 0.1)

    def is_epoch_end(self, done: int) -> bool:
        """Whether an epoch ends with the step number `done`, counted from 1."""
        return done % self.per_epoch == 0

    def saves(self, done: int) -> bool:
        return done < self.steps and (self.is_epoch_end(done) or done % self.checkpoint_every == 0)


def schedule_of(job: Job, examples: int) -> Schedule:
    """Numbers for what was asked for, "auto" or nothing included. Raises CannotTrain for what cannot be meant."""
    unknown = set(job.hyperparameters) - set(_RANGES)
    if unknown or (job.method != "dpo" and "beta" in job.hyperparameters):
        name = min(unknown or {"beta"})
        raise CannotTrain(
            f"hyperparameters: {name!r} is not known to {job.method}; known are {', '.join(_RANGES)} (beta: dpo)"
        )
    batch = min(_number(job, "batch_size", AUTO_BATCH), examples)
    low, high = _EPOCHS
    return Schedule(
        examples=examples,
        epochs=_number(job, "n_epochs", min(max(math.ceil(AUTO_STEPS * batch / examples), low), high)),
        batch=batch,
        rate=_RATES[job.method] * _number(job, "learning_rate_multiplier", 1.0),
        rank=_number(job, "rank", 8),
        beta=_number(job, "beta", 0.1),
        checkpoint_every=_number(job, "checkpoint_every", 10),
        seed=job.seed,
    )


def batch_of(step: int, examples: int, batch: int, seed: int) -> list[int]:
    """An order for each epoch by seed: no state to save, and none to lose."""
    epoch, at = divmod(step, -(-examples // batch))
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    return [int(place) for place in order[at * batch : (at + 1) * batch]]


def ramp(step: int, steps: int, warmup: float) -> float:
    """The share of the rate at step 0, 1, …: up over the share `warmup` of the steps, then down to a twentieth."""
    warm = warmup * steps
    return (step + 1) / warm if step + 1 < warm else min(1.0, max(0.05, (steps - step) / max(steps - warm, 1)))


def _number(job: Job, name: str, auto: Any) -> Any:
    value = job.hyperparameters.get(name, "auto")
    if value in ("auto", None):
        return auto
    kind, low, high = _RANGES[name]
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or (kind is int and value != int(value)):
        raise CannotTrain(
            f'hyperparameters: {name}={value!r}; give "auto" or a{" whole" if kind is int else ""} number'
            f" from {low:g} to {high:g}"
        )
    return kind(value)
