"""Power: how many test items a gain of a given size needs. Planning numbers; the gate itself is sequential."""

import math

from scipy.special import xlogy
from scipy.stats import norm

from glow_pipelines.learning.prompts.results import PowerRow

GAINS = (0.03, 0.05, 0.08, 0.10)
DISCORDANCE = 0.18  # share of items on which incumbent and finalist differ, where nothing better is known
# What the mixture pays for not knowing the gain, and what four in five need beyond the mean, in units of log E:
# fitted to simulated gates at levels .009 to .00003 and gains of 5 to 10 points (benchmarks/prompting/gates.py).
_MIXTURE, _SPREAD = 0.4, 0.84


def pairs_needed(gain: float, discordance: float = DISCORDANCE, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs for a fixed one-sided McNemar test: (z_a sqrt(d) + z_b sqrt(d - g^2))^2 / g^2 (Connor 1987).

    Raises ValueError unless 0 < gain <= discordance <= 1.
    """
    _check(gain, discordance)
    z_alpha, z_beta = float(norm.isf(alpha)), float(norm.ppf(power))
    reach = z_alpha * math.sqrt(discordance) + z_beta * math.sqrt(discordance - gain**2)
    return math.ceil((reach / gain) ** 2)


def items_expected(gain: float, level: float, discordance: float = DISCORDANCE, log_e: float = 0.0) -> int:
    """About how many items the e-process needs from `log_e` to pass at `level`, four times in five.

    log E grows by d (log 2 - H(p)) per item with p = (d + g) / 2d, and by its spread; a planning number within about a
    tenth. Raises ValueError unless 0 < gain <= discordance <= 1.
    """
    _check(gain, discordance)
    p = (discordance + gain) / (2 * discordance)
    up, down = math.log(2 * p), (math.log(2 * (1 - p)) if p < 1 else 0.0)
    growth = discordance * float(xlogy(p, 2 * p) + xlogy(1 - p, 2 * (1 - p)))
    variance = max(0.0, discordance * (p * up**2 + (1 - p) * down**2) - growth**2)
    wanted = max(0.0, -math.log(level) - log_e) + _MIXTURE
    # growth n - spread sqrt(variance n) = wanted, for sqrt(n)
    root = (_SPREAD * math.sqrt(variance) + math.sqrt(_SPREAD**2 * variance + 4 * growth * wanted)) / (2 * growth)
    return math.ceil(root**2)


def power_table(
    discordance: float = DISCORDANCE, alpha: float = 0.05, power: float = 0.8, level: float | None = None
) -> tuple[PowerRow, ...]:
    """Pairs for +3, +5, +8 and +10 points (those the discordance allows); with `level` also for a gate at it."""
    return tuple(
        PowerRow(
            gain,
            pairs_needed(gain, discordance, alpha, power),
            None if level is None else items_expected(gain, level, discordance),
        )
        for gain in GAINS
        if gain <= discordance
    )


def _check(gain: float, discordance: float) -> None:
    if not 0 < gain <= discordance <= 1:
        raise ValueError(f"need 0 < gain={gain} <= discordance={discordance} <= 1")
