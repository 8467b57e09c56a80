"""Vectors of one look: proportions, Welch's test in GrowthBook's forms, sample sizes, many p-values at once."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.experimenting.vectors import Readings, World
from benchmarks.experimenting.vectors_clustered import arm_moments, per_user
from benchmarks.experimenting.vectors_peers import Arm, effect, tuned_sequence
from glow_pipelines.learning.experiments import multiplicity, proportions
from glow_pipelines.learning.experiments.estimates import arm_difference
from glow_pipelines.learning.experiments.moments import Moments


def proportion(name: str, given: Any, expected: Any, world: World) -> Any:
    """Two proportions and their intervals."""
    four = tuple(float(given[key]) for key in ("x_c", "n_c", "x_t", "n_t"))
    return of_proportions(four, float(given.get("alpha", 0.05)))


def of_proportions(four: tuple[float, ...], alpha: float) -> dict[str, Any]:
    """Everything known of two proportions (x_c, n_c, x_t, n_t); what may not exist is computed only when asked for."""
    x_c, n_c, x_t, n_t = four
    pooled, wald = proportions.pooled_z(*four), proportions.unpooled_z(*four, alpha=alpha)

    def ratio_interval() -> tuple[float, ...]:
        found = proportions.log_ratio(*four, alpha=alpha)
        return math.exp(found.low), math.exp(found.high)

    def one_sided(alternative: Any) -> float:
        return proportions.pooled_z(*four, alternative=alternative).p

    return {
        "p_c": x_c / n_c,
        "p_t": x_t / n_t,
        "diff": wald.effect,
        "lift": lambda: (x_t / n_t) / (x_c / n_c) - 1,
        "z_pooled": pooled.statistic,
        "p_pooled": pooled.p,
        "se_pooled": pooled.standard_error,
        "p_pooled_larger": lambda: one_sided("larger"),
        "p_pooled_smaller": lambda: one_sided("smaller"),
        "z_unpooled": wald.statistic,
        "p_unpooled": wald.p,
        "se_unpooled": wald.standard_error,
        "wald_diff": (wald.low, wald.high),
        "newcombe_diff": lambda: proportions.newcombe(*four, alpha=alpha),
        **dict.fromkeys(
            ("score_diff", "mn_diff", "miettinen_nurminen"), lambda: proportions.score_interval(*four, alpha)
        ),
        "log_ratio": lambda: proportions.log_ratio(*four, alpha=alpha).effect,
        "log_ratio_se": lambda: proportions.log_ratio(*four, alpha=alpha).standard_error,
        **dict.fromkeys(("log_ratio_ci", "ratio_ci", "risk_ratio_ci", "rr_ci"), ratio_interval),
        "wilson_c": lambda: proportions.wilson(x_c, n_c, alpha),
        "wilson_t": lambda: proportions.wilson(x_t, n_t, alpha),
    }


def several_tests(name: str, given: Any, expected: Any, world: World) -> Any:
    """Adjusted p-values or e-BH, the method by the id."""
    method, alpha = str(given.get("method", name.split(".", 1)[1])).lower(), float(given.get("alpha", 0.05))
    logs = given.get("log_e", given.get("log_es"))
    if logs is None and (es := given.get("e", given.get("e_values"))) is not None:
        logs = [math.log(e) if e > 0 else -math.inf for e in es]
    if logs is not None:
        found = multiplicity.e_bh(logs, alpha)
        return {"reject": found, "count": sum(found), "n_reject": sum(found), "k": sum(found)}
    short = re.sub(r"[^a-z]", "", method)
    known = {re.sub(r"[^a-z]", "", each): each for each in multiplicity.METHODS} | _NAMES
    if short not in known:
        raise LookupError(f"no method {method!r}; there are {', '.join(multiplicity.METHODS)}, e_bh")
    p = given.get("p", given.get("p_values"))
    found = multiplicity.rejected(p, alpha, known[short])
    return {
        "reject": found,
        "p_adj": multiplicity.adjusted(p, known[short]),
        "n_reject": sum(found),
        "count": sum(found),
    }


_NAMES = {
    "fdrbh": "benjamini_hochberg",
    "bh": "benjamini_hochberg",
    "fdrby": "benjamini_yekutieli",
    "by": "benjamini_yekutieli",
    "simeshochberg": "hochberg",
}


def sample_size(name: str, given: Any, expected: Any, world: World) -> Any:
    """Units per arm for a difference of means, or of two proportions (arcsine and normal)."""
    from scipy import optimize, stats

    alpha, power = float(given.get("alpha", 0.05)), float(given.get("power", 0.8))
    ratio = float(given.get("ratio", 1.0))
    p_c = given.get("p_c", given.get("p1", given.get("base", given.get("baseline"))))
    found: dict[str, Any] = {}
    others: list[float] = []
    d = given.get("effect_sd", given.get("effect_size", given.get("d", given.get("h"))))
    if p_c is not None:
        p_t = given.get("p_t", given.get("p2"))
        step = given.get("mde", given.get("effect", given.get("delta", given.get("mde_abs", 0.0))))
        p_t = p_c + step if p_t is None else p_t
        d = 2 * (math.asin(math.sqrt(p_t)) - math.asin(math.sqrt(p_c)))
        q_c, q_t = p_c * (1 - p_c), p_t * (1 - p_t)
        z = [float(stats.norm.ppf(x)) for x in (1 - alpha / 2, power)]
        both = (p_c + ratio * p_t) / (1 + ratio)
        null = z[0] * math.sqrt(both * (1 - both) * (1 + 1 / ratio)) + z[1] * math.sqrt(q_c + q_t / ratio)
        separate = sum(z) ** 2 * (q_c + q_t / ratio) / (p_t - p_c) ** 2
        others = [separate, null**2 / (p_t - p_c) ** 2]
        found |= {
            "h": d,
            "effect_size": d,
            "cohen_h": d,
            **dict.fromkeys(("n_per_arm_unpooled", "n_per_arm_normal", "n_per_arm_wald"), separate),
            "n_per_arm_pooled": null**2 / (p_t - p_c) ** 2,
        }

    def exact(n: float, quantile: Any, tail: Any) -> float:
        # Both sides count, as the usual solvers have it.
        shift = abs(d) * math.sqrt(n * ratio / (1 + ratio))
        return float(tail(n, quantile(n), shift)) - power

    def by_z() -> float:
        def tail(n: float, c: float, shift: float) -> float:
            return float(stats.norm.sf(c - shift) + stats.norm.cdf(-c - shift))

        edge = float(stats.norm.ppf(1 - alpha / 2))
        return float(optimize.brentq(lambda n: exact(n, lambda _: edge, tail), 2.0, 1e12, xtol=1e-9))

    def by_t() -> float:
        def df(n: float) -> float:
            return n * (1 + ratio) - 2

        def tail(n: float, c: float, shift: float) -> float:
            return float(stats.nct.sf(c, df(n), shift) + stats.nct.cdf(-c, df(n), shift))

        low = float(proportions.units_per_arm(d, 1.0, alpha, power, ratio))
        start = max(2.5, low / 2)
        return float(
            optimize.brentq(lambda n: exact(n, lambda m: stats.t.ppf(1 - alpha / 2, df(m)), tail), start, 2 * low + 50)
        )

    def closed() -> float:
        return proportions.units_per_arm(d, 1.0, alpha, power, ratio)

    if d is None:
        return _reached(given, alpha, power, ratio)
    names = ("n_per_arm_z", "n_per_arm_arcsine", "n_per_arm_h", "n_z")
    found |= dict.fromkeys(("n_per_arm", "n", "n_c", "n1", "n_control"), lambda: Readings([by_z(), closed(), *others]))
    return found | dict.fromkeys(names, by_z) | {"n_per_arm_t": by_t, "n_t": by_t, "n_per_arm_closed": closed}


def _reached(given: Any, alpha: float, power: float, ratio: float) -> dict[str, Any]:
    """The smallest detectable effect of so many units in control."""
    from scipy.stats import norm

    n, sd = float(given.get("n_per_arm", given.get("n"))), float(given.get("sd", given.get("sigma", 1.0)))
    mde = float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * sd * math.sqrt((1 + 1 / ratio) / n)
    return dict.fromkeys(("mde", "mde_sd", "effect_sd", "detectable"), mde)


def growthbook(name: str, given: Any, expected: Any, world: World) -> Any:
    """GrowthBook's tests: Welch or sequential, absolute or relative, means, proportions, ratios, CUPED."""
    a, b = _growthbook_arms(name, given, world)
    relative, alpha = str(given.get("scale", "relative")).startswith("relative"), float(given.get("alpha", 0.05))
    side = str(given.get("side", given.get("alternative", ""))).lower()
    side = {"greater": "greater", "larger": "greater", "lesser": "lesser", "less": "lesser", "smaller": "lesser"}.get(
        side, ""
    )
    found = effect(a, b, relative, alpha, side)
    result = {"diff": found.effect, "se": found.standard_error, "df": found.df, "stat": found.statistic}
    tuning = given.get("tuning_N", given.get("tuning_n", given.get("N_star")))
    if tuning is None and re.search(r"\bseq", name):
        tuning = 5000
    if tuning is not None:
        return result | tuned_sequence(found, a.n + b.n, float(tuning), alpha, side)
    ends = {"greater": (found.low, math.inf), "lesser": (-math.inf, found.high)}.get(side, (found.low, found.high))
    return result | {"p": found.p, "ci": ends, "lo": found.low, "hi": found.high, "t": found.statistic}


def _growthbook_arms(name: str, given: Mapping[str, Any], world: World) -> tuple[Arm, Arm]:
    if "data" in given or name.split(".")[-1] == "clustered":
        per = str(given.get("denominator", "executions"))
        cuped = "cuped" in name or given.get("cuped") or "covariate" in given or "pre_numerator" in given
        moments = arm_moments(world, str(given.get("numerator", "up")), per)
        if per in ("user", "users"):
            moments = tuple(per_user(m) for m in moments)
        return _ratio_arms(*(arm.part(("s", "n", "xs", "xn") if cuped else ("s", "n")) for arm in moments))
    if "x_c" in given:
        return _one(given["n_c"], given["x_c"]), _one(given["n_t"], given["x_t"])
    flat = [_flatten(given.get(side, given.get(other))) for side, other in (("a", "control"), ("b", "treatment"))]
    if any(re.search(r"pre|(^|_)[md]_", key) for key in flat[0]):
        return _ratio_arms(*(_adjusted_moments(side) for side in flat))
    return _one(**_sums(flat[0])), _one(**_sums(flat[1]))


def _sums(side: Mapping[str, float]) -> dict[str, Any]:
    return {"n": side["n"], "total": side["sum"], "squares": side.get("sum_squares", side.get("sum_of_squares"))}


def _one(n: float, total: float, squares: float | None = None) -> Arm:
    mean = total / n
    var = mean * (1 - mean) if squares is None else (squares - total**2 / n) / (n - 1)
    return Arm(n, mean, var, mean, var, var)


def _ratio_arms(control: Moments, treatment: Moments) -> tuple[Arm, Arm]:
    found = arm_difference(
        control.n, control.means, control.comoments, treatment.n, treatment.means, treatment.comoments
    )
    theta = 0.0 if found.theta is None else float(found.theta)
    if "xn" in control.names and not control.comoments[3, 3]:
        # Of a mean (everybody counts once) this tool takes one slope over both arms, their difference included.
        both = control.merge(treatment).comoments
        theta = both[0, 2] / both[2, 2]
    arms = []
    for m in (control, treatment):
        mean, products = m.means, m.comoments / (m.n - 1)
        plain = adjusted = float(mean[0] / mean[1])
        g = np.zeros(len(mean))
        g[:2] = 1 / mean[1], -plain / mean[1]
        h = g.copy()
        if len(mean) == 4:
            before = mean[2] / mean[3]
            h[2:] = -theta / mean[3], theta * before / mean[3]
            adjusted -= float(theta * before)
        var, var_plain, cov = (float(one @ products @ other) for one, other in ((h, h), (g, g), (h, g)))
        arms.append(Arm(m.n, adjusted, var, plain, var_plain, cov, bool(m.comoments[1, 1])))
    return arms[0], arms[1]


def _adjusted_moments(side: Mapping[str, float]) -> Moments:
    """Moments (s, n, xs, xn) from sums, sums of squares and of products named by m/d and post/pre."""
    n, order = side["n"], ("m_post", "d_post", "m_pre", "d_pre")
    total: dict[str, float] = {}
    raw: dict[frozenset[str], float] = {}
    for key, value in side.items():
        of = ["_".join(pair) for pair in re.findall(r"(?:^|_)(m|d)_(?:statistic_)?(post|pre)(?=_|$)", key)]
        if not of and re.search(r"post|pre", key):
            of = [f"m_{when}" for when in re.findall(r"(?:^|_)(post|pre)(?=_|$)", key)]
        elif not of:
            of = [f"{which}_post" for which in re.findall(r"(?:^|_)(m|d)(?=_|$)", key)]
        if len(of) == 2 and of[0] != of[1]:
            raw[frozenset(of)] = value
        elif of and "squares" in key:
            raw[frozenset(of[:1])] = value
        elif of and "sum" in key:
            total[of[0]] = value
    used = [each for each in order if each in total]
    if used == ["m_post", "m_pre"]:  # a mean: everybody counts once
        total |= {"d_post": n, "d_pre": n}
        raw |= {frozenset([d]): n for d in ("d_post", "d_pre")} | {frozenset(["d_post", "d_pre"]): n}
        raw |= {frozenset([m, d]): total[m] for m in used for d in ("d_post", "d_pre")}
    order = tuple(each for each in order if each in total)
    means = [total[each] / n for each in order]
    products = [[raw[frozenset((a, b))] - total[a] * total[b] / n for b in order] for a in order]
    return Moments(int(n), ("s", "n", "xs", "xn")[: len(order)], tuple(means), tuple(tuple(row) for row in products))


def _flatten(value: Mapping[str, Any], at: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, inner in value.items():
        name = f"{at}_{key}" if at else str(key)
        if isinstance(inner, Mapping):
            flat |= _flatten(inner, name)
        elif isinstance(inner, int | float):
            flat[name.lower()] = inner
    return flat


KINDS = {"prop": proportion, "multitest": several_tests, "power": sample_size, "gb": growthbook, "gbrun": growthbook}
