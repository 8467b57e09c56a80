"""Shrinkage: the gain that may be told of a finalist that was chosen because it looked good (winner's curse).

Belongs here: the prior over true gains and the posterior mean. Does not belong here: the decision (gate).
"""

import numpy as np

from glow_pipelines.learning.prompts.tally import Tally

# Most proposals differ by a few points, some repair a prompt that was broken; multiples of `prior_sd`, equally likely.
# One normal of 3.5 points would call 30 points seen on 90 items 10; the wide parts leave what noise cannot explain.
_SCALES = np.array([0.5, 1.0, 2.0, 4.0, 8.0])


def shrunken_gain(tally: Tally, prior_sd: float) -> float:
    """Posterior mean gain under a mixture of normal priors around 0.

    Where the prior is right, the posterior mean needs no correction for stopping early or for reporting only what
    passed. The variance of right-or-wrong scores adds one pair to each discordant cell (Bonett and Price 2012), so few
    pairs never look exact.
    """
    if not tally.n:
        return 0.0
    variance = _variance(tally)
    spreads = (prior_sd * _SCALES) ** 2
    weights = np.exp(-0.5 * tally.gain**2 / (spreads + variance)) / np.sqrt(spreads + variance)
    return float(tally.gain * (weights @ (spreads / (spreads + variance))) / weights.sum())


def _variance(tally: Tally) -> float:
    """Of the mean difference."""
    if tally.graded and tally.n > 1:
        # As if one pair had differed by all and one by nothing to either side: equal scores prove no exactness.
        gaps = np.array([*tally.differences, 1.0, -1.0])
        return float(gaps.var() / len(gaps))
    b, c, n = tally.b + 1, tally.c + 1, tally.n + 2
    return ((b + c) / n - ((b - c) / n) ** 2) / n
