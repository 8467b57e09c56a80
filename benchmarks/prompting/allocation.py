"""S2. Claim: of eight prompts the race returns one at most 0.85 points below the best, for 800 evaluations.

The engine's race against the alternatives that others use, on the same outcomes. Regret: accuracy of the best prompt
minus accuracy of the one returned, in points. Base .70, probit items, discordance .18 (and .30: unfavourable).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompting.arms import BASE, DISCORDANCE, INCUMBENT, Answering, arm, correlation, items, outcomes
from glow_pipelines.learning.prompts import Budget, OptimizerSettings
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.race import race
from glow_pipelines.learning.prompts.types import Candidate

ARMS = 8
BUDGETS = (160, 400, 800, 1600)
SEED = 41
ONE_BETTER = 0.06
SPREAD = 0.04
MOSTLY_BAD = (-0.04, 0.03)
UNFAVOURABLE_DISCORDANCE = 0.30

Draw = Callable[[np.random.Generator], NDArray[np.float64]]
SCENARIOS: dict[str, Draw] = {
    "one +6": lambda rng: rng.permutation([ONE_BETTER] + [0.0] * (ARMS - 2)),
    "spread sd 4": lambda rng: rng.normal(0.0, SPREAD, ARMS - 1),
    "mostly bad": lambda rng: rng.normal(*MOSTLY_BAD, ARMS - 1),
}


def simulate(full: bool) -> dict[str, Any]:
    """Mean regret in points with its standard error, by discordance, scenario, budget and rule."""
    reps, budgets = (1000, BUDGETS) if full else (60, (800,))
    found: dict[str, Any] = {"reps": reps, "arms": ARMS, "base": BASE}
    for discordance in (DISCORDANCE, UNFAVOURABLE_DISCORDANCE) if full else (DISCORDANCE,):
        rho = correlation(discordance)
        for scenario, draw in SCENARIOS.items():
            # The largest budget takes half of the time and says the least: one scenario is enough.
            most = BUDGETS[-1] if scenario == "one +6" else BUDGETS[-2]
            for budget in [each for each in budgets if each <= most] if discordance == DISCORDANCE else [800]:
                found[f"discordance {discordance}, {scenario}, {budget}"] = _regrets(draw, budget, rho, reps)
    return found


def _regrets(draw: Draw, budget: int, rho: float, reps: int) -> dict[str, Any]:
    lost: dict[str, list[float]] = {"race": [], "uniform": []}
    used = []
    for rep in range(reps):
        rng = np.random.default_rng([SEED, budget, rep])
        accuracies = BASE + np.array([0.0, *draw(rng)])
        table = outcomes(accuracies, budget // 2, rho, rng)
        winner, calls = _race(table, budget)
        used.append(calls)
        lost["race"].append(accuracies.max() - accuracies[winner])
        lost["uniform"].append(accuracies.max() - accuracies[uniform(table, budget)])
    return {
        **{rule: round(100 * float(np.mean(regret)), 3) for rule, regret in lost.items()},
        "standard error": round(100 * float(np.std(lost["race"])) / reps**0.5, 3),
        "evaluations used": round(float(np.mean(used))),
    }


def _race(table: NDArray[np.bool_], budget: int, settings: OptimizerSettings | None = None) -> tuple[int, int]:
    """The arm the engine's race returns, and what it asked for."""
    limit = Budget(budget)
    evaluator = Evaluator(Answering(table), metric_named("label"), limit)
    challengers = [arm(number) for number in range(1, len(table))]
    start = Candidate(INCUMBENT, "incumbent", INCUMBENT.sha256)
    val = items(table.shape[1])
    result = race(start, challengers, val, evaluator, settings or OptimizerSettings(), budget)
    numbers = {each.prompt.sha256: int(each.prompt.instruction) for each in [start, *challengers]}
    return numbers[result.survivors[0]], limit.calls


def uniform(table: NDArray[np.bool_], budget: int) -> int:
    """Every arm on the same items, as many as the budget allows: what peers do at best."""
    return best(table[:, : budget // len(table)].sum(axis=1))


def best(scores: Sequence[float] | NDArray[Any]) -> int:
    """The first of the best: no prompt here is shorter."""
    return int(np.argmax(scores))
