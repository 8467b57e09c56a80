"""Worlds whose truth is known: users who come over time, vote alike, and differ in how much they do.

Many repetitions at once: one call gives the moments of all arms at all looks of a batch, in the form that
learning/experiments reads. What is decided from them belongs to the simulations beside this file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Mark = Literal["executions", "rated", "up", "slow"]
Arrival = Literal["day 0", "staggered"]


@dataclass(frozen=True)
class Users:
    """Users of one agent in an experiment of two arms, drawn by a coin per user (`share` of them in treatment).

    `icc` is how alike two votes (or two slow answers) of one user are: a user's rate is Beta with mean `rate` (plus
    `effect` in treatment). A user is exposed by a first execution ("staggered": uniform over the first `enrol` share
    of the time; "day 0": at once), then executes as a Poisson process, `per_day` times a day; `heavy` is the sigma of a
    lognormal factor on that. `rated` and `slow` are shares of executions, `*_effect` what treatment adds to them.
    """

    users: int = 800
    days: float = 7.0
    looks: int = 168
    icc: float = 0.3
    rate: float = 0.6
    effect: float = 0.0
    per_day: float = 2.0
    heavy: float = 0.0
    arrival: Arrival = "staggered"
    enrol: float = 1.0
    rated: float = 1.0
    rated_effect: float = 0.0
    slow: float = 0.0
    slow_effect: float = 0.0
    share: float = 0.5

    def named(self) -> str:
        """What tells this world from others, in words."""
        return f"ICC {self.icc:g}, {self.arrival}{', heavy users' if self.heavy else ''}"


@dataclass(frozen=True)
class Batch:
    """Executions of a batch, grouped by person and sorted by look. `days` is when each look is taken.

    `person`, `cell` and the marks have one entry per execution, `count` and `entered` one per person; a cell is the
    flat index of (repetition, arm, look), arm 0 is control.
    """

    shape: tuple[int, int, int]
    days: Floats
    count: Whole
    entered: Whole
    cell: Whole
    marks: dict[Mark, Whole]

    @property
    def units(self) -> Floats:
        """Users exposed by each look, (repetitions, arms, looks)."""
        return self._over_time(np.ones(len(self.entered)), self.entered)

    def total(self, mark: Mark) -> Floats:
        """Executions with the mark by each look, (repetitions, arms, looks)."""
        return self._over_time(self.marks[mark], self.cell)

    def moments(self, s: Mark, n: Mark) -> tuple[Floats, Floats, Floats]:
        """Users, means and centred products of each user's (s, n): (reps, arms, looks), (…, 2), (…, 2, 2).

        Each execution adds to Σxy over users what (x + dx)(y + dy) is more than xy, so no look is computed anew.
        """
        units, x, y = self.units, self.marks[s], self.marks[n]
        before = {mark: self._before(self.marks[mark]) for mark in {s, n}}
        xx = self._over_time(x * (2 * before[s] + x), self.cell)
        yy = self._over_time(y * (2 * before[n] + y), self.cell)
        xy = self._over_time(x * before[n] + y * before[s] + x * y, self.cell)
        mean = np.stack([self.total(s), self.total(n)], -1) / np.maximum(units, 1)[..., None]
        raw = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1)
        # Small counts, so raw squares lose nothing here; the store centres its sums.
        return units, mean, raw - units[..., None, None] * mean[..., :, None] * mean[..., None, :]

    def _over_time(self, weights: NDArray[np.generic], cells: Whole) -> Floats:
        flat = np.bincount(cells, weights, math.prod(self.shape))
        return np.cumsum(flat.reshape(self.shape), axis=-1)

    def _before(self, mark: Whole) -> Whole:
        """Of each execution, how many marks its user had before it."""
        until = np.cumsum(mark) - mark
        return until - np.repeat(until[np.cumsum(self.count) - self.count], self.count)


def batches(world: Users, reps: int, seed: int, size: int = 50) -> Iterator[Batch]:
    """`reps` repetitions in batches of at most `size`, each batch with a stream of its own."""
    for at, start in enumerate(range(0, reps, size)):
        yield draw(world, min(size, reps - start), np.random.default_rng([seed, at]))


def draw(world: Users, reps: int, rng: np.random.Generator) -> Batch:
    """One batch of repetitions."""
    people = reps * world.users
    arm = (rng.random(people) < world.share).astype(np.int64)
    begin = np.zeros(people) if world.arrival == "day 0" else rng.random(people) * world.enrol * world.days
    pace = np.full(people, world.per_day)
    if world.heavy:
        pace *= rng.lognormal(-(world.heavy**2) / 2, world.heavy, people)
    count = rng.poisson(pace * (world.days - begin)) + 1
    who = np.repeat(np.arange(people), count)
    into = rng.random(len(who))
    into[np.cumsum(count) - count] = 0.0  # the execution that exposes
    look = _look(begin[who] + (world.days - begin[who]) * into, world)
    rated = rng.random(len(who)) < (world.rated + world.rated_effect * arm)[who]
    up = rated & (rng.random(len(who)) < _beta(rng, world.rate + world.effect * arm, world.icc)[who])
    slow = rng.random(len(who)) < _beta(rng, world.slow + world.slow_effect * arm, world.icc)[who]
    # One integer per execution: sorting it is several times faster than sorting by keys.
    code = np.sort((who * world.looks + look) * 8 + rated + 2 * up + 4 * slow)
    person, look = np.divmod(code // 8, world.looks)
    row = (np.arange(people) // world.users * 2 + arm) * world.looks
    return Batch(
        shape=(reps, 2, world.looks),
        days=(np.arange(world.looks) + 1) * (world.days / world.looks),
        count=count,
        entered=row + _look(begin, world),
        cell=row[person] + look,
        marks={"executions": np.ones_like(code), "rated": code & 1, "up": code >> 1 & 1, "slow": code >> 2 & 1},
    )


def _look(when: Floats, world: Users) -> Whole:
    return np.minimum((when * (world.looks / world.days)).astype(np.int64), world.looks - 1)


def _beta(rng: np.random.Generator, mean: Floats, icc: float) -> Floats:
    """One rate per user: Beta with this mean whose two draws of one user correlate by `icc`."""
    if icc <= 0 or not np.any(mean > 0):
        return mean
    size = 1 / icc - 1
    return rng.beta(np.maximum(mean * size, 1e-12), np.maximum((1 - mean) * size, 1e-12))
