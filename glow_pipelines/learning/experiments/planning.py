"""Before an experiment starts: how many users it needs, how long that takes, and what these users could show at all.

Looking at a running experiment belongs to looks.py. Plans are for a rate compared between two arms of users.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.former import ExperimentPlan, Traffic


def users_for_two_proportions(p1: float, p2: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Independent observations per arm that tell p1 from p2 with the given power; two-sided z-test, pooled under H0.

    n = (z(1−α/2)·√(2p̄q̄) + z(power)·√(p1q1 + p2q2))² / (p1−p2)², rounded up. .70 against .75 gives 1 251.
    """
    if not (0 <= p1 <= 1 and 0 <= p2 <= 1 and p1 != p2 and 0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"two different rates in [0, 1], alpha and power in (0, 1): got {p1}, {p2}, {alpha}, {power}")
    mean = (p1 + p2) / 2
    normal = NormalDist()
    null = normal.inv_cdf(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    other = normal.inv_cdf(power) * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return math.ceil(((null + other) / (p1 - p2)) ** 2)


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


def design_effect(traffic: Traffic) -> float:
    """By how much votes of the same users carry less than independent votes: 1 + (m(1+cv²) − 1)·ρ, never below 1."""
    weighted = traffic.rated_per_user * (1 + traffic.rated_per_user_cv**2)
    return max(1.0, 1 + (weighted - 1) * traffic.intra_user_correlation)


def detectable_effect(traffic: Traffic, users_per_arm: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest absolute difference that so many users per arm would show with the given power (fixed sample)."""
    p = traffic.baseline_rate
    error = math.sqrt(2 * p * (1 - p) * design_effect(traffic) / (users_per_arm * traffic.rated_per_user))
    return (NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)) * error


def mixture_tau(standard_error: float, alpha: float) -> float:
    """The mixture's scale that makes the interval narrowest when the standard error is what is given.

    τ = SE·√x with x = −W₋₁(−α²/e) − 1; x is 8.2120 at α = .05. Freeze it before the first look.
    """
    from scipy.special import lambertw  # here: scipy costs a second that code loading must not pay

    return standard_error * math.sqrt(-float(lambertw(-(alpha**2) / math.e, -1).real) - 1)


def plan_experiment(
    salt: str,
    traffic: Traffic,
    *,
    effect: float = 0.05,
    confidence: float = 0.95,
    power: float = 0.8,
    minimum_users: int = 1000,
    minimum_days: int = 7,
    enrolled_ppm: int = MILLION,
    treatment_ppm: int = MILLION // 2,
    higher_is_better: bool = True,
) -> ExperimentPlan:
    """The plan of an experiment; `minimum_users` counts users of both arms together and is never undercut.

    `users_per_arm` is the smaller arm's. The last day allows for twice the planned users: an always-valid look pays for
    looking every day with up to 1.7 times the fixed sample. Raises ValueError for rates, shares or traffic outside
    their range.
    """
    target = traffic.baseline_rate + (effect if higher_is_better else -effect)
    if effect <= 0 or not 0 < traffic.baseline_rate < 1 or not 0 < target < 1:
        raise ValueError(
            f"baseline {traffic.baseline_rate} and effect {effect} must leave both rates strictly in (0, 1)"
        )
    if not (0 < treatment_ppm < MILLION and 0 < enrolled_ppm <= MILLION):
        raise ValueError(f"shares in parts per million: got enrolled {enrolled_ppm}, treatment {treatment_ppm}")
    if traffic.users_per_day <= 0 or traffic.rated_per_user <= 0 or not 0 <= traffic.intra_user_correlation <= 1:
        raise ValueError(f"users and ratings must be above 0 and the correlation in [0, 1]: got {traffic}")
    alpha, penalty = 1 - confidence, design_effect(traffic)
    share = min(treatment_ppm, MILLION - treatment_ppm) / MILLION
    votes = users_for_two_proportions(traffic.baseline_rate, target, alpha=alpha, power=power)
    users = max(math.ceil(votes * penalty / traffic.rated_per_user), math.ceil(minimum_users * share))
    daily = traffic.users_per_day * enrolled_ppm / MILLION
    total = math.ceil(users / share)
    days = max(minimum_days, math.ceil(total / daily))
    spread = traffic.baseline_rate * (1 - traffic.baseline_rate) + target * (1 - target)
    error = math.sqrt(spread * penalty / (users * traffic.rated_per_user))
    available = math.inf if traffic.population is None else traffic.population * enrolled_ppm / MILLION
    return ExperimentPlan(
        salt=salt,
        enrolled_ppm=enrolled_ppm,
        treatment_ppm=treatment_ppm,
        baseline_rate=traffic.baseline_rate,
        effect=effect,
        higher_is_better=higher_is_better,
        confidence=confidence,
        users_per_arm=users,
        minimum_users=minimum_users,
        minimum_days=minimum_days,
        planned_days=days,
        maximum_days=max(days, math.ceil(2 * total / daily)),
        design_effect=penalty,
        standard_error=error,
        tau=mixture_tau(error, alpha),
        reachable=total <= available,
        summary=_summary(traffic, effect, users, total, days, available, share, alpha, power),
    )


def _summary(
    traffic: Traffic,
    effect: float,
    users: int,
    total: int,
    days: int,
    available: float,
    share: float,
    alpha: float,
    power: float,
) -> str:
    text = f"a difference of {100 * effect:.1f} points needs {users:,} users in the smaller arm, about {days} days"
    if total <= available:
        return text
    seen = detectable_effect(traffic, available * share, alpha=alpha, power=power)
    enough = f"enough for a difference of {100 * seen:.1f} points" if seen < 1 else "too few to show any difference"
    return f"{text}; only {available:,.0f} users are there, {enough}"
