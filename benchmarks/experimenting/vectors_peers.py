"""Other tools' boundaries and tests, for vectors that quote their numbers; the engine uses none of this.

Formulas: GrowthBook's asymptotic confidence sequence (Waudby-Smith et al. 2021, eq. 9 and 134) tuned to N*; mixtures of
Howard et al. (2021); Eppo's and Statsig's documented boundaries.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from glow_pipelines.learning.experiments.estimates import welch_df
from glow_pipelines.learning.experiments.proportions import Comparison, compare


@dataclass(frozen=True)
class Arm:
    """A metric of one arm: units, mean and variance of a unit; the same before any adjustment; how both vary."""

    n: float
    mean: float
    var: float
    plain: float
    var_plain: float
    cov: float
    ratio: bool = False


def effect(a: Arm, b: Arm, relative: bool, alpha: float = 0.05, side: str = "") -> Comparison:
    """Welch's test of b against a; a relative effect divides by a's unadjusted mean, error by the delta method."""
    v_a, v_b = a.var / a.n, b.var / b.n
    df = float(welch_df(v_a, a.n, v_b, b.n))
    d, se = b.mean - a.mean, math.sqrt(v_a + v_b)
    if relative:
        # The tool follows adjusted ratios by the full gradient of d/plain, means by that of b/a.
        share = (d / a.plain) ** 2 * a.var_plain + 2 * d / a.plain * a.cov
        varies = v_b + (v_a + share / a.n if a.ratio else v_a * (b.plain / a.plain) ** 2)
        d, se = d / a.plain, math.sqrt(varies) / a.plain
    alternative: Any = {"greater": "larger", "lesser": "smaller"}.get(side, "two-sided")
    return compare(d, se, df, 2 * alpha if side else alpha, alternative)


def tuned_sequence(found: Comparison, n: float, tuning: float, alpha: float = 0.05, side: str = "") -> dict[str, Any]:
    """The asymptotic confidence sequence tuned to `tuning` units of both arms, with its p-value."""
    level = 2 * alpha if side else alpha
    rho2 = (-2 * math.log(level) + math.log1p(-2 * math.log(level))) / tuning
    x, se, d = n * rho2, found.standard_error, found.effect
    if side:
        width = se * math.sqrt(2 * (1 + 1 / x) * math.log1p(math.sqrt(x + 1) / (2 * alpha)))
        z = (d if side == "greater" else -d) / se
        # The α at which the interval just ends at 0, within what the tool reports.
        p = math.sqrt(x + 1) / 2 / math.expm1(z * z / 2 / (1 + 1 / x)) if z > 0 else 1.0
        ends = (d - width, math.inf) if side == "greater" else (-math.inf, d + width)
        return {"halfwidth": width, "p": min(0.4999, max(1e-5, p)), "lo": d - width, "hi": d + width, "ci": ends}
    width = se * math.sqrt((1 + 1 / x) * (math.log1p(x) - 2 * math.log(alpha)))
    log_e = -0.5 * math.log1p(x) + 0.5 * (d / se) ** 2 * x / (1 + x)
    return {"halfwidth": width, "p": math.exp(-max(0.0, log_e)), "lo": d - width, "hi": d + width} | {
        "ci": (d - width, d + width),
        "log_e": log_e,
    }


def best_rho(v: float, alpha: float, sides: int = 2) -> float:
    """The mixture's variance that suits intrinsic time `v`, by the usual approximation of Lambert's W."""
    level = -2 * math.log(alpha if sides == 2 else 2 * alpha)
    return v / (level + math.log1p(level))


def normal_mixture(s: float, v: float, rho: float, sides: int = 2) -> float:
    """ln of the mixture at sum s and time v."""
    two = 0.5 * math.log(rho / (v + rho)) + s * s / (2 * (v + rho))
    return two if sides == 2 else two + math.log(2) + float(special.log_ndtr(s / math.sqrt(v + rho)))


def gamma_exponential(s: float, v: float, rho: float, c: float) -> float:
    """ln of the gamma–exponential mixture."""
    r, u, y = rho / c**2, (v + rho) / c**2, (c * s + v) / c**2
    start = r * math.log(r) - special.gammaln(r) - math.log(special.gammainc(r, r))
    return float(start + special.gammaln(u) + math.log(special.gammainc(u, y + r)) - u * math.log(y + r) + y)


def gamma_poisson(s: float, v: float, rho: float, c: float) -> float:
    """ln of the gamma–Poisson mixture."""
    r, u = rho / c**2, (v + rho) / c**2
    y = s / c + u
    start = r * math.log(r) - special.gammaln(r) - math.log(special.gammaincc(r, r))
    return float(start + special.gammaln(y) + math.log(special.gammaincc(y, u)) - y * math.log(u) + v / c**2)


def beta_binomial(s: float, v: float, r: float, g: float, h: float, sides: int = 2) -> float:
    """ln of the beta–binomial mixture for steps between −g and h; `r` is its concentration."""
    both, up_to = g + h, 1.0 if sides == 2 else h / (g + h)

    def log_beta(a: float, b: float) -> float:
        part = 0.0 if up_to == 1.0 else math.log(special.betainc(a, b, up_to))
        return float(special.betaln(a, b)) + part

    plain = v / (g * h) * math.log(both)
    plain -= (v + h * s) / (h * both) * math.log(g) + (v - g * s) / (g * both) * math.log(h)
    now = log_beta((r + v - g * s) / (g * both), (r + v + h * s) / (h * both))
    return plain + now - log_beta(r / (g * both), r / (h * both))


def concentration(v_opt: float, alpha: float, g: float, h: float, sides: int = 2) -> float:
    """The beta–binomial's concentration that suits time `v_opt`."""
    return max(best_rho(v_opt, alpha, sides) - g * h, 1e-3 * g * h)


def bound(log_mixture: Callable[[float], float], alpha: float, highest: float = math.inf) -> float:
    """The sum at which a mixture reaches 1/α; `highest` where it cannot."""
    high = highest if math.isfinite(highest) else 1.0
    while not math.isfinite(highest) and log_mixture(high) < -math.log(alpha):
        high *= 2
    if log_mixture(high) < -math.log(alpha):
        return high
    return float(optimize.brentq(lambda s: log_mixture(s) + math.log(alpha), 0.0, high, xtol=1e-12))


def bernoulli_interval(successes: float, n: float, alpha: float, t_opt: float, alpha_opt: float = 0.05) -> list[float]:
    """Confidence sequence of a share after n trials: shares whose beta–binomial mixture stays below 1/α."""
    share = successes / n

    def over(p: float) -> float:
        spread = p * (1 - p)
        r = concentration(spread * t_opt, alpha_opt, p, 1 - p)
        return beta_binomial((share - p) * n, spread * n, r, p, 1 - p) + math.log(alpha)

    tiny = 1e-13
    low = optimize.brentq(over, tiny, share, xtol=1e-14) if share > 0 and over(tiny) > 0 else 0.0
    high = optimize.brentq(over, share, 1 - tiny, xtol=1e-14) if share < 1 and over(1 - tiny) > 0 else 1.0
    return [float(low), float(high)]


def quantile_p(a: Sequence[float], b: Sequence[float], q: float, t_opt: float, alpha_opt: float = 0.05) -> float:
    """Always-valid p of "both samples have one q-quantile": the least evidence over every value it could have."""
    r = concentration(t_opt * q * (1 - q), alpha_opt, q, 1 - q)
    arms = [np.sort(np.asarray(values, dtype=float)) for values in (a, b)]

    def evidence(values: Any, x: float) -> float:
        n = len(values)

        def at(share: float) -> float:
            return beta_binomial((share - q) * n, q * (1 - q) * n, r, q, 1 - q)

        # Where x falls between observations, the share below it may be anything in between: its best is meant.
        low, high = np.searchsorted(values, x, "left") / n, np.searchsorted(values, x, "right") / n
        best = optimize.minimize_scalar(at, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-12}).x
        return at(float(min(max(best, low), high)))

    least = min(sum(evidence(values, x) for values in arms) for x in np.concatenate(arms))
    return min(1.0, math.exp(-least))


def stitched(v: float, alpha: float, v_min: float, c: float = 0.0, s: float = 1.4, eta: float = 2.0) -> float:
    """Polynomial stitching bound."""
    k1, k2 = (eta**0.25 + eta**-0.25) / math.sqrt(2), (math.sqrt(eta) + 1) / 2
    at = max(v, v_min)
    level = s * math.log(math.log(eta * at / v_min)) + math.log(special.zeta(s) / math.log(eta) ** s / alpha)
    return math.sqrt(k1**2 * at * level + (k2 * c * level) ** 2) + k2 * c * level


def eppo_multiplier(t: Any, tune: float, confidence: float) -> Any:
    """Standard errors of Eppo's sequential interval at sample size t."""
    alpha = 1 - confidence
    rho = tune / (math.log1p(-2 * math.log(alpha)) - 2 * math.log(alpha))
    at = np.asarray(t, dtype=float)
    return np.sqrt((at + rho) / at * np.log((at + rho) / (rho * alpha**2)))


def statsig_z(given: Mapping[str, Any]) -> float:
    """The boundary Statsig documents, in standard errors. τ² follows the sample, so equal arms give a constant."""
    alpha = float(given["alpha"])
    v = given["var_t"] / given["n_t"] + given["var_c"] / given["n_c"]
    x = special.ndtri(1 - alpha / 2) ** 2 * (given["var_t"] + given["var_c"]) / (given["n_t"] + given["n_c"]) / v
    return math.sqrt((1 + 1 / x) * (math.log1p(x) - 2 * math.log(alpha / 2)))
