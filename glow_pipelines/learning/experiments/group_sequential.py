"""Boundaries for planned looks: how many standard errors a difference must reach at each, errors spent over all looks.

Where an experiment has a last day, this needs less data than always_valid.py. A look stands at information fraction
t = I/I_max with I = 1/SE²; the share of α spent by then is fixed beforehand, so looks may come at any t, and an
extension costs nothing as long as it was in the plan. Which decision follows a crossing belongs to decisions.py.

Source: Lan, DeMets (1983). Leading dimensions of `info_fractions` are experiments, so a simulator runs thousands at
once; the integration itself is in first_crossing.py.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.first_crossing import POINTS, Walk
from glow_pipelines.learning.experiments.moments import Floats

Spending = str | Callable[[Floats, float], Floats]


def spent(t: ArrayLike, alpha: float = 0.05, spending: Spending = "power2") -> Floats:
    """Two-sided α spent by information fraction `t`, all of it from t = 1 on.

    power2 is α·t² (any "power<ρ>" is α·t^ρ); pocock is α·ln(1+(e−1)t). There are two conventions of O'Brien–Fleming:
    obrien_fleming spends 2−2Φ(z₁₋ₐ/₂/√t) with a = α/2 on each side (gsDesign's: 4.877 … 2.031 at five looks),
    obrien_fleming_total the same once with a = α (4.383 … 2.064). "hsd<γ>" is Hwang–Shih–DeCani.
    """
    from scipy.special import ndtr, ndtri  # here: scipy costs a second that code loading must not pay

    at = np.clip(np.asarray(t, dtype=float), 0.0, 1.0)
    if callable(spending):
        return np.asarray(spending(at, alpha), dtype=float)
    if spending in ("obrien_fleming", "obrien_fleming_total"):
        each = 2 if spending == "obrien_fleming" else 1
        edge = -ndtri(alpha / each / 2)
        with np.errstate(divide="ignore"):
            return np.asarray(each * 2 * ndtr(-edge / np.sqrt(at)), dtype=float)
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((math.e - 1) * at), dtype=float)
    for family in ("power", "hsd"):
        if spending.startswith(family) and (parameter := _number(spending[len(family) :])) is not None:
            if family == "power" and parameter > 0:
                return np.asarray(alpha * at**parameter, dtype=float)
            if family == "hsd":
                share = np.expm1(-parameter * at) / math.expm1(-parameter) if parameter else at
                return np.asarray(alpha * share, dtype=float)
    known = "power2 (or power<ρ>), obrien_fleming, obrien_fleming_total, pocock or hsd<γ>"
    raise ValueError(f"spending must be {known}, got {spending!r}")


@dataclass(frozen=True)
class Crossing:
    """Probability of having left by look k, upwards and downwards; the last axis is the look."""

    upper: Floats
    lower: Floats

    @property
    def either(self) -> Floats:
        """Probability of having left on either side by look k."""
        return self.upper + self.lower


def boundaries(
    info_fractions: ArrayLike,
    alpha: float = 0.05,
    spending: Spending = "power2",
    *,
    sides: int = 2,
    floor: float = -8.0,
    points: int = POINTS,
) -> Floats:
    """z to reach at each look for the fractions (…, K), which rise; ∞ where a look may spend nothing.

    Two-sided: symmetric, and the chance to have left on either side by look k is spent(t_k). One-sided (most published
    tables): only the upper side ends the test, nothing is left below `floor`, α is that side's; it is higher by up to
    1e-6, the paths that cross low first and high later. `points` of 96 is good to 1e-5 with a dozen looks.
    """
    t = _fractions(info_fractions)
    goal = spent(t, alpha, spending) if sides == 2 else spent(t, 2 * alpha, spending) / 2

    def solve(at: Floats, until: Floats) -> Floats:
        walk, used, found = Walk(at.shape[:-1], points), np.zeros(at.shape[:-1]), []
        for k in range(at.shape[-1]):
            c = walk.boundary(at[..., k], until[..., k] - used, sides)
            upper, lower = walk.step(at[..., k], c, None if sides == 2 else np.full(c.shape, floor))
            used = used + upper + (lower if sides == 2 else 0.0)
            found.append(c)
        return np.stack(found, axis=-1)

    # A kernel of points² numbers per experiment: more than some dozens at once would fill the memory.
    many, until = t.reshape(-1, t.shape[-1]), goal.reshape(-1, t.shape[-1])
    at_once = max(1, 8_000_000 // points**2)
    parts = [solve(many[i : i + at_once], until[i : i + at_once]) for i in range(0, len(many), at_once)]
    return np.concatenate(parts).reshape(t.shape)


def next_boundary(
    previous: Sequence[tuple[float, float]], t: float, alpha: float = 0.05, spending: Spending = "power2"
) -> float:
    """z to reach at fraction `t`, given the looks (t, boundary) that were really taken, in order.

    Spends what spent(t) leaves after those looks. A look taken is kept as it was taken: recomputing its fraction later
    must not hand its α out again. ∞ where nothing is left. Raises ValueError when t did not rise: such a look is
    skipped, it brings no information and may spend nothing.
    """
    if previous and t <= previous[-1][0]:
        raise ValueError(
            f"information fraction {t:g} did not rise above {previous[-1][0]:g}: this look is to be skipped"
        )
    walk, used = Walk((), POINTS), 0.0
    for at, c in previous:
        upper, lower = walk.step(np.float64(at), np.float64(c))
        used += float(upper + lower)
    return float(walk.boundary(_fractions([t])[0], np.float64(float(spent(t, alpha, spending)) - used)))


def widened(boundary: ArrayLike, df: ArrayLike) -> Floats:
    """The boundary for a z whose error rests on `df` degrees of freedom: Student's t that is as rare as it is normal.

    Boundaries are for normal values. With few effective clusters z is larger than that now and then, and most so where
    early looks ask for tails of 1e-4; what a look spends stays what it was. The same as comparing Φ⁻¹(F_t(z)) with the
    normal boundary.
    """
    from scipy.special import ndtr, stdtrit

    c, freedom = np.broadcast_arrays(np.asarray(boundary, dtype=float), np.asarray(df, dtype=float))
    inside = np.isfinite(c) & np.isfinite(freedom) & (freedom > 0)
    return np.where(inside, -stdtrit(np.where(inside, freedom, 1.0), ndtr(-np.where(inside, c, 0.0))), c)


def crossing(
    info_fractions: ArrayLike,
    z: ArrayLike,
    drift: ArrayLike = 0.0,
    *,
    lower: ArrayLike | None = None,
    points: int = POINTS,
) -> Crossing:
    """Probability to have crossed by each look; z_k ~ N(drift·√t_k, 1), drift = effect·√I_max.

    `lower` are the lower boundaries, −z by default; −∞ for a test that only ends upwards.
    """
    t, c = np.broadcast_arrays(_fractions(info_fractions), np.asarray(z, dtype=float))
    below = -c if lower is None else np.broadcast_to(np.asarray(lower, dtype=float), c.shape)
    shape = np.broadcast_shapes(t.shape[:-1], np.shape(drift))
    walk = Walk(shape, points, np.broadcast_to(np.asarray(drift, dtype=float), shape))
    steps = [walk.step(*(np.broadcast_to(each[..., k], shape) for each in (t, c, below))) for k in range(t.shape[-1])]
    return Crossing(*(np.cumsum(np.stack(side, axis=-1), axis=-1) for side in zip(*steps, strict=True)))


def power(info_fractions: ArrayLike, z: ArrayLike, drift: ArrayLike) -> Floats:
    """Probability to cross upwards at some look."""
    return crossing(info_fractions, z, drift).upper[..., -1]


def mean_fraction(info_fractions: ArrayLike, z: ArrayLike, drift: ArrayLike = 0.0) -> Floats:
    """Mean information fraction at which the test ends: Σ (t_k − t_{k−1})·P(not ended before look k)."""
    t = _fractions(info_fractions)
    ended = crossing(t, z, drift).either
    before = np.concatenate([np.zeros((*ended.shape[:-1], 1)), ended[..., :-1]], axis=-1)
    return np.asarray((np.diff(t, axis=-1, prepend=0.0) * (1 - before)).sum(axis=-1), dtype=float)


def drift_for_power(info_fractions: ArrayLike, z: ArrayLike, wanted: float = 0.8) -> float:
    """The drift at which these looks have the wanted power."""
    from scipy.optimize import brentq

    return float(brentq(lambda drift: float(power(info_fractions, z, drift)) - wanted, 0.0, 15.0, xtol=1e-10))


def inflation(looks: int, alpha: float = 0.05, power: float = 0.8, spending: Spending = "power2") -> float:
    """How much more information the last of `looks` equal looks needs than a test with one look (1.087 at 14)."""
    from scipy.special import ndtri

    t = np.arange(1, looks + 1) / looks
    fixed = float(ndtri(1 - alpha / 2) + ndtri(power))
    return (drift_for_power(t, boundaries(t, alpha, spending), power) / fixed) ** 2


def classical_constant(looks: int, alpha: float = 0.05, delta: float = 0.5) -> float:
    """c of the boundaries c·(k/K)^(Δ−½) at K equal looks: Pocock's at Δ = ½, O'Brien–Fleming's at Δ = 0."""
    from scipy.optimize import brentq

    t = np.arange(1, looks + 1) / looks
    shape = t ** (delta - 0.5)
    return float(brentq(lambda c: float(crossing(t, c * shape).either[-1]) - alpha, 0.5, 8.0, xtol=1e-10))


def _fractions(values: ArrayLike) -> Floats:
    t = np.asarray(values, dtype=float)
    if t.ndim < 1 or not t.shape[-1] or np.any(t <= 0) or np.any(t > 1 + 1e-12) or np.any(np.diff(t, axis=-1) <= 0):
        raise ValueError(f"information fractions must rise from above 0 to at most 1, got {t.tolist()}")
    return t


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
