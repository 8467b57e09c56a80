"""What the moments of clusters say: each arm's ratio, the difference between the arms, and its standard error.

Every metric is a ratio R = S̄/N̄ of cluster sums (ups over rated executions, cost over executions, value over users),
and its error comes from how whole clusters vary: rows of one user are not independent. What follows from a difference
belongs to always_valid.py (whenever one looks), group_sequential.py (planned looks) and proportions.py (one look).

Sources: delta method for ratios, Cochran (1977) §6; CUPED, Deng et al. (2013), with the slope of ANCOVA.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.moments import Floats, Moments

Scale = Literal["absolute", "log_ratio"]


@dataclass(frozen=True)
class ArmMoments:
    """Moments of clusters that are whole in one arm, names ("s", "n") or ("s", "n", "xs", "xn")."""

    control: Moments
    treatment: Moments


@dataclass(frozen=True)
class CrossedMoments:
    """Moments of clusters with executions in both arms, names ("sc", "nc", "st", "nt") first.

    `control_clusters` and `treatment_clusters` count clusters with N > 0 in the arm. With "xc" and "xt" among the names
    (the executions of a cluster in the arm times the cluster's value before the experiment) CUPED works here too.
    """

    all: Moments
    control_clusters: int
    treatment_clusters: int


@dataclass(frozen=True)
class Estimate:
    """Treatment minus control: `difference` of R, or of ln R on scale log_ratio, with its standard error.

    `control` and `treatment` are the ratios as they are, unadjusted. `df` is Welch's with effective clusters in place
    of clusters, for an interval of one look; `planned_df` the more careful one of planned looks (planned_clusters).
    `theta` is CUPED's slope, None where it was not used.
    """

    control: float
    treatment: float
    difference: float
    standard_error: float
    scale: Scale
    df: float
    planned_df: float
    effective_clusters: tuple[float, float]
    theta: float | None = None

    @property
    def z(self) -> float:
        """The difference in standard errors; 0 or ±∞ where clusters do not vary at all."""
        if self.standard_error > 0:
            return self.difference / self.standard_error
        return math.copysign(math.inf, self.difference) if self.difference else 0.0


@dataclass(frozen=True)
class Differences:
    """Estimates of many experiments at once: arrays of one shape; nan where an arm gives no ratio."""

    control: Floats
    treatment: Floats
    difference: Floats
    standard_error: Floats
    df: Floats
    planned_df: Floats
    effective_control: Floats
    effective_treatment: Floats
    theta: Floats | None = None


def estimate(
    moments: ArmMoments | CrossedMoments, *, scale: Scale = "absolute", cuped: bool = False
) -> Estimate | None:
    """The difference of the arms, or None where there is none yet.

    None: an arm below two clusters or without a denominator, or a ratio ≤ 0 on scale log_ratio. `cuped` is left out
    where the moments hold no value from before, or one that does not vary.
    """
    if isinstance(moments, CrossedMoments):
        if min(moments.control_clusters, moments.treatment_clusters) < 2:
            return None
        m = _with(moments.all, ("sc", "nc", "st", "nt"), ("xc", "xt") if cuped else ())
        found = crossed_difference(m.n, m.means, m.comoments, scale=scale)
    else:
        if min(moments.control.n, moments.treatment.n) < 2:
            return None
        both = set(moments.control.names) & set(moments.treatment.names)
        before = ("xs", "xn") if cuped and {"xs", "xn"} <= both else ()
        c, t = (_with(arm, ("s", "n"), before) for arm in (moments.control, moments.treatment))
        found = arm_difference(c.n, c.means, c.comoments, t.n, t.means, t.comoments, scale=scale)
    if not np.isfinite(found.difference) or not np.isfinite(found.standard_error):
        return None
    return Estimate(
        control=float(found.control),
        treatment=float(found.treatment),
        difference=float(found.difference),
        standard_error=float(found.standard_error),
        scale=scale,
        df=float(found.df),
        planned_df=float(found.planned_df),
        effective_clusters=(float(found.effective_control), float(found.effective_treatment)),
        theta=None if found.theta is None or not np.isfinite(found.theta) else float(found.theta),
    )


def arm_difference(
    control_n: ArrayLike,
    control_mean: ArrayLike,
    control_comoment: ArrayLike,
    treatment_n: ArrayLike,
    treatment_mean: ArrayLike,
    treatment_comoment: ArrayLike,
    *,
    scale: Scale = "absolute",
) -> Differences:
    """Differences of experiments with whole clusters per arm, any leading dimensions.

    Shapes n (…), mean (…, k), comoment (…, k, k) over (s, n) or (s, n, xs, xn); the second form is CUPED with the
    slope pooled within arms. Pooling over both arms' common mean instead would put the treatment's effect into it.
    """
    c = _linearised(control_n, control_mean, control_comoment, scale)
    t = _linearised(treatment_n, treatment_mean, treatment_comoment, scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = t.value - c.value
        v_c, v_t, theta = c.yy, t.yy, None
        if c.before is not None and t.before is not None:
            x_c, x_t = c.before, t.before
            varies = x_c.xx + x_t.xx > 0
            theta = np.where(varies, (x_c.xy + x_t.xy) / np.where(varies, x_c.xx + x_t.xx, 1.0), np.nan)
            slope = np.nan_to_num(theta)
            difference = difference - slope * np.where(varies, x_t.value - x_c.value, 0.0)
            v_c, v_t = (a.yy - 2 * slope * x.xy + slope**2 * x.xx for a, x in ((c, x_c), (t, x_t)))
        v_c, v_t = (np.maximum(0, v) / (a.n * (a.n - 1)) for v, a in ((v_c, c), (v_t, t)))
        df = welch_df(v_c, c.effective, v_t, t.effective)
        planned_df = welch_df(v_c, c.planned, v_t, t.planned)
    error = np.sqrt(np.maximum(0, v_c + v_t))
    return Differences(c.ratio, t.ratio, difference, error, df, planned_df, c.effective, t.effective, theta)


def crossed_difference(n: ArrayLike, mean: ArrayLike, comoment: ArrayLike, *, scale: Scale = "absolute") -> Differences:
    """Differences where clusters have executions in both arms: Var = gᵀCg/n over (sc, nc, st, nt[, xc, xt]).

    The covariance of a cluster's two halves is what makes units finer than a user pay: what is his own cancels.
    """
    count, m, products = (np.asarray(x, dtype=float) for x in (n, mean, comoment))
    with np.errstate(divide="ignore", invalid="ignore"):
        s_c, n_c, s_t, n_t = (m[..., i] for i in range(4))
        r_c, r_t = _positive(s_c / n_c, n_c), _positive(s_t / n_t, n_t)
        g = np.zeros(m.shape)
        g[..., 0], g[..., 1] = -1 / n_c, r_c / n_c
        g[..., 2], g[..., 3] = 1 / n_t, -r_t / n_t
        difference = r_t - r_c
        if scale == "log_ratio":
            r_c_up, r_t_up = np.where(r_c > 0, r_c, np.nan), np.where(r_t > 0, r_t, np.nan)
            g[..., :2] /= r_c_up[..., None]
            g[..., 2:4] /= r_t_up[..., None]
            difference = np.log(r_t_up) - np.log(r_c_up)
        theta = None
        if m.shape[-1] == 6:
            x_c, x_t = m[..., 4] / n_c, m[..., 5] / n_t
            b = np.zeros(m.shape)
            b[..., 4], b[..., 1] = -1 / n_c, x_c / n_c
            b[..., 5], b[..., 3] = 1 / n_t, -x_t / n_t
            xx = _form(b, products, b)
            theta = np.where(xx > 0, _form(g, products, b) / np.where(xx > 0, xx, 1.0), np.nan)
            slope = np.nan_to_num(theta)
            difference, g = difference - slope * (x_t - x_c), g - slope[..., None] * b
        error = np.sqrt(np.maximum(0, _form(g, products, g)) / (count * (count - 1)))
        both = n_c + n_t
        spread = products[..., 1, 1] + products[..., 3, 3] + 2 * products[..., 1, 3]
        worth = effective_clusters(count, both, spread)
        df, planned_df = worth - 1, planned_clusters(worth, count, count * both) - 1
        worth_c = effective_clusters(count, n_c, products[..., 1, 1])
        worth_t = effective_clusters(count, n_t, products[..., 3, 3])
    return Differences(r_c, r_t, difference, error, df, planned_df, worth_c, worth_t, theta)


def effective_clusters(n: ArrayLike, mean: ArrayLike, squares: ArrayLike) -> Floats:
    """(ΣN)²/ΣN²: how many clusters of equal activity these are worth; `squares` is the centred Σ(N − N̄)²."""
    count, m = np.asarray(n, dtype=float), np.asarray(mean, dtype=float)
    raw = np.asarray(squares, dtype=float) + count * m**2
    return np.where(raw > 0, (count * m) ** 2 / np.where(raw > 0, raw, 1.0), 0.0)


def planned_clusters(effective: ArrayLike, n: ArrayLike, total: ArrayLike) -> Floats:
    """How many clusters the *variance* is worth, for a tail of many looks: n_eff²/n, at least 2, n_eff at most.

    Where few users do much, fewer still make the variance (ΣN² squared over ΣN⁴): it is known worse than n_eff says,
    and too small on average. Fourth moments are not kept; n_eff²/n is a rule in between, which brought A/A tests with
    heavy users (sigma 1, n_eff 125 of 400) from 5.5 to 4.9 % called, n_eff alone to 5.3 %. Clusters without any
    execution do not count: of `n`, at most `total` = ΣN have one.
    """
    worth, active = np.asarray(effective, dtype=float), np.minimum(n, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.where(active > 0, worth**2 / active, 0.0)
    return np.asarray(np.maximum(2.0, np.minimum(worth, squared)), dtype=float)


def welch_df(v_c: ArrayLike, n_c: ArrayLike, v_t: ArrayLike, n_t: ArrayLike) -> Floats:
    """Welch–Satterthwaite degrees of freedom of two means with variances `v` of the means over `n` each."""
    vc, nc, vt, nt = (np.asarray(x, dtype=float) for x in (v_c, n_c, v_t, n_t))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((vc + vt) ** 2 / (vc**2 / (nc - 1) + vt**2 / (nt - 1)), dtype=float)


def _with(moments: Moments, names: tuple[str, ...], more: tuple[str, ...]) -> Moments:
    return moments.part((*names, *(more if set(more) <= set(moments.names) else ())))


@dataclass(frozen=True)
class _Before:
    """The same cluster ratio before the experiment, with its products with itself and with today's."""

    value: Floats
    xx: Floats
    xy: Floats


@dataclass(frozen=True)
class _Arm:
    """One arm on the scale of the test: value, its ratio as it is, and centred products of what clusters add to it."""

    n: Floats
    ratio: Floats
    value: Floats
    yy: Floats
    effective: Floats
    planned: Floats
    before: _Before | None = None


def _linearised(n: ArrayLike, mean: ArrayLike, comoment: ArrayLike, scale: Scale) -> _Arm:
    count, m, products = (np.asarray(x, dtype=float) for x in (n, mean, comoment))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _positive(m[..., 0] / m[..., 1], m[..., 1])
        g = np.zeros(m.shape)
        g[..., 0], g[..., 1] = 1 / m[..., 1], -ratio / m[..., 1]
        value = ratio
        if scale == "log_ratio":
            above = np.where(ratio > 0, ratio, np.nan)
            g, value = g / above[..., None], np.log(above)
        yy = np.maximum(0, _form(g, products, g))
        effective = effective_clusters(count, m[..., 1], products[..., 1, 1])
        planned = planned_clusters(effective, count, count * m[..., 1])
        if m.shape[-1] < 4:
            return _Arm(count, ratio, value, yy, effective, planned)
        # Nobody has a value from before: nothing to adjust by, and 0/0 must not spread.
        known = m[..., 3] > 0
        below = np.where(known, m[..., 3], 1.0)
        before = np.where(known, m[..., 2] / below, 0.0)
        b = np.zeros(m.shape)
        b[..., 2], b[..., 3] = np.where(known, 1 / below, 0.0), np.where(known, -before / below, 0.0)
        then = _Before(before, _form(b, products, b), _form(g, products, b))
        return _Arm(count, ratio, value, yy, effective, planned, then)


def _form(a: Floats, products: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...ij,...j->...", a, products, b), dtype=float)


def _positive(value: Floats, denominator: Floats) -> Floats:
    return np.where(denominator > 0, value, np.nan)
