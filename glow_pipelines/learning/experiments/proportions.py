"""One look, no clusters: two proportions or two means of independent units, and how many units a test needs.

For people who expect these numbers and for checks against other tools; decisions come from clustered estimates.

Sources: Wilson (1927); Newcombe (1998), method 10; Katz et al. (1978) for the ratio; Welch (1947); Miettinen, Nurminen
(1985) for the score interval.
"""

import math
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.experiments.estimates import welch_df

Alternative = Literal["two-sided", "larger", "smaller"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """A difference (or a relative one) with its error, test statistic, p and interval; `df` is ∞ for a normal test."""

    effect: float
    standard_error: float
    statistic: float
    p: float
    low: float
    high: float
    df: float = math.inf


def compare(
    effect: float, se: float, df: float = math.inf, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Comparison:
    """The test of no effect with Student's t (normal at df = ∞). The interval is two-sided whatever is tested."""
    from scipy.stats import norm  # here: scipy costs a second that code loading must not pay
    from scipy.stats import t as student

    law = norm if math.isinf(df) else student(df)
    z = effect / se if se > 0 else math.copysign(math.inf, effect) if effect else 0.0
    p = {"two-sided": 2 * law.sf(abs(z)), "larger": law.sf(z), "smaller": law.cdf(z)}[alternative]
    width = float(law.ppf(1 - alpha / 2)) * se
    return Comparison(effect, se, z, float(p), effect - width, effect + width, df)


def pooled_z(x_c: float, n_c: float, x_t: float, n_t: float, alternative: Alternative = "two-sided") -> Comparison:
    """Treatment minus control with the variance both would share if they were equal."""
    share = (x_c + x_t) / (n_c + n_t)
    return compare(x_t / n_t - x_c / n_c, math.sqrt(share * (1 - share) * (1 / n_c + 1 / n_t)), alternative=alternative)


def unpooled_z(
    x_c: float, n_c: float, x_t: float, n_t: float, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Comparison:
    """Treatment minus control, each with its own variance; its interval is Wald's."""
    p_c, p_t = x_c / n_c, x_t / n_t
    se = math.sqrt(p_c * (1 - p_c) / n_c + p_t * (1 - p_t) / n_t)
    return compare(p_t - p_c, se, alpha=alpha, alternative=alternative)


def wilson(x: float, n: float, alpha: float = 0.05) -> Interval:
    """Interval of one proportion; right also near 0 and 1."""
    z = _quantile(alpha)
    p, z2 = x / n, z * z
    middle, width = (p + z2 / (2 * n)) / (1 + z2 / n), z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return middle - width, middle + width


def newcombe(x_c: float, n_c: float, x_t: float, n_t: float, alpha: float = 0.05) -> Interval:
    """Interval of the difference of two proportions from their Wilson intervals."""
    (l_c, u_c), (l_t, u_t), p_c, p_t = wilson(x_c, n_c, alpha), wilson(x_t, n_t, alpha), x_c / n_c, x_t / n_t
    d = p_t - p_c
    return d - math.hypot(p_t - l_t, u_c - p_c), d + math.hypot(u_t - p_t, p_c - l_c)


def log_ratio(x_c: float, n_c: float, x_t: float, n_t: float, alpha: float = 0.05) -> Comparison:
    """ln of treatment's proportion over control's; exp of the interval is that of the ratio."""
    se = math.sqrt(1 / x_c - 1 / n_c + 1 / x_t - 1 / n_t)
    return compare(math.log((x_t / n_t) / (x_c / n_c)), se, alpha=alpha)


def score_interval(x_c: float, n_c: float, x_t: float, n_t: float, alpha: float = 0.05) -> Interval:
    """Interval of the difference: all d that a score test with d's own best proportions does not refuse."""
    from scipy.optimize import brentq

    limit, d, total = _quantile(alpha), x_t / n_t - x_c / n_c, n_c + n_t

    def distance(delta: float) -> float:
        low, high = max(0.0, -delta), min(1.0, 1.0 - delta)

        def slope(p: float) -> float:
            # Of the likelihood at control's proportion p, without its poles: falls once through 0 between low and high.
            q = p + delta
            return (x_c - n_c * p) * q * (1 - q) + (x_t - n_t * q) * p * (1 - p)

        if delta == d:
            return 0.0
        width = (high - low) * 1e-12
        inside = slope(low + width) > 0 > slope(high - width)
        p_c = brentq(slope, low + width, high - width, xtol=1e-15) if inside else low if slope(high) <= 0 else high
        p_t = min(1.0, max(0.0, p_c + delta))
        variance = (p_c * (1 - p_c) / n_c + p_t * (1 - p_t) / n_t) * total / (total - 1)
        return (d - delta) / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, d - delta)

    edge = 1 - 1e-12

    def solve(goal: float, low: float, high: float) -> float:
        return float(brentq(lambda x: max(-1e9, min(1e9, distance(x))) - goal, low, high, xtol=1e-14, rtol=1e-14))

    return (-1.0 if d <= -edge else solve(limit, -edge, d)), (1.0 if d >= edge else solve(-limit, d, edge))


def welch(
    mean_c: float,
    var_c: float,
    n_c: float,
    mean_t: float,
    var_t: float,
    n_t: float,
    *,
    relative: bool = False,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> Comparison:
    """Treatment minus control of two means; `var` are the variances of single units.

    `relative` divides by control's mean, error by the delta method, as other tools report lift. It is for display:
    looked at often with few events it errs far too often (19 % at a base rate of 2 %).
    """
    v_c, v_t = var_c / n_c, var_t / n_t
    df = float(welch_df(v_c, n_c, v_t, n_t)) if v_c + v_t > 0 else math.inf
    if not relative:
        return compare(mean_t - mean_c, math.sqrt(v_c + v_t), df, alpha, alternative)
    se = math.sqrt(v_c * mean_t**2 / mean_c**4 + v_t / mean_c**2)
    return compare((mean_t - mean_c) / mean_c, se, df, alpha, alternative)


def fieller(
    mean_c: float, var_c: float, mean_t: float, var_t: float, *, alpha: float = 0.05, df: float = math.inf
) -> Interval:
    """Interval of the lift mean_t/mean_c − 1; `var` are the variances of the means. (−∞, ∞) where control may be 0."""
    q = _quantile(alpha, df) ** 2
    a = mean_c**2 - q * var_c
    root = mean_c**2 * mean_t**2 - a * (mean_t**2 - q * var_t)
    if a <= 0 or root < 0:
        return -math.inf, math.inf
    return tuple((mean_c * mean_t + side * math.sqrt(root)) / a - 1 for side in (-1, 1))  # type: ignore[return-value]


def units_per_arm(
    effect: float, deviation: float, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> float:
    """Units in control, `ratio` times as many in treatment: (z₁₋α/₂+z_power)²·σ²·(1+1/ratio)/d²."""
    z = _quantile(alpha) + _quantile(2 * (1 - power))
    return z**2 * deviation**2 * (1 + 1 / ratio) / effect**2


def _quantile(alpha: float, df: float = math.inf) -> float:
    from scipy.stats import norm
    from scipy.stats import t as student

    return float((norm if math.isinf(df) else student(df)).ppf(1 - alpha / 2))
