"""The gate by itself, many times: power, error over thirty nights, and whether what it claims comes true.

Thousands of gates at once over counts of pairs, with the e-value, the levels, the settings and the shrinkage of the
engine; a test holds them against the engine's gate. Pairs differ on `discordance` of the items (more, where the gain
asks for it).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from benchmarks.prompting.arms import DISCORDANCE
from glow_pipelines.learning.prompts import GateSettings
from glow_pipelines.learning.prompts.eprocess import ALTERNATIVES
from glow_pipelines.learning.prompts.levels import level, share
from glow_pipelines.learning.prompts.power import items_expected
from glow_pipelines.learning.prompts.shrinkage import shrunken_gain
from glow_pipelines.learning.prompts.tally import Tally

SEED = 9
GAINS = (0.03, 0.05, 0.08, 0.10, 0.15)
NUMBERS = (1, 5, 10, 30, 100)
NIGHT = 100  # fresh items a night
VAL_ITEMS = 150  # what a race's winner was seen on
SOONER = GateSettings(drop_below=0.3, max_discordant=60)
MOST = 1200  # counts of the table below; beyond, the e-value of the last is taken

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def simulate(full: bool) -> dict[str, Any]:
    """Power by gain, gate number and items; error over 30 nights; claimed over true gain among what passed."""
    gates = 10_000 if full else 400
    return {
        "gates": gates,
        "power, discordance .18": power(gates, DISCORDANCE),
        "power, discordance .30": power(gates, 0.30) if full else {},
        "power, giving up sooner (.3, 60)": power(gates, DISCORDANCE, SOONER) if full else {},
        "items at which half have passed, and the plan for four in five": pace(gates),
        "null, any of 30 gates passes": error(gates // 10, 30),
        "claimed over true": claims(gates * 2),
        "levels": {str(number): level(number, 0, GateSettings().alpha) for number in NUMBERS},
        "bar of other shares of the level": other_shares(),
    }


def table() -> Floats:
    """log E by (b, c), both up to MOST."""
    up, down = np.log(2 * ALTERNATIVES), np.log(2 * (1 - ALTERNATIVES))
    counts = np.arange(MOST + 1)
    rows = [logsumexp(b * up[None, :] + counts[:, None] * down[None, :], axis=1) for b in counts]
    return np.array(rows) - math.log(len(ALTERNATIVES))


LOG_E: list[Floats] = []


def log_e(b: Ints, c: Ints) -> Floats:
    if not LOG_E:
        LOG_E.append(table())
    found: Floats = LOG_E[0][np.minimum(b, MOST), np.minimum(c, MOST)]
    return found


def run(
    gains: Floats, levels: Floats | float, nights: int, rng: np.random.Generator, settings: GateSettings, wide: float
) -> tuple[NDArray[np.bool_], Ints, Ints, Ints]:
    """(passed, b, c, n) of gates of these true gains, up to `nights` of NIGHT items, looked at as the engine does."""
    b, c, n = (np.zeros(len(gains), dtype=np.int64) for _ in range(3))
    discordance = np.maximum(wide, np.abs(gains) + 0.04)
    alive, passed = np.ones(len(gains), dtype=bool), np.zeros(len(gains), dtype=bool)
    for _ in range(nights):
        for start in range(0, NIGHT, settings.look):
            items = min(settings.look, NIGHT - start)
            differ = rng.binomial(items, discordance)
            won = rng.binomial(differ, (discordance + gains) / (2 * discordance))
            b, c, n = b + won * alive, c + (differ - won) * alive, n + items * alive
            value = log_e(b, c)
            alive &= (value >= math.log(settings.drop_below)) & ((b + c < settings.max_discordant) | (value >= 0))
        clear = (log_e(b, c) >= -np.log(levels)) & (n >= settings.min_pairs) & (b - c >= settings.min_gain * n)
        passed |= alive & clear
        alive &= ~passed
    return passed, b, c, n


def power(gates: int, discordance: float, settings: GateSettings | None = None) -> dict[str, dict[str, list[float]]]:
    """Chance to pass within 1, 2, 4, 8 and 12 nights of NIGHT items, by gate number (no rejection before) and gain."""
    settings = settings or GateSettings()
    found: dict[str, dict[str, list[float]]] = {"gate alone": {}, **{f"gate number {each}": {} for each in NUMBERS}}
    for row, name in enumerate(found):
        at = settings.alpha if name == "gate alone" else level(NUMBERS[row - 1], 0, settings.alpha)
        for gain in (0.0, *GAINS):
            rng = np.random.default_rng([SEED, row])
            found[name][f"{100 * gain:+.0f}"] = [
                round(float(run(np.full(gates, gain), at, nights, rng, settings, discordance)[0].mean()), 3)
                for nights in (1, 2, 4, 8, 12)
            ]
    return found


def pace(gates: int) -> dict[str, dict[str, float]]:
    """Without drops: at how many items half and four in five have passed, and what the planning number says."""
    found: dict[str, dict[str, float]] = {}
    settings = GateSettings(drop_below=1e-9, max_discordant=10**6)
    for number in NUMBERS:
        for gain in GAINS[1:4]:
            rng, at = np.random.default_rng([SEED, number]), level(number, 0, settings.alpha)
            b, c = (np.zeros(gates, dtype=np.int64) for _ in range(2))
            first = np.full(gates, np.inf)
            for items in range(10, 4000, 10):
                differ = rng.binomial(10, DISCORDANCE, gates)
                won = rng.binomial(differ, (DISCORDANCE + gain) / (2 * DISCORDANCE))
                b, c = b + won, c + differ - won
                first[(log_e(b, c) >= -math.log(at)) & np.isinf(first)] = items
            found[f"gate number {number}, {100 * gain:+.0f}"] = {
                "half": float(np.quantile(first, 0.5)),
                "four in five": float(np.quantile(first, 0.8)),
                "planned": items_expected(gain, at),
            }
    return found


def error(histories: int, nights: int) -> dict[str, float]:
    """Share of histories with any passed gate: a new gate of the null every night, each open for up to 12 nights."""
    settings, ever = GateSettings(), np.zeros(histories, dtype=bool)
    for night in range(1, nights + 1):
        rng = np.random.default_rng([SEED, night])
        ever |= run(np.zeros(histories), level(night, 0, settings.alpha), 12, rng, settings, DISCORDANCE)[0]
    alone, rng = np.zeros(histories, dtype=bool), np.random.default_rng([SEED, 0])
    for _ in range(nights):
        alone |= run(np.zeros(histories), settings.alpha, 12, rng, settings, DISCORDANCE)[0]
    return {
        "histories": histories,
        "with levels": round(float(ever.mean()), 4),
        "every gate at the whole alpha": round(float(alone.mean()), 4),
    }


WORLDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "one +6 among seven": lambda rng, runs: np.tile([0.06] + [0.0] * 6, (runs, 1)),
    "N(-2, 3.5)": lambda rng, runs: rng.normal(-0.02, 0.035, (runs, 7)),
    "N(0, 3)": lambda rng, runs: rng.normal(0.0, 0.03, (runs, 7)),
    "N(-4, 2), weak reflector": lambda rng, runs: rng.normal(-0.04, 0.02, (runs, 7)),
    "N(5, 8), a prompt that was broken": lambda rng, runs: rng.normal(0.05, 0.08, (runs, 7)),
}


def claims(runs: int) -> dict[str, dict[str, float]]:
    """Among what passed: mean true gain, and raw and claimed gain over it. Finalists are the winners of a race."""
    settings, found = GateSettings(), {}
    for name, draw in WORLDS.items():
        for number, nights in ((1, 1), (1, 4), (5, 12), (30, 12)):
            rng = np.random.default_rng([SEED, number, nights])
            proposals = draw(rng, runs)
            seen = proposals + rng.normal(0, math.sqrt(DISCORDANCE / VAL_ITEMS), proposals.shape)
            best = seen.argmax(axis=1)
            gains = proposals[np.arange(runs), best][seen.max(axis=1) > 0]
            passed, b, c, n = run(gains, level(number, 0, settings.alpha), nights, rng, settings, DISCORDANCE)
            cases = list(zip(b[passed].tolist(), c[passed].tolist(), n[passed].tolist(), strict=True))
            told = [
                shrunken_gain(Tally(b=w, c=lost, neither_right=m - w - lost), settings.prior_sd) for w, lost, m in cases
            ]
            true = float(gains[passed].mean()) if cases else math.nan
            raw = float(((b - c) / n)[passed].mean()) if cases else math.nan
            found[f"{name}; gate number {number}, {nights} nights"] = {
                "passed": round(float(passed.mean()), 4),
                "true, points": round(100 * true, 2),
                "raw over true": round(raw / true, 2),
                "claimed over true": round(float(np.mean(told)) / true, 2) if cases else math.nan,
                "harmful": int((gains[passed] < 0).sum()),
                "n passed": len(cases),
            }
    return found


def other_shares() -> dict[str, list[int]]:
    """1 / level of gates 1, 5, 10, 30, 100 under ours, and under shares that also sum to one."""
    rules: dict[str, Callable[[int], float]] = {
        "ours": share,
        "1 / t(t+1)": lambda t: 1 / (t * (t + 1)),
        "6 / (pi t)^2": lambda t: 6 / (math.pi * t) ** 2,
        "1 / ((t+1) log^2(t+1))": lambda t: 1 / ((t + 1) * math.log(t + 1) ** 2) / 2.1097428,
        "1/30 for thirty gates, then none": lambda t: 1 / 30 if t <= 30 else 0.0,
    }
    alpha = GateSettings().alpha
    return {
        name: [round(1 / (alpha * rule(number))) if rule(number) else -1 for number in NUMBERS]
        for name, rule in rules.items()
    }
