"""Vectors of boundaries over looks: group-sequential, mixtures, sample ratio, and other tools' boundaries."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import optimize, special, stats

from benchmarks.experimenting import vectors_peers as peers
from benchmarks.experimenting.vectors import Readings, World
from glow_pipelines.learning.experiments import group_sequential as planned
from glow_pipelines.learning.experiments import sample_ratio


def group_sequential(name: str, given: Any, expected: Any, world: World) -> Any:
    """Boundaries, crossing probabilities, classical constants or inflation, by what the input holds."""
    alpha, wanted = float(given.get("alpha", 0.05)), float(given.get("power", 0.8))
    if "rule" in given or "classical" in name or re.search(r"pocock|obf|o.?brien", " ".join(expected).lower()):
        return _classical(name, given, expected, alpha)
    t = given.get("info_fractions", given.get("t"))
    looks = given.get("looks", given.get("K", given.get("k")))
    if t is None and looks is not None:
        t = [k / int(looks) for k in range(1, int(looks) + 1)]
    if t is None:
        raise LookupError(f"no info_fractions and no number of looks in the input {sorted(given)}")
    spending, one_sided = _spending(name, str(given.get("spending", name))), given.get("sides", 2) == 1
    z = given.get("z", given.get("bounds", given.get("boundaries")))
    result: dict[str, Any] = {}
    if z is None:
        symmetric = planned.boundaries(t, alpha, spending)
        single = planned.boundaries(t, alpha if one_sided else alpha / 2, spending, sides=1)
        z = single if one_sided else symmetric
        names = ("z", "bounds", "boundaries", "bound", "c", "upper", "z_upper", "efficacy")
        result |= dict.fromkeys(names, single if one_sided else Readings([symmetric, single]))
        result |= dict.fromkeys(("z_symmetric_two_sided", "z_symmetric", "z_two_sided"), symmetric)
        result |= dict.fromkeys(("z_spotify", "z_one_sided", "z_per_side"), single)
        result |= dict.fromkeys(("nominal_p", "p_nominal"), lambda: 2 * stats.norm.sf(symmetric))
    total = planned.spent(t, alpha, spending)
    result |= dict.fromkeys(("spent", "alpha_spent", "cum_alpha", "cumulative_alpha"), Readings([total, total / 2]))
    result |= dict.fromkeys(("increments", "alpha_increments"), np.diff(total, prepend=0.0))
    drift = given.get("drift", given.get("theta"))
    if drift is None and wanted and re.search(r"power|mean|inflation|R\b|asn", " ".join(expected)):
        drift = planned.drift_for_power(t, z, wanted)
        fixed = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(wanted))
        names = ("R", "inflation", "inflation_factor", "max_ratio", "max_over_fixed", "max_sample_ratio", "max")
        result |= dict.fromkeys(names, (drift / fixed) ** 2)
        mean = float(planned.mean_fraction(t, z, drift))
        names = ("mean_ratio", "mean_over_fixed", "asn_ratio", "mean_sample_ratio", "mean", "asn", "expected_ratio")
        result |= dict.fromkeys(names, Readings([mean * (drift / fixed) ** 2, mean]))
    drift = 0.0 if drift is None else drift
    lower = given.get("lower")
    if lower is None and one_sided:
        lower = [-math.inf] * len(z)
    crossed = planned.crossing(t, z, drift, lower=lower)
    cumulative = Readings([crossed.either, crossed.upper])
    names = ("cum", "cum_cross", "cumulative", "crossing", "cum_crossing", "cum_power", "cum_prob")
    result |= dict.fromkeys(names, cumulative)
    names = ("per_look", "exit", "exit_prob", "stop_prob", "cross")
    result |= dict.fromkeys(names, Readings([np.diff(each, prepend=0.0) for each in cumulative]))
    result |= dict.fromkeys(("upper_cum", "cum_upper"), crossed.upper) | {"cum_lower": crossed.lower}
    result |= dict.fromkeys(("power", "total", "alpha_total"), Readings([each[..., -1] for each in cumulative]))
    result |= dict.fromkeys(("drift",), drift)
    names = ("mean_fraction", "expected_fraction", "expected_information", "mean_t")
    return result | dict.fromkeys(names, lambda: planned.mean_fraction(t, z, drift))


def _classical(name: str, given: Any, expected: Any, alpha: float) -> dict[str, Any]:
    found = {key: _constants(key, value, alpha) for key, value in expected.items() if isinstance(value, Mapping)}
    looks = given.get("looks", given.get("K", given.get("k")))
    delta = given.get("delta", _shape(f"{name} {given.get('rule', '')}"))
    if looks is not None and delta is not None:
        c = planned.classical_constant(int(looks), alpha, float(delta))
        z = [c * ((k + 1) / int(looks)) ** (float(delta) - 0.5) for k in range(int(looks))]
        found |= {"c": c, "C": c, "constant": c, "z": Readings([z, c]), "bounds": z}
    return found


def _shape(text: str) -> float | None:
    short = text.lower()
    if "pocock" in short:
        return 0.5
    if "obf" in short or "brien" in short:
        return 0.0
    found = re.search(r"(?:wt|wang|delta)\D*([\d.]+)", short)
    return float(found[1]) if found else None


def _constants(name: str, value: Any, alpha: float) -> Any:
    """Classical constants for each number of looks asked for."""
    delta = _shape(name)
    return None if delta is None else {k: planned.classical_constant(int(k), alpha, delta) for k in value}


def _spending(name: str, text: str) -> str:
    short = re.sub(r"[\s*·_{}()]", "", text.lower()).replace("α", "alpha")
    if "phi" in short or "obf" in short or "brien" in short:
        per_side = "perside" in short or "a=alpha/2" in short or "per_side" in name
        return "obrien_fleming" if per_side or not re.search("total", short + name) else "obrien_fleming_total"
    if "ln1+" in short or "log1+" in short or "pocock" in short:
        return "pocock"
    if found := re.search(r"(?:hsd|gamma|hwang)\D*?(-?[\d.]+)", short):
        return f"hsd{found[1]}"
    if found := re.search(r"(?:alpha\*?t\^|alphat\^|alphat\*\*|power|rho=?)(-?[\d.]+)", short):
        return f"power{found[1]}"
    if short in ("alphat", "linear"):
        return "power1"
    raise LookupError(f"no spending {text!r}")


def mixtures(name: str, given: Any, expected: Any, world: World) -> Any:
    """Confidence sequences of other shapes, by the id."""
    sides = 1 if "one_sided" in name or given.get("sides") == 1 or given.get("is_one_sided") else 2
    alpha, alpha_opt = float(given.get("alpha", 0.05)), float(given.get("alpha_opt", 0.05))
    if "bernoulli" in name:
        return {"ci": [peers.bernoulli_interval(*case) for case in given["cases"]]}
    if "quantile" in name:
        a = _run(given["a"], 0)
        cases = [(float(q), float(offset)) for q, offset in given["cases"]]
        v_opt = float(given["v_opt"])
        return {"p": [peers.quantile_p(a, _run(given["b"], shift), q, v_opt, alpha_opt) for q, shift in cases]}
    v, s = float(given.get("v", given.get("t", 0))), float(given.get("s", 0.0))
    if "stitch" in name:
        eta, power = float(given.get("eta", 2.0)), float(given.get("s", 1.4))
        return {"bound": peers.stitched(v, alpha, float(given["v_min"]), float(given.get("c", 0.0)), power, eta)}
    if "lil" in name or "empirical" in name:
        t_min, a_ = float(given.get("t_min", 100)), float(given.get("A", 0.85))
        return {"bound": _lil(v, alpha, t_min, a_)}
    one = 1 if "gamma" in name else sides
    rho, highest = peers.best_rho(float(given["v_opt"]), alpha_opt, one), math.inf
    c = float(given.get("c", 0.0))

    def log_mixture(total: float) -> float:
        if "gamma_exponential" in name:
            return peers.gamma_exponential(total, v, rho, c)
        if "gamma_poisson" in name:
            return peers.gamma_poisson(total, v, rho, c)
        if "beta_binomial" in name:
            g, h = float(given["g"]), float(given["h"])
            r = peers.concentration(float(given["v_opt"]), alpha_opt, g, h, sides)
            return peers.beta_binomial(total, v, r, g, h, sides)
        if "normal" in name:
            return peers.normal_mixture(total, v, rho, sides)
        raise LookupError(f"no mixture {name}")

    if "beta_binomial" in name:
        highest = v / float(given["g"])
    names = ("log_mixture", "log_supermg", "log_superMG", "log_m")
    return (
        {"best_rho": rho, "rho": rho}
        | dict.fromkeys(names, log_mixture(s))
        | {"bound": lambda: peers.bound(log_mixture, alpha, highest)}
    )


def _run(text: Any, offset: float) -> list[float]:
    """Values written as "1..1000" or "offset+1..offset+1000", or the values themselves."""
    if not isinstance(text, str):
        return [float(x) + offset for x in text]
    shift = offset if "offset" in text else 0.0
    first, last = (int(part) for part in re.sub(r"offset\+?", "", text).split(".."))
    return [shift + i for i in range(first, last + 1)]


def _lil(t: float, alpha: float, t_min: float, a: float) -> float:
    def least(c: float) -> float:
        def error(eta: float) -> float:
            room = a - math.sqrt(2 * (eta - 1) / c)
            g2 = 2 / eta * room * room
            if room <= 0 or g2 <= 1:
                return 1e9
            return 4 * math.exp(-g2 * c) * (1 + 1 / ((g2 - 1) * math.log(eta)))

        top = optimize.brentq(lambda eta: math.sqrt(eta / 2) + math.sqrt(2 * (eta - 1) / c) - a, 1.0, 2 * a * a)
        return float(optimize.minimize_scalar(error, bounds=(1.0, top), method="bounded", options={"xatol": 1e-12}).fun)

    c = float(optimize.brentq(lambda c: math.log(least(c)) - math.log(alpha), 2.0, 60.0, xtol=1e-12))
    return a * math.sqrt((math.log1p(math.log(t / t_min)) + c) / t)


def stepwise(name: str, given: Any, expected: Any, world: World) -> Any:
    """Sequential sample ratio, batch by batch, with the orders of arrival inside a batch counted."""
    batches = np.asarray(given.get("batches", given.get("data")), dtype=float)
    null = given.get("theta", given.get("null_probabilities", given.get("weights")))
    theta = np.asarray(null, dtype=float)
    theta = theta / theta.sum()
    prior = given.get("dirichlet", given.get("alpha"))
    if prior is None:
        centre = np.asarray(given.get("dirichlet_probability", theta), dtype=float)
        size = given.get("concentration", given.get("dirichlet_concentration", sample_ratio.CONCENTRATION))
        prior = float(size) * centre
    prior = np.asarray(prior, dtype=float)
    totals = np.cumsum(batches, axis=0)
    orders = np.cumsum(special.gammaln(batches.sum(axis=1) + 1) - special.gammaln(batches + 1).sum(axis=1))
    one = sample_ratio.log_marginal(totals, prior) + orders
    null = (totals * np.log(theta)).sum(axis=1) + orders
    log_e = sample_ratio.dirichlet_log_e(totals, theta, prior)
    running = np.exp(-np.maximum(0, np.maximum.accumulate(log_e)))
    result = {
        "log_M1": one,
        "log_M0": null,
        "log_bayes_factor": log_e,
        "log_e": log_e,
        "log_posterior_odds": log_e,
        "bayes_factor": np.exp(log_e),
    }
    names = ("p", "sequential_p", "sequential_p_values", "p_values")
    odds = special.expit(log_e)
    return result | dict.fromkeys(names, running) | {"posterior": odds, "posterior_probability": odds}


def ratio(name: str, given: Any, expected: Any, world: World) -> Any:
    """χ² and the evidence of counts against weights; over phases the evidence adds up."""
    concentration = float(given.get("concentration", sample_ratio.CONCENTRATION))
    phases = given.get("phases")
    if phases is None:
        return of_counts(given.get("observed", given.get("counts")), given["weights"], concentration)
    each = [
        of_counts(
            phase.get("observed", phase.get("counts")) if isinstance(phase, Mapping) else phase,
            phase.get("weights", given.get("weights")) if isinstance(phase, Mapping) else given["weights"],
            float(phase.get("concentration", concentration)) if isinstance(phase, Mapping) else concentration,
        )
        for phase in phases
    ]
    total = sum(float(one["log_e"]) for one in each)
    names = ("log_e", "log_e_ssrm", "log_e_total", "log_e_sum", "total", "sum", "log_e_combined")
    listed = [float(one["log_e"]) for one in each]
    result = dict.fromkeys(names, Readings([total, listed]))
    names = ("per_phase", "log_e_phases", "log_e_per_phase", "log_e_ssrm_per_phase", "phases")
    result |= dict.fromkeys(names, Readings([listed, each]))
    result |= {"chi2": [one["chi2"] for one in each], "p": [one["p"] for one in each]}
    return result | _alarms(total)


def of_counts(observed: Any, weights: Any, concentration: float = sample_ratio.CONCENTRATION) -> dict[str, Any]:
    """All that is said of one set of counts, or of a list of them (looks)."""
    counts = np.asarray(observed, dtype=float)
    many = counts.reshape(-1, counts.shape[-1])
    squares = [sample_ratio.chi_square(row, weights) for row in many]
    log_e = sample_ratio.log_e(counts, weights, concentration)
    chi2, p = (np.array([row[i] for row in squares]).reshape(counts.shape[:-1]) for i in (0, 1))
    result = {"chi2": chi2, "p": p, "log_e": log_e, "log_e_ssrm": log_e, "log_e_srm": log_e, "e": np.exp(log_e)}
    return result | {"p_chi2": p, "srm_p": p, "df": counts.shape[-1] - 1} | _alarms(float(np.max(log_e)))


def _alarms(log_e: float) -> dict[str, bool]:
    return {"warn": log_e >= math.log(sample_ratio.WARN), "hold": log_e >= math.log(sample_ratio.HOLD)} | {
        "alarm": log_e >= math.log(sample_ratio.WARN)
    }


def eppo(name: str, given: Any, expected: Any, world: World) -> Any:
    """Eppo's multiplier of the standard error."""
    return {"B": peers.eppo_multiplier(given["t"], float(given["N_tune"]), float(given["c"]))}


def statsig(name: str, given: Any, expected: Any, world: World) -> Any:
    """Statsig's boundary at the sample given and at another with equal arms: one constant."""
    other = {**given, "n_t": 7 * given["n_t"], "n_c": 7 * given["n_c"]}
    return {"z": peers.statsig_z(given), "z_at_other_n": peers.statsig_z(other)}


KINDS = {
    "gst": group_sequential,
    "confseq": mixtures,
    "ssrm": stepwise,
    "srm": ratio,
    "eppo": eppo,
    "statsig": statsig,
}
