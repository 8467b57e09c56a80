"""Power: how many test items a gain of a given size needs. Planning numbers; the gate itself is sequential."""

import math

from scipy.stats import norm

from glow_pipelines.learning.prompts.results import PowerRow

GAINS = (0.03, 0.05, 0.08, 0.10)
DISCORDANCE = 0.18  # share of items on which incumbent and finalist differ, where nothing better is known


def pairs_needed(gain: float, discordance: float = DISCORDANCE, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs for a fixed one-sided McNemar test: (z_a sqrt(d) + z_b sqrt(d - g^2))^2 / g^2 (Connor 1987).

    Raises ValueError unless 0 < gain <= discordance <= 1.
    """
    if not 0 < gain <= discordance <= 1:
        raise ValueError(f"need 0 < gain={gain} <= discordance={discordance} <= 1")
    z_alpha, z_beta = float(norm.isf(alpha)), float(norm.ppf(power))
    reach = z_alpha * math.sqrt(discordance) + z_beta * math.sqrt(discordance - gain**2)
    return math.ceil((reach / gain) ** 2)


def power_table(discordance: float = DISCORDANCE, alpha: float = 0.05, power: float = 0.8) -> tuple[PowerRow, ...]:
    """Pairs for +3, +5, +8 and +10 points."""
    return tuple(PowerRow(gain, pairs_needed(gain, discordance, alpha, power)) for gain in GAINS)
