"""Shrinkage: the gain that may be told of a finalist that was chosen because it looked good (winner's curse).

Belongs here: the prior over true gains and the posterior mean. Does not belong here: the decision (gate).
"""

import numpy as np

from glow_pipelines.learning.prompts.tally import Tally

# Most finalists differ by a few points; some repair a prompt that was broken. One normal of 3.5 points calls 20 points
# seen on 90 items 5; with one part in twenty six times as wide they are 11, and 7.5 points on 200 items stay 4.5.
_WIDE, _WIDE_SHARE = 6.0, 0.05
_SCALES, _SHARES = np.array([1.0, _WIDE]), np.array([1 - _WIDE_SHARE, _WIDE_SHARE])


def shrunken_gain(tally: Tally, prior_sd: float) -> float:
    """Posterior mean gain under a prior of two normals around 0: `prior_sd`, and seldom six times that.

    Where the prior is right, the posterior mean needs no correction for stopping early or for reporting only what
    passed. The variance of right-or-wrong scores adds one pair to each discordant cell (Bonett and Price 2012), so few
    pairs never look exact.
    """
    if not tally.n:
        return 0.0
    variance = _variance(tally)
    spreads = (prior_sd * _SCALES) ** 2
    weights = _SHARES * np.exp(-0.5 * tally.gain**2 / (spreads + variance)) / np.sqrt(spreads + variance)
    return float(tally.gain * (weights @ (spreads / (spreads + variance))) / weights.sum())


def _variance(tally: Tally) -> float:
    """Of the mean difference."""
    if tally.graded and tally.n > 1:
        # As if one pair had differed by all and one by nothing to either side: equal scores prove no exactness.
        gaps = np.array([*tally.differences, 1.0, -1.0])
        return float(gaps.var() / len(gaps))
    b, c, n = tally.b + 1, tally.c + 1, tally.n + 2
    return ((b + c) / n - ((b - c) / n) ** 2) / n
