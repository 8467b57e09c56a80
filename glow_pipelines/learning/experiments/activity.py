"""Whether the treatment loses executions: an app that crashes records nothing, and nothing looks worse in what is left.

Units are exposed before the model is called, so executions per exposed unit tell. Belongs here: that ratio and how
sure it is, however often one looks. Does not: who arrived in which arm (observations.py), what follows (decisions.py,
ramp.py).
"""

import math

from glow_pipelines.learning.experiments import always_valid
from glow_pipelines.learning.experiments.estimates import CrossedMoments
from glow_pipelines.learning.experiments.metrics import FEEDBACK_RATE
from glow_pipelines.learning.experiments.types import Activity, Statistics

LOST = "executions"
"""What the alarm is called where alarms have names."""
TOLERATED = 0.05
"""On the log scale: a better answer saves some questions."""
TAU = 0.15
"""Of the mixture, on the log scale. A constant: what is frozen for every experiment is frozen for each."""
CLUSTERS, EFFECTIVE = 100, 30


def activity(statistics: Statistics) -> Activity | None:
    """Executions per exposed unit; None where nothing was executed in an arm. Executions are what feedback divides by.

    ln of the ratio of means over clusters, by the delta method; clusters in both arms vary together.
    """
    moments = statistics.metrics.get(FEEDBACK_RATE)
    if moments is None:
        return None
    if isinstance(moments, CrossedMoments):
        return _crossed(moments, statistics.units)
    c, t = moments.control, moments.treatment
    if min(c.n, t.n) < 2 or min(mean := (c.mean[1], t.mean[1])) <= 0:
        return None
    squares = [arm.comoment[1][1] / (arm.n - 1) for arm in (c, t)]
    variance = sum(s / (arm.n * m**2) for s, arm, m in zip(squares, (c, t), mean, strict=True))
    worth = [arm.n * m**2 / (s + m**2) for s, arm, m in zip(squares, (c, t), mean, strict=True)]
    enough = min(c.n, t.n, *statistics.units) >= CLUSTERS and min(worth) >= EFFECTIVE
    return Activity(mean[0], mean[1], _log_e(mean, variance) if enough else None)


def _crossed(moments: CrossedMoments, units: tuple[int, int]) -> Activity | None:
    both, (c, t) = moments.all, (moments.all.names.index("nc"), moments.all.names.index("nt"))
    if both.n < 2 or min(both.mean[c], both.mean[t], *units) <= 0:
        return None
    each = tuple(both.n * both.mean[arm] / of for arm, of in zip((c, t), units, strict=True))
    products = both.comoment
    variance = (
        products[c][c] / both.mean[c] ** 2
        + products[t][t] / both.mean[t] ** 2
        - 2 * products[c][t] / (both.mean[c] * both.mean[t])
    ) / (both.n * (both.n - 1))
    enough = min(moments.control_clusters, moments.treatment_clusters, *units) >= CLUSTERS
    return Activity(each[0], each[1], _log_e((each[0], each[1]), variance) if enough else None)


def _log_e(each: tuple[float, float], variance: float) -> float | None:
    if not variance > 0:
        return None
    error, missing = math.sqrt(variance), -math.log(each[1] / each[0])
    return float(always_valid.log_e((missing - TOLERATED) / error, (TAU / error) ** 2, sides=1))
