"""S9. Claim: when the world gets harder overnight the gate is not misled, because it compares on the same items.

At night 30 every prompt loses three points. Then the worse case: a finalist that was better turns worse while its gate
is open; old evidence then still speaks for it, and that risk is measured, not removed.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompting.arms import BASE, DISCORDANCE
from benchmarks.prompting.gates import NIGHT, log_e
from benchmarks.prompting.loop import PROPOSALS, Argmax, Effects, Glow, Night, World
from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts import GateSettings
from glow_pipelines.learning.prompts.levels import level

NIGHTS, TURN = 60, 30
DROP = 0.03
SEED = 99


def simulate(full: bool) -> dict[str, Any]:
    """Promotions and harm with drift and without, in a null world and a common one; and a finalist that turns."""
    runs, nights = (24, NIGHTS) if full else (2, 8)
    found: dict[str, Any] = {"runs": runs, "nights": nights, "all prompts lose at night 30, points": 100 * DROP}
    for name, effects in {"null": _null, "N(-2, 3.5)": _common}.items():
        for drop in (0.0, DROP):
            found[f"{name}, {'drift' if drop else 'no drift'}"] = {
                "glow .05": _measure(Glow, effects, drop, runs, nights),
                "argmax, fresh 100": _measure(lambda settings: Argmax(), effects, drop, runs, nights),
            }
    found["a finalist of +5 that turns to -5 after some nights of its gate"] = turned(20_000 if full else 500)
    return found


def _null(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.zeros(PROPOSALS)


def _common(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.normal(-0.02, 0.035, PROPOSALS)


def _measure(policy: Any, effects: Effects, drop: float, runs: int, nights: int) -> dict[str, Any]:
    worlds, ever = [], 0
    for run in range(runs):
        world = World(np.random.default_rng([SEED, run]), effects)
        night: Night = policy(GateSettings())
        for number in range(nights):
            world.shift = -drop if number >= TURN * nights // NIGHTS else 0.0
            night(world)
        worlds.append(world)
        ever += world.promotions > 0
    interval = wilson(ever, runs)
    return {
        "ever promoted, 95 %": [round(interval.estimate, 3), round(interval.low, 3), round(interval.high, 3)],
        "promotions": round(float(np.mean([world.promotions for world in worlds])), 2),
        "harmful": round(float(np.mean([world.harmful for world in worlds])), 2),
        "gained, points": round(100 * float(np.mean([world.accuracy - BASE for world in worlds])), 2),
    }


def turned(gates: int, gain: float = 0.05) -> dict[str, float]:
    """Share of gates (number 1) that pass after the turn, by the nights before it; 12 nights in all."""
    settings, found = GateSettings(), {}
    for before in (1, 2, 4):
        rng = np.random.default_rng([SEED, before])
        b, c = (np.zeros(gates, dtype=np.int64) for _ in range(2))
        alive, late = np.ones(gates, dtype=bool), np.zeros(gates, dtype=bool)
        for night in range(12):
            at = gain if night < before else -gain
            differ = rng.binomial(NIGHT, DISCORDANCE, gates)
            won = rng.binomial(differ, (DISCORDANCE + at) / (2 * DISCORDANCE))
            b, c = b + won * alive, c + (differ - won) * alive
            value = log_e(b, c)
            alive &= (value >= math.log(settings.drop_below)) & ((b + c < settings.max_discordant) | (value >= 0))
            passed = alive & (value >= -math.log(level(1, 0, settings.alpha)))
            late |= passed & (night >= before)
            alive &= ~passed
        found[f"{before} nights before"] = round(float(late.mean()), 4)
    return found
