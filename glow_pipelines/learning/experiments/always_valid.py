"""Evidence and intervals that hold however often one looks: the normal mixture over estimates with standard errors.

With z = difference/SE and x = τ²/SE², evidence grows past 1/α with probability at most α over all looks together.
τ is frozen before the first look; re-tuned at every look the guarantee is gone. For guardrails, harm stops, ramps and
dashboards; the ship decision has a last day, and there group_sequential.py needs less data. All functions take arrays.

Sources: Robbins (1970); Howard, Ramdas, McAuliffe, Sekhon (2021). The guarantee is that of the normal limit, not exact.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.moments import Floats


def best_x(alpha: float = 0.05, sides: int = 2) -> float:
    """x = τ²/SE² where the boundary is tightest: 8.2120 at α = .05, one-sided 6.6924.

    Two-sided −W₋₁(−α²/e) − 1. One-sided the derivative is zero at x = w·(w + φ(w)/Φ(w)), w as in `log_e`.
    """
    from scipy.optimize import brentq  # here: scipy costs a second that code loading must not pay
    from scipy.special import lambertw

    two = _two(sides)
    if not 0 < alpha < (1 if two else 0.5):
        raise ValueError(f"alpha must be above 0 and below {1 if two else 0.5}, got {alpha}")
    if two:
        return float(-lambertw(-(alpha**2) / math.e, -1).real - 1)

    def slope(w: float) -> float:
        return float(_half_normal(np.float64(w)) - 0.5 * np.log1p(w * _half_normal_slope(w)) + math.log(2 * alpha))

    w = brentq(slope, 0.0, 60.0, xtol=1e-14)
    return float(w * _half_normal_slope(w))


def mixture_tau(se_plan: float, alpha: float = 0.05, sides: int = 2) -> float:
    """τ = SE_plan·√x*: the mixture that is tightest when the standard error is the planned one."""
    return se_plan * math.sqrt(best_x(alpha, sides))


def log_e(z: ArrayLike, x: ArrayLike, sides: int = 2) -> Floats:
    """ln e of no difference (two-sided), or of "the difference is at most the margin" (one-sided, z from the margin).

    Two-sided −½·ln(1+x) + ½·z²·x/(1+x); one-sided ln 2 − ½·ln(1+x) + ½·w² + ln Φ(w) with w = z·√(x/(1+x)).
    """
    zs, xs = np.asarray(z, dtype=float), np.asarray(x, dtype=float)
    w2 = zs**2 * (xs / (1 + xs))
    if _two(sides):
        return np.asarray(-0.5 * np.log1p(xs) + 0.5 * w2, dtype=float)
    return np.asarray(math.log(2) - 0.5 * np.log1p(xs) + _half_normal(zs * np.sqrt(xs / (1 + xs))), dtype=float)


def threshold(x: ArrayLike, alpha: float = 0.05, sides: int = 2) -> Floats:
    """Standard errors at which ln e reaches −ln α: √((1+1/x)(ln(1+x) − 2·ln α)); one-sided the root of the same."""
    xs = np.asarray(x, dtype=float)
    if _two(sides):
        return np.asarray(np.sqrt((1 + 1 / xs) * (np.log1p(xs) - 2 * math.log(alpha))), dtype=float)
    goal = -math.log(2 * alpha) + 0.5 * np.log1p(xs)
    return np.asarray(_solve_half_normal(goal) * np.sqrt((1 + xs) / xs), dtype=float)


def half_width(se: ArrayLike, tau: ArrayLike, alpha: float = 0.05, sides: int = 2) -> Floats:
    """How far the always-valid interval reaches from the estimate (downwards only where it is one-sided)."""
    ses = np.asarray(se, dtype=float)
    return np.asarray(ses * threshold((np.asarray(tau, dtype=float) / ses) ** 2, alpha, sides), dtype=float)


def confidence_sequence(
    differences: ArrayLike, standard_errors: ArrayLike, tau: ArrayLike, alpha: float = 0.05, sides: int = 2
) -> tuple[Floats, Floats]:
    """(low, high) after each look along the last axis, each the intersection of all before; low > high means drift.

    An empty intersection says that the effect itself moved, or that the alarm of a few per cent came up.
    """
    d, width = np.asarray(differences, dtype=float), half_width(standard_errors, tau, alpha, sides)
    low = np.maximum.accumulate(d - width, axis=-1)
    high = np.minimum.accumulate(d + width, axis=-1) if _two(sides) else np.full(low.shape, np.inf)
    return low, high


def p_value(log_es: ArrayLike) -> Floats:
    """Always-valid p after each look along the last axis: min(1, 1/max e so far)."""
    return np.asarray(np.exp(-np.maximum(0.0, np.maximum.accumulate(np.asarray(log_es, dtype=float), axis=-1))))


def combine(log_es: ArrayLike) -> Floats:
    """ln e over independent strata (phases, ramp stages) along the last axis: e-values multiply."""
    return np.asarray(np.asarray(log_es, dtype=float).sum(axis=-1), dtype=float)


def rejects(log_es: ArrayLike, alpha: float = 0.05) -> np.ndarray:
    """Whether evidence reached 1/α."""
    return np.asarray(log_es, dtype=float) >= -math.log(alpha)


def _half_normal(w: ArrayLike) -> Floats:
    from scipy.special import log_ndtr

    ws = np.asarray(w, dtype=float)
    return np.asarray(0.5 * ws**2 + log_ndtr(ws), dtype=float)


def _half_normal_slope(w: ArrayLike) -> Floats:
    from scipy.special import erfcx

    ws = np.asarray(w, dtype=float)
    return np.asarray(ws + math.sqrt(2 / math.pi) / erfcx(-ws / math.sqrt(2)), dtype=float)


def _solve_half_normal(goal: ArrayLike) -> Floats:
    """w with ½w² + ln Φ(w) = goal. The left side rises and is convex, so Newton from above converges without fail."""
    target = np.asarray(goal, dtype=float)
    # ln Φ(w) ≥ −ln 2 for w ≥ 0: this start is on the right of the root, the only side Newton needs.
    w: Floats = np.asarray(np.sqrt(2 * np.maximum(target + math.log(2), 0.0)), dtype=float)
    for _ in range(60):
        step = (_half_normal(w) - target) / _half_normal_slope(w)
        w = np.asarray(w - step, dtype=float)
        if np.all(np.abs(step) <= 1e-14 * (1 + np.abs(w))):
            break
    return w


def _two(sides: int) -> bool:
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, got {sides}")
    return sides == 2
