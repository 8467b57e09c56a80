"""The e-process on discordant pairs: evidence that may be looked at any time and continued any night.

Belongs here: the e-value. Does not belong here: what follows from it (gate).
"""

import math

import numpy as np
from scipy.special import logsumexp

ALTERNATIVES = np.arange(51, 86) / 100
"""P(finalist is the one that is right | pair discordant) under each alternative of the mixture, .51 to .85."""


def log_e_value(b: int, c: int) -> float:
    """log of mean over p of (2p)^b (2(1-p))^c for b pairs won and c lost.

    Each factor is a likelihood ratio against a fair coin, so the mean is a non-negative supermartingale whenever a
    discordant pair is won with probability <= 1/2, and P(ever >= 1/alpha) <= alpha (Ville 1939). Raises ValueError on
    negative counts.
    """
    if b < 0 or c < 0:
        raise ValueError(f"b={b} and c={c} must be >= 0")
    terms = b * np.log(2 * ALTERNATIVES) + c * np.log(2 * (1 - ALTERNATIVES))
    return float(logsumexp(terms) - math.log(len(ALTERNATIVES)))
