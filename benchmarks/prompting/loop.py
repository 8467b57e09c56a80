"""A closed loop with known truth: every night proposals, a race, a gate, and perhaps another prompt in production.

Belongs here: the world of effects, our engine's night, the nights of optimizers without a gate or with a plain test.
Does not belong here: what is claimed of them (nights, drift).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompting.arms import BASE, DISCORDANCE, Answering, arm, correlation, items, outcomes
from glow_pipelines.learning.intervals import sign_midp
from glow_pipelines.learning.prompts import Budget, GateSettings, OptimizerSettings
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.gate import gate
from glow_pipelines.learning.prompts.levels import level
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.race import race
from glow_pipelines.learning.prompts.types import Candidate, Gate

PROPOSALS = 7
RACE_CALLS = 400
VAL_ITEMS = 200
TEST_ITEMS = 115  # fresh approved items a night
HIGHEST = 0.98  # no prompt is ever better

Effects = Callable[[np.random.Generator], NDArray[np.float64]]


@dataclass
class World:
    """What is true: the production prompt's accuracy, and what happened to it. `shift` is added to every accuracy."""

    rng: np.random.Generator
    effects: Effects
    rho: float = field(default_factory=lambda: correlation(DISCORDANCE))
    accuracy: float = BASE
    shift: float = 0.0
    calls: int = 0
    promotions: int = 0
    harmful: int = 0
    claimed: float = 0.0

    def propose(self) -> NDArray[np.float64]:
        """Accuracies of the incumbent and tonight's proposals."""
        tried = self.accuracy + self.effects(self.rng)
        accuracies: NDArray[np.float64] = np.clip(np.array([self.accuracy, *tried]), 0.02, HIGHEST)
        return accuracies

    def answers(self, accuracies: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
        return outcomes(np.clip(accuracies + self.shift, 0.02, HIGHEST), count, self.rho, self.rng)

    def promote(self, accuracy: float, claimed: float) -> None:
        self.promotions += 1
        self.harmful += accuracy < self.accuracy
        self.claimed += claimed
        self.accuracy = accuracy


Night = Callable[[World], None]


@dataclass
class Glow:
    """Our engine: race, gate with carry-over, e-LOND levels. `each_alone`: every gate spends the whole alpha."""

    settings: GateSettings
    each_alone: bool = False
    serial: int = 0
    opened: int = 0
    passed: int = 0
    open_gate: tuple[Candidate, Candidate, float, Gate, float] | None = None

    def __call__(self, world: World) -> None:
        if self.open_gate is None:
            accuracies = world.propose()
            arms = [arm(self.serial + index) for index in range(len(accuracies))]
            self.serial += len(arms)
            rows = {int(each.prompt.instruction): row for row, each in enumerate(arms)}
            table = world.answers(accuracies, VAL_ITEMS)
            evaluator = Evaluator(Answering(table, rows), metric_named("label"), Budget(RACE_CALLS))
            val = items(VAL_ITEMS)
            result = race(arms[0], arms[1:], val, evaluator, OptimizerSettings(gate=self.settings), RACE_CALLS)
            world.calls += evaluator.evaluations
            best = next(each for each in arms if each.prompt.sha256 == result.survivors[0])
            if best is arms[0]:
                return
            self.opened += 1
            alpha = self.settings.alpha
            allowed = alpha if self.each_alone else level(self.opened, self.passed, alpha)
            incumbent, finalist, accuracy = arms[0], best, float(accuracies[arms.index(best)])
            earlier = None
        else:
            incumbent, finalist, accuracy, earlier, allowed = self.open_gate
        table = world.answers(np.array([world.accuracy, accuracy]), TEST_ITEMS)
        rows = {int(incumbent.prompt.instruction): 0, int(finalist.prompt.instruction): 1}
        evaluator = Evaluator(Answering(table, rows), metric_named("label"), Budget(2 * TEST_ITEMS))
        night = items(TEST_ITEMS, "test", f"{world.calls}-")
        found = gate(
            incumbent.prompt, finalist.prompt, night, evaluator, self.settings, 2 * TEST_ITEMS, earlier, level=allowed
        )
        world.calls += evaluator.evaluations
        self.open_gate = None
        if found.verdict == "promote":
            self.passed += 1
            world.promote(accuracy, found.claimed_gain)
        elif found.verdict == "carry_over":
            self.open_gate = (incumbent, finalist, accuracy, found, allowed)


@dataclass
class Argmax:
    """The best of validation is promoted: what optimizers without a gate do. `fresh` validation items every night, or
    the same ones with the answers of the production prompt known."""

    items: int = 100
    fresh: bool = True
    difficulty: NDArray[np.float64] | None = None
    standing: NDArray[np.float64] | None = None

    def __call__(self, world: World) -> None:
        accuracies = world.propose()
        if self.fresh:
            right = world.answers(accuracies, self.items)
            world.calls += right.size
        else:
            right = self._again(world, accuracies)
            world.calls += right.size - self.items
        scores = right.mean(axis=1)
        best = int(np.argmax(scores))
        if best:
            world.promote(float(accuracies[best]), float(scores[best] - scores[0]))

    def _again(self, world: World, accuracies: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The same items: difficulty and the production prompt's own part of it stay from night to night."""
        from scipy.stats import norm

        if self.difficulty is None:
            self.difficulty, self.standing = world.rng.normal(size=(2, self.items))
        own = world.rng.normal(size=(len(accuracies), self.items))
        own[0] = self.standing
        latent = np.sqrt(world.rho) * self.difficulty + np.sqrt(1 - world.rho) * own
        right: NDArray[np.bool_] = latent < norm.ppf(np.clip(accuracies + world.shift, 0.02, HIGHEST))[:, None]
        self.standing = own[int(np.argmax(right.mean(axis=1)))]
        return right


@dataclass
class FixedTest:
    """Halving by our race, then a plain one-sided McNemar test at .05 on fresh items: no carry-over, no correction for
    many nights."""

    items: int = 200
    alpha: float = 0.05

    def __call__(self, world: World) -> None:
        accuracies = world.propose()
        table = world.answers(accuracies, VAL_ITEMS)
        arms = [arm(index) for index in range(len(accuracies))]
        evaluator = Evaluator(Answering(table), metric_named("label"), Budget(RACE_CALLS))
        result = race(arms[0], arms[1:], items(VAL_ITEMS), evaluator, OptimizerSettings(), RACE_CALLS)
        world.calls += evaluator.evaluations
        best = next(index for index, each in enumerate(arms) if each.prompt.sha256 == result.survivors[0])
        if not best:
            return
        incumbent, finalist = world.answers(accuracies[[0, best]], self.items)
        world.calls += 2 * self.items
        won, lost = int((finalist & ~incumbent).sum()), int((incumbent & ~finalist).sum())
        if sign_midp(won, lost) < self.alpha:
            world.promote(float(accuracies[best]), (won - lost) / self.items)
