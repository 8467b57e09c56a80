"""How precisely an agent's traffic can compare two arms: standard errors, users needed, effects that can be seen.

Formulas over traffic measured beforehand. Choosing and freezing a plan belongs to planning.py, errors of data that have
come in to estimates.py.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.estimates import Scale
from glow_pipelines.learning.experiments.metrics import Metric
from glow_pipelines.learning.experiments.plan import Unit
from glow_pipelines.learning.experiments.types import Traffic


def intra_user_correlation(successes: ArrayLike, rated: ArrayLike) -> float:
    """How alike two votes of one user are, from each user's successes and rated executions (one-way ANOVA estimator).

    In [0, 1]. Where nobody rated twice nothing is known and the answer is 1: repeats then count for nothing.
    """
    s, n = np.asarray(successes, dtype=float), np.asarray(rated, dtype=float)
    s, n = s[n > 0], n[n > 0]
    users, total = len(n), float(n.sum())
    if users < 2 or total <= users:
        return 1.0
    within = float((s * (1 - s / n)).sum()) / (total - users)
    between = float((n * (s / n - s.sum() / total) ** 2).sum()) / (users - 1)
    size = (total - float((n * n).sum()) / total) / (users - 1)
    spread = between + (size - 1) * within
    return min(1.0, max(0.0, (between - within) / spread)) if spread > 0 else 0.0


def design_effect(traffic: Traffic, unit: Unit = "user") -> float:
    """By how much values of one randomised unit carry less than independent ones: 1 + (m(1+cv²)/k − 1)·ρ, at least 1.

    m(1+cv²) = E[N²]/E[N] is the size a value finds its user to have, k how many units a user is: 1, his sessions, or
    his executions. What a user's own level adds to both arms cancels between his units, so finer units cost less.
    """
    weighted = traffic.rated_per_user * (1 + traffic.rated_per_user_cv**2)
    if unit == "execution":
        return 1.0
    parts = max(1.0, traffic.sessions_per_user or 1.0) if unit == "session" else 1.0
    return max(1.0, 1 + (weighted / parts - 1) * traffic.intra_user_correlation)


def standard_error(
    traffic: Traffic,
    users: float,
    *,
    unit: Unit = "user",
    treated: float = 0.5,
    scale: Scale = "absolute",
    cuped: bool = False,
) -> float:
    """The standard error of treatment minus control that so many users of both arms together give.

    √(σ²·design effect / (m·users·q(1−q))), times √(1−ρ²) with CUPED, over the mean on a log scale. 600 users with one
    vote or so each, correlation .3 and 60 % thumbs up give .038.
    """
    p = traffic.baseline_rate
    variance = p * (1 - p) if traffic.deviation is None else traffic.deviation**2
    error = math.sqrt(
        variance * design_effect(traffic, unit) / (traffic.rated_per_user * users * treated * (1 - treated))
    )
    if cuped and traffic.pre_post_correlation is not None:
        error *= math.sqrt(1 - traffic.pre_post_correlation**2)
    return error / p if scale == "log_ratio" else error


def quantiles(alpha: float, power: float) -> float:
    """z(1−α/2) + z(power): how many standard errors an effect must be worth; 2.80 at .05 and .8."""
    return NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)


@cache
def looks_cost(looks: int, alpha: float, power: float) -> float:
    """How much more information so many planned looks need than one (cached: solving takes a second)."""
    from glow_pipelines.learning.experiments.group_sequential import inflation

    return 1.0 if looks <= 1 else inflation(looks, alpha, power)


def information_needed(effect: float, alpha: float, power: float, looks: int = 1) -> float:
    """1/SE² at the last look that finds `effect` with the given power: R·(z(1−α/2)+z(power))²/effect²."""
    return looks_cost(looks, alpha, power) * (quantiles(alpha, power) / effect) ** 2


def users_needed(error_of_one: float, information: float) -> int:
    """Users of both arms together whose 1/SE² is `information`, when one user alone gave `error_of_one`."""
    return math.ceil(error_of_one**2 * information - 1e-9)


def detectable_effect(error: float, alpha: float = 0.05, power: float = 0.8, looks: int = 1) -> float:
    """The smallest difference that a final standard error shows with the given power."""
    return math.sqrt(looks_cost(looks, alpha, power)) * quantiles(alpha, power) * error


def possible(metric: Metric, baseline: float, effect: float) -> bool:
    """Whether an improvement by `effect` leaves the metric where it can be: a share in (0, 1), a ratio above 0."""
    if metric.scale == "log_ratio":
        return True
    target = baseline + (effect if metric.higher_is_better else -effect)
    return 0 < target < 1 if metric.share else True
