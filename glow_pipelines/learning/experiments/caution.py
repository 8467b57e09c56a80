"""How much larger the standard error of a harm test is where the small arm has too few events to know its own spread.

A hold-back of a hundred users that happens to have one error of the six expected seems to hardly vary, and everything
beyond it seems harmful: with its own variance 7 % of harmless rollouts were rolled back at 95 : 5. Where nothing is
harmful both arms vary alike, so the spread of both together is a fair one too, and harm has to show against the larger.
Belongs here: that ratio. Does not: estimates (estimates.py), evidence (observations.py).
"""

import math

from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments, Scale, estimate
from glow_pipelines.learning.experiments.moments import Moments

PAIR = ("s", "n")


def caution(moments: ArmMoments | CrossedMoments, scale: Scale = "absolute") -> float:
    """At least 1: the standard error with both arms' common spread over that with each its own.

    With z = S − R·N of all clusters around the common ratio R, an arm's variance is Var(z)/(n·N̄²), as in a score test.
    1 where clusters are in both arms: they are alike by being the same.
    """
    if isinstance(moments, CrossedMoments):
        return 1.0
    c, t = moments.control.part(PAIR), moments.treatment.part(PAIR)
    own = estimate(ArmMoments(c, t), scale=scale)
    if own is None or not own.standard_error > 0:
        return 1.0
    both = c.merge(t)
    ratio = both.mean[0] / both.mean[1]
    ss, sn, nn = both.comoment[0][0], both.comoment[0][1], both.comoment[1][1]
    spread = max(0.0, ss - 2 * ratio * sn + ratio**2 * nn) / (both.n - 1)
    common = spread * sum(_weight(arm) for arm in (c, t))
    if scale == "log_ratio":
        common /= ratio**2
    return max(1.0, math.sqrt(common) / own.standard_error)


def _weight(arm: Moments) -> float:
    return 1 / (arm.n * arm.mean[1] ** 2)
