"""The e-process for graded scores: a bettor on score differences who cannot expect to win when nothing is better.

Belongs here: the e-value of differences. For answers that are right or wrong it is the one of eprocess.py, with other
bets. Does not belong here: what follows from it (gate).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

BETS: NDArray[np.float64] = np.arange(1, 50) / 50
"""The shares of wealth a bettor puts on each item, .02 to .98. All bets start with equal wealth and keep it apart."""


def log_wealth(differences: ArrayLike, bets: Sequence[float] | NDArray[np.float64] = BETS) -> float:
    """log of mean over bets of prod (1 + bet d_t), for score differences d_t in -1..1, finalist minus incumbent.

    With E[d_t | past] <= 0 each factor has conditional expectation <= 1 and none is negative: a supermartingale, so
    P(ever >= 1/alpha) <= alpha (Ville 1939; betting: Waudby-Smith and Ramdas 2024). The mean over constant bets is one
    bettor whose bet on item t is the wealth-weighted mean of the bets after item t - 1: predictable, and growing to
    what would have been best. It does not depend on the order of the items, so nights may divide them as they like.
    Raises ValueError for a difference outside -1..1, or a bet outside (0, 1).
    """
    gaps, shares = np.asarray(differences, dtype=float), np.asarray(bets, dtype=float)
    if not np.all(np.abs(gaps) <= 1):  # also NaN
        raise ValueError("differences must lie in -1..1: scores are 0..1")
    if not np.all((shares > 0) & (shares < 1)):
        raise ValueError("bets must lie strictly between 0 and 1: a bettor who stakes everything ends with nothing")
    wealth: Any = np.log1p(np.outer(shares, gaps)).sum(axis=1)
    return float(logsumexp(wealth) - np.log(len(shares)))


def next_bet(differences: ArrayLike, bets: Sequence[float] | NDArray[np.float64] = BETS) -> float:
    """What the mixture stakes on the next item: the mean bet, weighted by the wealth each has made so far."""
    shares = np.asarray(bets, dtype=float)
    wealth: Any = np.log1p(np.outer(shares, np.asarray(differences, dtype=float))).sum(axis=1)
    return float(np.exp(wealth - logsumexp(wealth)) @ shares)
