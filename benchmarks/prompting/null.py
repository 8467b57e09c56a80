"""S1. Claim: where no prompt is better than another, at most 5 % of optimizations promote one, and at most 5 % of
thirty-night histories ever do.

The real optimizer end to end: analysis, template operators, race and gate over tickets. Every prompt is exactly as
good as the incumbent. `many nights` has a fresh dataset every night, carries undecided finalists over and gives each
gate its level, numbered across agents.
"""

from collections import Counter
from typing import Any

import numpy as np

from benchmarks.prompting.arms import DISCORDANCE
from benchmarks.prompting.tickets import PROMPT, TicketModel, corrections, tickets
from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts import Budget, PromptOptimizer
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.gate import gate
from glow_pipelines.learning.prompts.levels import level
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.settings import GateSettings
from glow_pipelines.learning.prompts.types import Candidate, Gate, Split

SIZES: dict[Split, int] = {"train": 40, "val": 100, "test": 90}
CALLS = 900
NIGHTS = 30
AGENTS = 3
SEED = 17
SETTINGS: dict[str, dict[str, Any]] = {
    "discordance .18": {"discordance": DISCORDANCE},
    "discordance .30": {"discordance": 0.30},
    "10 % of labels wrong": {"discordance": DISCORDANCE, "label_noise": 0.10},
}


def simulate(full: bool) -> dict[str, Any]:
    """Shares of false promotions with 95 % intervals, and how often the race's winner looked better on validation."""
    runs, histories = (300, 120) if full else (20, 2)
    found: dict[str, Any] = {name: _turns(runs, **given) for name, given in SETTINGS.items()}
    found[f"{NIGHTS} nights, one agent"] = _histories(histories, 1, NIGHTS if full else 6)
    if full:
        found[f"{NIGHTS} nights, {AGENTS} agents"] = _histories(histories // AGENTS, AGENTS, NIGHTS)
    return found


def _turns(runs: int, **given: Any) -> dict[str, Any]:
    states: Counter[str] = Counter()
    argmax = []
    for run in range(runs):
        rng = np.random.default_rng([SEED, run])
        examples, embeddings = tickets(rng, SIZES)
        optimizer = PromptOptimizer(TicketModel(examples, rng, **given), "label", run, Budget(CALLS))
        result = optimizer.optimize(PROMPT, examples, corrections(examples, 10), embeddings)
        states[result.state] += 1
        if result.race is not None:
            argmax.append(result.race.survivors[0] != PROMPT.sha256)
    promoted = states["finalist"]
    interval = wilson(promoted, runs)
    return {
        "runs": runs,
        "promoted": promoted / runs,
        "promoted, 95 %": [round(interval.low, 4), round(interval.high, 4)],
        "an ungated optimizer would promote": round(float(np.mean(argmax)), 3),
        "states": dict(states),
    }


def _histories(runs: int, agents: int, nights: int) -> dict[str, Any]:
    ever, opened = 0, []
    for run in range(runs):
        numbers, promotions = history(run, agents, nights)
        ever += promotions > 0
        opened.append(numbers)
    interval = wilson(ever, runs)
    return {
        "runs": runs,
        "nights": nights,
        "ever promoted": ever / runs,
        "ever promoted, 95 %": [round(interval.low, 4), round(interval.high, 4)],
        "gates opened, mean": round(float(np.mean(opened)), 1),
    }


def history(seed: int, agents: int, nights: int) -> tuple[int, int]:
    """(gates opened, promotions) of agents that are optimized every night, all prompts equally good."""
    rng = np.random.default_rng([SEED, agents, seed])
    settings = GateSettings()
    open_gates: dict[int, tuple[Candidate, Gate, float]] = {}
    opened = passed = 0
    for night in range(nights):
        for agent in range(agents):
            examples, embeddings = tickets(rng, SIZES, f"{agent}-{night}-")
            model = TicketModel(examples, rng)
            tests = [example for example in examples if example.split == "test"]
            if agent in open_gates:
                finalist, earlier, its_level = open_gates.pop(agent)
            else:
                optimizer = PromptOptimizer(model, "label", seed * 1000 + night, Budget(CALLS - 2 * len(tests)))
                analysis = optimizer.analyze(PROMPT, examples, [])
                proposed = optimizer.propose(PROMPT, examples, [], analysis, embeddings)
                race = optimizer.race(PROMPT, proposed, examples)
                everyone = (*proposed, *race.grown)
                best = next((each for each in everyone if each.prompt.sha256 == race.survivors[0]), None)
                if best is None:
                    continue
                opened += 1
                finalist, earlier, its_level = best, None, level(opened, passed, settings.alpha)
            evaluator = Evaluator(model, metric_named("label"), Budget(CALLS))
            result = gate(PROMPT, finalist.prompt, tests, evaluator, settings, CALLS, earlier, level=its_level)
            passed += result.verdict == "promote"
            if result.verdict == "carry_over":
                open_gates[agent] = (finalist, result, its_level)
    return opened, passed
