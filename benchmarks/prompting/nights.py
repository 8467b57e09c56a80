"""S4. Claim: over sixty nights the gated loop gains nearly what an ungated one does, and releases almost no harm.

Seven proposals a night with effects from three distributions, accuracy from 70.0. `claims` is the sum of what was told
at each promotion, `gained` what came true.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.prompting.arms import BASE, correlation
from benchmarks.prompting.loop import PROPOSALS, Argmax, Effects, FixedTest, Glow, Night, World
from glow_pipelines.learning.prompts import GateSettings

NIGHTS = 60
SEED = 4
DISTRIBUTIONS = {"N(-2, 3.5)": (-0.02, 0.035), "N(-4, 2), weak reflector": (-0.04, 0.02), "N(0, 3)": (0.0, 0.03)}
UNFAVOURABLE_DISCORDANCE = 0.30
SOONER = GateSettings(drop_below=0.3, max_discordant=60)  # of GateSettings: .15, 120


def simulate(full: bool) -> dict[str, Any]:
    """By distribution and policy: final accuracy, harmful releases, calls a night, what was claimed and what gained."""
    runs, nights = (16, NIGHTS) if full else (1, 12)
    found: dict[str, Any] = {"runs": runs, "nights": nights, "proposals a night": PROPOSALS}
    for name, (mean, sd) in DISTRIBUTIONS.items():
        found[name] = {policy: _measure(policy, mean, sd, runs, nights) for policy in POLICIES}
    if full:
        mean, sd = DISTRIBUTIONS["N(-2, 3.5)"]
        found["N(-2, 3.5), discordance .30"] = {
            policy: _measure(policy, mean, sd, runs, nights, UNFAVOURABLE_DISCORDANCE)
            for policy in ("argmax, fresh 100", "glow .05", "glow .20", "glow .05, giving up sooner")
        }
    return found


POLICIES: dict[str, Callable[[], Night]] = {
    "argmax, same 100": lambda: Argmax(fresh=False),
    "argmax, fresh 100": lambda: Argmax(),
    "race + McNemar .05, 200": lambda: FixedTest(200),
    "glow .05": lambda: Glow(GateSettings()),
    "glow .20": lambda: Glow(GateSettings(alpha=0.20)),
    "glow .05, giving up sooner": lambda: Glow(SOONER),
    "glow .05, each gate alone": lambda: Glow(GateSettings(), each_alone=True),
}


def effects(mean: float, sd: float) -> Effects:
    """Seven proposals, each better or worse than the incumbent by a normal amount."""
    return lambda rng: rng.normal(mean, sd, PROPOSALS)


def _measure(
    policy: str, mean: float, sd: float, runs: int, nights: int, discordance: float | None = None
) -> dict[str, float]:
    worlds = []
    for run in range(runs):
        world = World(np.random.default_rng([SEED, run]), effects(mean, sd))
        if discordance is not None:
            world.rho = correlation(discordance)
        night = POLICIES[policy]()
        for _ in range(nights):
            night(world)
        worlds.append(world)
    gained = [100 * (world.accuracy - BASE) for world in worlds]
    return {
        "final accuracy": round(100 * BASE + float(np.mean(gained)), 2),
        "standard error": round(float(np.std(gained)) / runs**0.5, 2),
        "promotions": round(float(np.mean([world.promotions for world in worlds])), 2),
        "harmful": round(float(np.mean([world.harmful for world in worlds])), 2),
        "claims": round(100 * float(np.mean([world.claimed for world in worlds])), 1),
        "gained": round(float(np.mean(gained)), 1),
        "calls a night": round(float(np.mean([world.calls for world in worlds])) / nights),
    }
