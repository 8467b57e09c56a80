"""Vectors of the clustered data set: moments by PostgreSQL's regr_sxx and regr_sxy, everything else from those moments.

What moments cannot give (an ordinary regression over rows, quantiles) is computed over rows with numpy.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.experimenting.vectors import Readings, World
from glow_pipelines.learning.experiments import always_valid, proportions
from glow_pipelines.learning.experiments.estimates import (
    ArmMoments,
    CrossedMoments,
    Estimate,
    Scale,
    crossed_difference,
    estimate,
    welch_df,
)
from glow_pipelines.learning.experiments.moments import Moments

ARMS = ("control", "treatment")
TABLES = """
create temp table clustered_user (unit text primary key, arm text, pre_n float8, pre_up float8);
create temp table clustered_execution
  (unit text, arm text, up float8, rating float8, latency_ms float8, cost_usd float8);
"""
# What the words of a vector's id or input mean, as an expression over one execution.
METRICS = {
    "up": "x.up",
    "ups": "x.up",
    "thumbs": "x.up",
    "rat": "x.rating",
    "rating": "x.rating",
    "cost": "x.cost_usd",
    "cost_usd": "x.cost_usd",
    "lat": "x.latency_ms",
    "latency": "x.latency_ms",
    "latency_ms": "x.latency_ms",
    "low": "(x.rating <= 2)::int",
    "low_rating": "(x.rating <= 2)::int",
    "lowrating": "(x.rating <= 2)::int",
    "share_le2": "(x.rating <= 2)::int",
    "slo": "(x.latency_ms > {threshold})::int",
    "slow": "(x.latency_ms > {threshold})::int",
    "net": "(2 * x.up - 1)",
}
MOMENTS = """
with per_cluster as (
  select u.arm, coalesce(sum({value}), 0)::float8 s, {count}::float8 n, u.pre_up xs, u.pre_n xn
  from clustered_user u left join clustered_execution x using (unit) group by u.unit
)
select count(*), avg(s), avg(n), avg(xs), avg(xn),
  regr_sxx(s, s), regr_sxy(s, n), regr_sxy(s, xs), regr_sxy(s, xn), regr_sxx(n, n), regr_sxy(n, xs), regr_sxy(n, xn),
  regr_sxx(xs, xs), regr_sxy(xs, xn), regr_sxx(xn, xn)
from per_cluster where arm = %s
"""
ROWS = """
select dense_rank() over (order by x.unit), ({value})::float8 from clustered_execution x where x.arm = %s
order by x.unit
"""
USERS = """
select coalesce(sum({value}), 0)::float8, (u.arm = 'treatment')::int, u.pre_up
from clustered_user u left join clustered_execution x using (unit) group by u.unit
"""


def arm_moments(
    world: World, metric: str = "up", per: str = "executions", threshold: float = 0.0
) -> tuple[Moments, ...]:
    """(control, treatment) of the data set over ("s", "n", "xs", "xn"), from one SQL pass per arm."""
    key = (metric, per, threshold)
    if key not in world.kept:
        _load(world)
        if metric not in METRICS:
            raise LookupError(f"no metric {metric!r} in the clustered data; there are {', '.join(METRICS)}")
        value = METRICS[metric].format(threshold=threshold)
        count = "1" if per in ("users", "user", "1", "units") else "count(x.unit)"
        world.kept[key] = tuple(_read(world, MOMENTS.format(value=value, count=count), arm) for arm in ARMS)
    return world.kept[key]  # type: ignore[no-any-return]


def answer(name: str, given: Any, expected: Any, world: World) -> Any:
    """Whatever of the data set the keys ask for; the metric is the one named in the input or the id, else thumbs up."""
    options = given if isinstance(given, Mapping) else {}
    words = re.split(r"[._ ]", name.split(".", 1)[1])
    named = options.get("numerator", options.get("metric")) or next((w for w in words if w in METRICS), "up")
    threshold = float(options.get("threshold", options.get("threshold_ms", 0.0)))
    if "always_valid" in name or "av" in words or "sequential" in words:
        pair = ArmMoments(*(m.part(("s", "n")) for m in arm_moments(world, named, "executions", threshold)))
        found = _must(estimate(pair, scale=_scale(words, options)))
        sides = 1 if "one" in words or options.get("sides") == 1 else 2
        return _evidence(found, expected, options, sides)
    if "moments" in words:
        return _moments(world, named, threshold, expected)
    per = str(options.get("denominator", "executions"))
    return _one_metric(world, named, per, threshold, words, options)


def _one_metric(
    world: World, metric: str, per: str, threshold: float, words: list[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    alpha, scale = float(options.get("alpha", 0.05)), _scale(words, options)
    by_user = "mean" in words or "user" in words or per in ("user", "users")
    arms = arm_moments(world, metric, "users" if by_user else "executions", threshold)
    if by_user:  # the value before counts per user too, not per execution before
        arms = tuple(per_user(m) for m in arms)
    pair = ArmMoments(*arms)
    plain, adjusted = _must(estimate(pair, scale=scale)), _must(estimate(pair, scale=scale, cuped=True))
    found = adjusted if "cuped" in words or options.get("cuped") else plain
    ratios, v = [m.mean[0] / m.mean[1] for m in arms], [_variance(m) for m in arms]
    n = [m.n for m in arms]
    df = float(welch_df(v[0], n[0], v[1], n[1]))
    worth = estimate(ArmMoments(*arm_moments(world, metric, "executions", threshold)))
    rows = [np.array(_rows(world, METRICS[metric].format(threshold=threshold), arm)) for arm in ARMS]
    naive = _iid([r[:, 1] for r in rows])
    # The unit ratio per arm, per cluster value and every named error of the difference.
    wide = _as_crossed(arms)
    robust = math.sqrt(sum(v_a * (m.n - 1) / m.n for v_a, m in zip(v, arms, strict=True)))
    test = proportions.compare(found.difference, found.standard_error, df, alpha)
    normal = proportions.compare(found.difference, found.standard_error, alpha=alpha)
    logs = _must(estimate(pair, scale="log_ratio"))
    log_test = proportions.compare(logs.difference, logs.standard_error, alpha=alpha)
    lift = proportions.fieller(ratios[0], v[0], ratios[1], v[1], alpha=alpha)
    lift_t = proportions.fieller(ratios[0], v[0], ratios[1], v[1], alpha=alpha, df=df)
    relative = proportions.welch(ratios[0], v[0] * n[0], n[0], ratios[1], v[1] * n[1], n[1], relative=True, alpha=alpha)
    log_ends, is_log = (log_test.low, log_test.high), "log" in words or scale == "log_ratio"
    ends = Readings([(normal.low, normal.high), (test.low, test.high)])
    lift_ends = Readings([lift, lift_t, tuple(math.expm1(x) for x in log_ends), (relative.low, relative.high)])
    if "fieller" in words:
        ends = Readings([lift, lift_t, tuple(x + 1 for x in lift)])
    elif is_log:
        ends = Readings([log_ends, tuple(math.exp(x) for x in log_ends), tuple(math.expm1(x) for x in log_ends)])
    result: dict[str, Any] = {
        "diff": logs.difference if is_log else found.difference,
        "se": logs.standard_error if is_log else found.standard_error,
        "theta": found.theta if found.theta is not None else adjusted.theta,
        "diff_unadjusted": plain.difference,
        "se_unadjusted": plain.standard_error,
        "diff_adjusted": adjusted.difference,
        "se_adjusted": adjusted.standard_error,
        **dict.fromkeys(("variance_reduction",), 1 - (adjusted.standard_error / plain.standard_error) ** 2),
        **dict.fromkeys(("variance_ratio", "var_ratio"), (adjusted.standard_error / plain.standard_error) ** 2),
        **dict.fromkeys(("se_cluster_robust_CR0", "se_cluster_robust_cr0", "se_cr0", "cr0"), robust),
        **dict.fromkeys(("se_one_vector", "se_onevector", "se_vector", "se_four_vector"), lambda: _wide_error(wide)),
        **dict.fromkeys(("se_naive_iid", "se_naive", "se_iid", "iid_se", "naive_se"), naive),
        **dict.fromkeys(("design_effect", "deff"), (found.standard_error / naive[0]) ** 2),
        "icc": lambda: _correlation(rows),
        "rho": lambda: _correlation(rows),
        "m0": lambda: Readings([_cluster_size(np.concatenate(rows)), *(_cluster_size(r) for r in rows)]),
        "welch_df": Readings([df, found.df]),
        "df": Readings([df, found.df]),
        "t": test.statistic,
        "stat": test.statistic,
        "z": normal.statistic,
        "p": Readings([test.p, normal.p, log_test.p]),
        "ci": ends,
        "lo": Readings([reading[0] for reading in ends]),
        "hi": Readings([reading[1] for reading in ends]),
        "log_ratio": logs.difference,
        **dict.fromkeys(("se_log_ratio", "log_ratio_se", "se_log"), logs.standard_error),
        **dict.fromkeys(("log_ratio_ci", "ci_log"), Readings([log_ends, tuple(math.exp(x) for x in log_ends)])),
        "lift": Readings([ratios[1] / ratios[0] - 1, math.expm1(logs.difference)]),
        **dict.fromkeys(("lift_ci", "ci_lift", "ci_relative", "relative_ci", "fieller", "fieller_ci"), lift_ends),
        **dict.fromkeys(("lift_lo", "lift_low", "lift_lower"), Readings([reading[0] for reading in lift_ends])),
        **dict.fromkeys(("lift_hi", "lift_high", "lift_upper"), Readings([reading[1] for reading in lift_ends])),
        "lift_se": relative.standard_error,
        "alpha": alpha,
        "n": sum(n),
    }
    for i, arm in enumerate(ARMS):
        each = _per_arm(arms[i], ratios[i], v[i], rows[i], worth.effective_clusters[i] if worth else math.nan, options)
        scalars = [each["n_eff"]] if "eff" in words else [each[k] for k in ("ratio", "icc", "quantile") if k in each]
        result[arm] = Readings([each, *scalars])
        result |= {f"{key}_{arm[0]}": value for key, value in each.items()}
        result |= {f"{key}_{arm}": value for key, value in each.items()}
    return result | _regression(world, METRICS[metric].format(threshold=threshold))


def _per_arm(m: Moments, ratio: float, v: float, rows: Any, worth: float, options: Mapping[str, Any]) -> dict[str, Any]:
    q = float(options.get("q", options.get("quantile", 0.95)))
    values = np.sort(rows[:, 1])
    exact = float(values[math.ceil(q * len(values)) - 1])
    return {
        "ratio": ratio,
        "var": v,
        "se": math.sqrt(v),
        "n": m.n,
        "clusters": m.n,
        "users": m.n,
        "executions": len(rows),
        "mean": m.mean[0],
        "sd": math.sqrt(m.comoment[0][0] / (m.n - 1)),
        "n_eff": worth,
        "icc": _icc(rows),
        "quantile": exact,
        "value": exact,
        "ci": lambda: _woodruff(rows, exact, q, float(options.get("alpha", 0.05))),
        "share": lambda: float((rows[:, 1] <= exact).mean()),
    }


def _evidence(found: Estimate, expected: Any, options: Mapping[str, Any], sides: int) -> Any:
    """What an always-valid row says, for each row of what is expected: τ, α and the margin are quoted in the rows."""
    if isinstance(expected, list):
        return [_evidence(found, row, options, sides) for row in expected]
    asked = {**options, **expected}
    alpha, margin = float(asked.get("alpha", 0.05)), float(asked.get("margin", asked.get("null", 0.0)))
    tau, se = asked.get("tau"), found.standard_error
    if tau is None:
        tau = always_valid.mixture_tau(float(asked.get("se_plan", asked.get("SE_plan", se))), alpha, sides)
    return evidence(found.difference, se, float(tau), alpha, margin, sides) | {
        key: value for key, value in asked.items() if key in ("margin", "null", "tau", "alpha", "se_plan", "sides")
    }


def evidence(d: Any, se: Any, tau: float, alpha: float, margin: float = 0.0, sides: int = 2) -> dict[str, Any]:
    """All always-valid numbers of one difference, or of an array of looks."""
    x, z = (tau / np.asarray(se)) ** 2, (np.asarray(d) - margin) / se
    log_e, width = always_valid.log_e(z, x, sides), always_valid.half_width(se, tau, alpha, sides)
    other = always_valid.log_e(-z, x, 1)
    upwards = always_valid.half_width(se, tau, alpha, 1)
    return {
        "diff": d,
        "se": se,
        "z": z,
        "x": x,
        "tau": tau,
        "log_e": Readings([log_e, other]) if sides == 1 else log_e,
        "log_e_up": always_valid.log_e(z, x, 1),
        "log_e_down": other,
        "log_e_greater": always_valid.log_e(z, x, 1),
        "log_e_less": other,
        "e": np.exp(log_e),
        "p": Readings([np.exp(-np.maximum(0, log_e)), np.exp(-np.maximum(0, other))])
        if sides == 1
        else np.exp(-np.maximum(0, log_e)),
        "threshold": always_valid.threshold(x, alpha, sides),
        "z_bound": always_valid.threshold(x, alpha, sides),
        "halfwidth": width,
        "lo": d - width,
        "hi": d + (upwards if sides == 1 else width),
        "ci": (d - width, d + width),
        "reject": log_e >= -math.log(alpha),
    }


def _moments(world: World, metric: str, threshold: float, expected: Any) -> dict[str, Any]:
    result = {}
    for arm, m in zip(ARMS, arm_moments(world, metric, "executions", threshold), strict=True):
        order = expected.get(arm, {}).get("order", ["s", "n", "pre_s", "pre_n"])
        renamed = {"s": "s", "n": "n", "pre_s": "xs", "pre_n": "xn", "xs": "xs", "xn": "xn"}
        part = m.part([renamed[each] for each in order])
        scatter = part.comoments / (m.n - 1)
        found = {"n": m.n, "order": order, "mean": part.mean, "comoment": part.comoment, "cov": scatter}
        result[arm] = found | {"covariance": scatter, "comoments": part.comoment, "means": part.mean}
    return result


def _regression(world: World, value: str) -> dict[str, Callable[[], float]]:
    """Ordinary least squares of a user's sum on arm and the value before, with errors HC0 to HC3."""

    def fit() -> tuple[Any, dict[str, float]]:
        statement = USERS.format(value=value)
        data = np.array(world.database.execute(statement).fetchall(), dtype=float)
        design = np.column_stack([np.ones(len(data)), data[:, 1], data[:, 2]])
        inverse = np.linalg.inv(design.T @ design)
        b = inverse @ design.T @ data[:, 0]
        rest = data[:, 0] - design @ b
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        n, k = design.shape
        weights = {"HC0": rest**2, "HC1": rest**2 * n / (n - k), "HC2": rest**2 / (1 - leverage)}
        weights["HC3"] = rest**2 / (1 - leverage) ** 2
        errors = {name: math.sqrt((inverse @ (design.T * w) @ design @ inverse)[1, 1]) for name, w in weights.items()}
        return b, errors | {"ols": math.sqrt(inverse[1, 1] * rest @ rest / (n - k))}

    found: dict[str, Callable[[], float]] = {
        "ancova_diff": lambda: float(fit()[0][1]),
        "ancova_theta": lambda: float(fit()[0][2]),
        "ancova_slope": lambda: float(fit()[0][2]),
        "ancova_se": lambda: fit()[1]["ols"],
    }
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        found |= dict.fromkeys((f"ancova_{kind}_se", f"ancova_{kind.lower()}_se"), lambda kind=kind: fit()[1][kind])  # type: ignore[misc]
    return found


def _variance(m: Moments) -> float:
    c, r = m.comoments / (m.n - 1), m.mean[0] / m.mean[1]
    return float((c[0, 0] - 2 * r * c[0, 1] + r * r * c[1, 1]) / (m.n * m.mean[1] ** 2))


def per_user(m: Moments) -> Moments:
    """Everybody counts once, now and before."""
    part, products = m.part(("s", "xs")), np.zeros((4, 4))
    products[np.ix_((0, 2), (0, 2))] = part.comoments
    rows = tuple(tuple(float(x) for x in row) for row in products)
    return Moments(m.n, ("s", "n", "xs", "xn"), (part.mean[0], 1.0, part.mean[1], 1.0), rows)


def _as_crossed(arms: tuple[Moments, ...]) -> CrossedMoments:
    wide = []
    for at, m in enumerate(arms):
        part, mean, products = m.part(("s", "n")), np.zeros(4), np.zeros((4, 4))
        here = slice(2 * at, 2 * at + 2)
        mean[here], products[here, here] = part.means, part.comoments
        rows = tuple(tuple(float(x) for x in row) for row in products)
        wide.append(Moments(m.n, ("sc", "nc", "st", "nt"), tuple(float(x) for x in mean), rows))
    return CrossedMoments(wide[0].merge(wide[1]), arms[0].n, arms[1].n)


def _wide_error(crossed: CrossedMoments) -> float:
    m = crossed.all
    return float(crossed_difference(m.n, m.means, m.comoments).standard_error)


def _iid(values: list[Any]) -> Readings:
    samples = math.sqrt(sum(float(v.var(ddof=1)) / len(v) for v in values))
    return Readings([math.sqrt(sum(float(v.var()) / len(v) for v in values)), samples])


def _icc(rows: Any) -> float:
    """Intra-class correlation by analysis of variance over clusters of unequal size."""
    units = np.unique(rows[:, 0])
    groups = [rows[rows[:, 0] == unit, 1] for unit in units]
    n, k, m0 = len(rows), len(groups), _cluster_size(rows)
    mean = rows[:, 1].mean()
    between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups) / (k - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - k)
    return float((between - within) / (between + (m0 - 1) * within))


def _cluster_size(rows: Any) -> float:
    sizes = np.unique(rows[:, 0], return_counts=True)[1]
    return float((sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1))


def _correlation(rows: list[Any]) -> Readings:
    centred = np.concatenate([np.column_stack([r[:, 0], r[:, 1] - r[:, 1].mean()]) for r in rows])
    return Readings([_icc(np.concatenate(rows)), _icc(centred), float(np.mean([_icc(r) for r in rows]))])


def _woodruff(rows: Any, exact: float, q: float, alpha: float) -> tuple[float, float]:
    """Interval of a quantile: that of the share at or below it, by clusters, turned back by percentile_disc."""
    units = np.unique(rows[:, 0])
    table = [(float((rows[rows[:, 0] == u, 1] <= exact).sum()), float((rows[:, 0] == u).sum())) for u in units]
    se = math.sqrt(_variance(Moments.of(("s", "n"), table)))
    width, values = proportions.compare(0.0, se, alpha=alpha).high, np.sort(rows[:, 1])
    low, high = (min(len(values) - 1, max(0, math.ceil(len(values) * p) - 1)) for p in (q - width, q + width))
    return float(values[low]), float(values[high])


def _scale(words: list[str], options: Mapping[str, Any]) -> Scale:
    return "log_ratio" if "log" in words or str(options.get("scale", "")).startswith("log") else "absolute"


def _must(found: Estimate | None) -> Estimate:
    if found is None:
        raise ValueError("an arm gives no ratio")
    return found


def _load(world: World) -> None:
    if "loaded" in world.kept:
        return
    data, connection = world.data["clustered"], world.database
    connection.execute(TABLES)
    with connection.cursor() as cursor:
        users = [(u["unit"], u["arm"], u["pre_n"], u["pre_up"]) for u in data["users"]]
        cursor.executemany("insert into clustered_user values (%s, %s, %s, %s)", users)
        keys = ("unit", "arm", "up", "rating", "latency_ms", "cost_usd")
        rows = [tuple(row[key] for key in keys) for row in data["executions"]]
        cursor.executemany("insert into clustered_execution values (%s, %s, %s, %s, %s, %s)", rows)
    world.kept["loaded"] = True


def _read(world: World, statement: str, arm: str) -> Moments:
    row = world.database.execute(statement, (arm,)).fetchone()  # type: ignore[arg-type]
    if row is None:
        raise LookupError(f"no moments of {arm}")
    n, *numbers = row
    products = np.zeros((4, 4))
    products[np.triu_indices(4)] = numbers[4:]
    products = products + np.triu(products, 1).T
    return Moments(n, ("s", "n", "xs", "xn"), tuple(numbers[:4]), tuple(tuple(map(float, row)) for row in products))


def _rows(world: World, value: str, arm: str) -> list[tuple[float, float]]:
    statement = ROWS.format(value=value)
    offset = 0 if arm == ARMS[0] else 1_000_000  # units of two arms are not the same
    return [(float(unit + offset), float(v)) for unit, v in world.database.execute(statement, (arm,)).fetchall()]  # type: ignore[arg-type]


KINDS = {"clustered": answer}
