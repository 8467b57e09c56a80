"""Vectors of real experiments: Cookie Cats (counts or sums per arm) and ASOS (moments over time, or the whole file)."""

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experimenting.vectors import Readings, World
from benchmarks.experimenting.vectors_clustered import evidence
from benchmarks.experimenting.vectors_fixed import of_proportions
from benchmarks.experimenting.vectors_sequential import of_counts
from glow_pipelines.learning.experiments import always_valid, proportions

FILE = "asos/asos_digital_experiments_dataset.csv"
# The words in use for what is known of an arm.
WORDS = {
    "n": "n count users trials size nobs units exposed observed",
    "x": "x successes conversions retained events ups positives",
    "sum": "sum total s",
    "sum_squares": "sum_squares sum_of_squares sumsq sum_sq ss sumsquares",
    "mean": "mean avg average m rate p",
    "var": "variance var v",
    "sd": "sd std stddev",
}
SIDES = {"c": "c control a gate_30 gate30 0 30", "t": "t treatment b gate_40 gate40 1 40"}


def answer(name: str, given: Any, expected: Any, world: World) -> Any:
    """Whatever the keys ask for, of two arms, of a stream of looks, or of all streams of the ASOS file."""
    options = given if isinstance(given, Mapping) else {}
    arms = _arms(options)
    if not arms and ("asos" in name.lower() or "experiment_id" in options):
        if "experiment_id" not in options:
            return _streams(world, options, expected)
        arms = _one_stream(world, options)
    if not arms:
        observed = options.get("observed", options.get("counts"))
        if observed is None:
            raise LookupError(f"no counts, sums or means per arm in the input {sorted(options) or given!r}")
        return of_counts(observed, options.get("weights", [1.0] * len(observed)), _concentration(options))
    outcomes = _outcomes(options) if "mean" not in arms["c"] else {}
    result = _two_arms(arms, options)
    for outcome, counts in outcomes.items():
        one = _two_arms({s: _completed(arms[s], x) for s, x in zip("ct", counts, strict=True)}, options)
        result |= {outcome: one} | {f"{outcome}_{key}": value for key, value in one.items()}
        if len(outcomes) == 1:
            result |= one
    return result


def _outcomes(options: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Counts under a name of their own (ret7), given for both arms."""
    found: dict[str, dict[str, Any]] = {}
    for word, value in _pairs(options):
        for side, names in SIDES.items():
            for s in names.split():
                outcome = word.removeprefix(f"{s}_") if word.startswith(f"{s}_") else word.removesuffix(f"_{s}")
                known = {w for words in WORDS.values() for w in words.split()}
                if outcome != word and outcome not in known and isinstance(value, int | float):
                    found.setdefault(outcome, {}).setdefault(side, value)
    return {outcome: (both["c"], both["t"]) for outcome, both in found.items() if len(both) == 2}


def _completed(arm: Mapping[str, Any], count: Any) -> dict[str, Any]:
    whole = {**arm, "x": count}
    _complete(whole)
    return whole


def _two_arms(arms: dict[str, dict[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    alpha = float(options.get("alpha", 0.05))
    n = [np.asarray(arms[side]["n"], dtype=float) for side in "ct"]
    srm = of_counts(np.stack(n, axis=-1), options.get("weights", [0.5, 0.5]), _concentration(options))
    result: dict[str, Any] = {
        **dict.fromkeys(("chi2", "srm_chi2", "chi2_srm"), srm["chi2"]),
        **dict.fromkeys(("srm_p", "p_srm", "p_chi2", "chi2_p"), srm["p"]),
        **dict.fromkeys(("log_e_ssrm", "ssrm_log_e", "srm_log_e", "log_e_srm", "ssrm"), srm["log_e"]),
        **{f"{prefix}_{key}": srm[key] for prefix in ("srm", "ssrm") for key in ("warn", "hold", "alarm")},
        "srm": srm,
    }
    if "mean" not in arms["c"]:
        return result | {"p": srm["p"], "log_e": srm["log_e"]}
    m, v = ([np.asarray(arms[side][key], dtype=float) for side in "ct"] for key in ("mean", "var"))
    counted = [arms[side].get("x") for side in "ct"]
    single = all(each.ndim == 0 for each in (*n, *m))
    d, se = m[1] - m[0], np.sqrt(v[0] / n[0] + v[1] / n[1])
    z = d / se
    fixed = 2 * _tail(np.abs(z))
    ps, zs, ses = [fixed], [z], [se]
    if all(x is not None for x in counted):
        share = (np.asarray(counted[0], dtype=float) + np.asarray(counted[1], dtype=float)) / (n[0] + n[1])
        pooled = np.sqrt(share * (1 - share) * (1 / n[0] + 1 / n[1]))
        ses, zs, ps = [se, pooled], [d / pooled, z], [2 * _tail(np.abs(d / pooled)), fixed]
        if single:
            four = tuple(float(np.asarray(x)) for pair in zip(counted, n, strict=True) for x in pair)
            result |= of_proportions(four, alpha)
    if single:
        test = proportions.welch(*(float(x) for i in (0, 1) for x in (m[i], v[i], n[i])), alpha=alpha)
        result |= {"t": test.statistic, "stat": test.statistic, "df": test.df, "welch_p": test.p, "p_welch": test.p}
        result |= {"t_p": test.p, "p_t": test.p} if "p_t" not in result else {"t_p": test.p}
        result["ci_welch"] = (test.low, test.high)
        ps.append(np.asarray(test.p))
    width = proportions.compare(0.0, 1.0, alpha=alpha).high
    ends = [(d - width * each, d + width * each) for each in ses]
    if single:
        ends.append((test.low, test.high))
    result |= {
        "diff": d,
        "z": Readings(zs),
        "se": Readings(ses),
        "lift": d / m[0],
        "mean_c": m[0],
        "mean_t": m[1],
        "var_c": v[0],
        "var_t": v[1],
        "n_c": n[0],
        "n_t": n[1],
        "control": Readings([m[0], _plain(arms["c"])]),
        "treatment": Readings([m[1], _plain(arms["t"])]),
        "log_ratio": lambda: np.log(m[1] / m[0]),
        "n_significant": int((np.abs(z) > width).sum()),
    }
    sided, tau = [2, 1] if "sides" not in options else [int(options["sides"])], options.get("tau")
    if tau is None:
        planned = options.get("se_plan", options.get("SE_plan", options.get("se_planned")))
        tau = always_valid.mixture_tau(float(np.ravel(se)[-1] if planned is None else planned), alpha)
    margin = float(options.get("margin", 0.0))
    found = [evidence(d, se, float(tau), alpha, margin, sides) for sides in sided]
    av: dict[str, Any] = {key: Readings(_spread(each[key] for each in found)) for key in found[0]}
    low, high = found[0]["lo"], found[0]["hi"]
    running = (np.maximum.accumulate(low), np.minimum.accumulate(high)) if not single else (low, high)
    av["ci"] = Readings([(low, high), np.stack([low, high], axis=-1), running, np.stack(running, axis=-1)])
    av["lo"], av["hi"] = Readings([low, running[0]]), Readings([high, running[1]])
    logs = list(av["log_e"])
    if not single:
        av["p"] = Readings([*av["p"], *(always_valid.p_value(each) for each in logs)])
        av["log_e_max"] = Readings([each.max() for each in logs])
        av["first_reject"] = Readings([int(np.argmax(each >= -math.log(alpha))) for each in logs])
    result |= {f"{prefix}_{key}": value for prefix in ("av", "always_valid", "cs") for key, value in av.items()}
    result |= {f"{key}_{suffix}": value for suffix in ("av", "always_valid", "cs") for key, value in av.items()}
    result |= {key: av[key] for key in ("log_e", "e", "halfwidth", "threshold", "reject", "tau", "x")}
    result |= dict.fromkeys(("av", "always_valid", "cs"), av)
    # Named without saying which, these may be of one look or of all.
    result["p"] = Readings([*ps, *av["p"]])
    result["ci"] = Readings([*ends, *av["ci"]])
    result["lo"] = Readings([*(e[0] for e in ends), *av["lo"]])
    result["hi"] = Readings([*(e[1] for e in ends), *av["hi"]])
    return result | {"alpha": alpha}


def _arms(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{"c": {...}, "t": {...}} with n, mean, var and x where given, from any of the usual ways to write two arms."""
    arms: dict[str, dict[str, Any]] = {"c": {}, "t": {}}
    for word, value in _pairs(options):
        for side, names in SIDES.items():
            for known, spellings in WORDS.items():
                if any(word in (f"{s}_{w}", f"{w}_{s}") for s in names.split() for w in spellings.split()):
                    arms[side].setdefault(known, value)
    if not all("n" in arm for arm in arms.values()):
        return {}
    for arm in arms.values():
        _complete(arm)
    return arms


def _pairs(options: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """(word, value): nested arms as arm_word, lists of two as word_c and word_t."""
    for key, value in options.items():
        name = str(key).lower()
        if isinstance(value, Mapping):
            yield from ((f"{name}_{str(inner).lower()}", v) for inner, v in value.items())
        elif isinstance(value, list) and len(value) == 2 and any(name in words.split() for words in WORDS.values()):
            yield from zip((f"{name}_c", f"{name}_t"), value, strict=True)
        else:
            yield name, value


def _complete(arm: dict[str, Any]) -> None:
    n = np.asarray(arm["n"], dtype=float)
    if "x" in arm or ("sum" in arm and "sum_squares" not in arm and "var" not in arm and "sd" not in arm):
        arm.setdefault("x", arm.get("sum"))
        share = np.asarray(arm["x"], dtype=float) / n
        arm |= {"mean": share, "var": share * (1 - share)}
    elif "sum" in arm:
        total = np.asarray(arm["sum"], dtype=float)
        arm.setdefault("mean", total / n)
        if "sum_squares" in arm:
            arm.setdefault("var", (np.asarray(arm["sum_squares"], dtype=float) - total**2 / n) / (n - 1))
    if "sd" in arm:
        arm.setdefault("var", np.asarray(arm["sd"], dtype=float) ** 2)
    if "mean" in arm and "var" not in arm:
        share = np.asarray(arm["mean"], dtype=float)
        arm |= {"x": share * n, "var": share * (1 - share)}


def _streams(world: World, options: Mapping[str, Any], expected: Any) -> dict[str, Any]:
    """Counts over all streams of the file: how often a test looked at again and again changes its mind."""
    least, alpha = int(options.get("min_looks", options.get("looks", 3))), float(options.get("alpha", 0.05))
    limit = float(options.get("z", proportions.compare(0.0, 1.0, alpha=alpha).high))
    groups = [z for z in _read_streams(world) if len(z) >= least]
    over = [np.abs(z) > limit for z in groups]
    ends = sum(bool(s[-1]) for s in over)
    ever = sum(bool(s.any()) for s in over)
    flipped = sum(bool(s.any() and not s[-1]) for s in over)
    both = sum(bool((z > limit).any() and (z < -limit).any()) for z in groups)
    rules: list[tuple[str, Any]] = [
        (r"both|direction", both),
        (r"flip|back|lost|revert|not_(at_)?end", flipped),
        (r"any|some|ever|peek", ever),
        (r"end|last|final", ends),
        (r"stream|^n$|count|series", len(groups)),
        (r"look|row", Readings([least, sum(map(len, groups)), len(groups)])),
    ]
    return {
        key: next(value for pattern, value in rules if re.search(pattern, key.lower()))
        for key in expected
        if any(re.search(pattern, key.lower()) for pattern, _ in rules)
    }


def _one_stream(world: World, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The looks of one stream of the file, in the order of time."""
    chosen = []
    for row in _rows(_path(world)):
        if all(str(options[key]) == row[key] for key in ("experiment_id", "variant_id", "metric_id") if key in options):
            try:
                chosen.append([float(row[key]) for key in COLUMNS])
            except ValueError:
                continue  # a look before there was any variance
    if not chosen:
        raise LookupError(f"no stream of {FILE} is {dict(options)}")
    n_c, n_t, m_c, m_t, v_c, v_t, _ = np.array(sorted(chosen, key=lambda look: look[-1])).T
    return {"c": {"n": n_c, "mean": m_c, "var": v_c}, "t": {"n": n_t, "mean": m_t, "var": v_t}}


def _path(world: World) -> Path:
    path = next((folder / FILE for folder in world.folders if (folder / FILE).exists()), None)
    if path is None:
        raise LookupError(f"{FILE} lies in none of {', '.join(map(str, world.folders)) or 'no folder'}")
    return path


def _read_streams(world: World) -> list[Any]:
    streams: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in _rows(_path(world)):
        try:
            n_c, n_t, m_c, m_t, v_c, v_t, at = (float(row[key]) for key in COLUMNS)
            se = math.sqrt(v_c / n_c + v_t / n_t)
        except (ValueError, ZeroDivisionError):
            continue  # a look before there was any variance
        key = (row["experiment_id"], row["variant_id"], row["metric_id"])
        streams.setdefault(key, []).append((at, (m_t - m_c) / se if se > 0 else 0.0))
    return [np.array([z for _, z in sorted(looks)]) for looks in streams.values()]


COLUMNS = ("count_c", "count_t", "mean_c", "mean_t", "variance_c", "variance_t", "time_since_start")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _concentration(options: Mapping[str, Any]) -> float:
    return float(options.get("concentration", 1000.0))


def _tail(z: Any) -> Any:
    from scipy.special import ndtr

    return ndtr(-z)


def _plain(arm: Mapping[str, Any]) -> dict[str, Any]:
    return {**arm, "rate": arm["mean"], "p": arm["mean"]}


def _spread(values: Iterable[Any]) -> Sequence[Any]:
    flat: list[Any] = []
    for value in values:
        flat += list(value) if isinstance(value, Readings) else [value]
    return flat


KINDS: dict[str, Callable[..., Any]] = {"real": answer}
