"""V1 and V2: independent users, a look after every single one of them, no difference between the arms.

Claims: at most 5 % of experiments ever leave the always-valid interval, on the absolute and on the log-ratio scale.
Baselines beside it: the plain z-test at every look, and the relative lift with the same boundary (the common default).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share
from benchmarks.experimenting.rules import Z95, Fires, always_valid, ever
from benchmarks.experimenting.worlds import Floats
from glow_pipelines.learning.experiments.always_valid import mixture_tau
from glow_pipelines.learning.experiments.estimates import Differences, Scale, arm_difference

PER_ARM = 10_000
FIRST = 100
PLANNED = 5_000  # τ is tuned for half of what is looked at: a plan with its extension
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def binary(rate: float) -> Draw:
    """Votes with this rate."""
    return lambda rng, shape: (rng.random(shape) < rate).astype(float)


def ratings(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Ratings 1 to 5, most of them high."""
    return 1.0 + np.searchsorted(np.cumsum([0.08, 0.07, 0.15, 0.3]), rng.random(shape))


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Costs: lognormal with σ 1.5, a skewness of 33."""
    return rng.lognormal(0.0, 1.5, shape)


ABSOLUTE: dict[str, Draw] = {
    "votes, 60 %": binary(0.6),
    "votes, 2 %": binary(0.02),
    "ratings": ratings,
    "lognormal": lognormal,
}
LOG_RATIO: dict[str, Draw] = {"votes, 2 %": binary(0.02), "votes, 10 %": binary(0.1), "lognormal": lognormal}


def absolute(reps: int, seed: int, per_arm: int = PER_ARM) -> dict[str, Any]:
    """V1."""
    return {name: _world(each, "absolute", reps, seed + i, per_arm) for i, (name, each) in enumerate(ABSOLUTE.items())}


def log_ratio(reps: int, seed: int, per_arm: int = PER_ARM) -> dict[str, Any]:
    """V2."""
    return {
        name: _world(each, "log_ratio", reps, seed + i, per_arm) for i, (name, each) in enumerate(LOG_RATIO.items())
    }


def _world(one: Draw, scale: Scale, reps: int, seed: int, per_arm: int, size: int = 20) -> dict[str, Any]:
    tau = mixture_tau(_planned_error(one, scale, seed))
    ours = naive = relative = 0
    for at, start in enumerate(range(0, reps, size)):
        rng = np.random.default_rng([seed, at])
        found = _looks(one(rng, (2, min(size, reps - start), per_arm)), scale)
        ours += ever(always_valid(found, tau))
        if scale == "absolute":
            naive += ever(np.abs(found.difference) > Z95 * found.standard_error)
        else:
            relative += ever(_relative(found, tau))
    result: dict[str, Any] = {"always-valid": share(ours, reps, most=0.05)}
    if scale == "absolute":
        result["plain z at every look"] = share(naive, reps)
    else:
        result["relative lift, same boundary"] = share(relative, reps)
    return result


def _looks(values: Floats, scale: Scale) -> Differences:
    """Estimates after each further user of both arms; `values` is (arms, repetitions, users)."""
    n = np.arange(1, values.shape[-1] + 1, dtype=float)
    mean = np.cumsum(values, axis=-1) / n
    # Deviations from a fixed value first: sums of squares then lose nothing, whatever the level.
    shifted = values - values.mean()
    squares = np.cumsum(shifted**2, axis=-1) - np.cumsum(shifted, axis=-1) ** 2 / n
    means, products = np.ones((*mean.shape, 2)), np.zeros((*mean.shape, 2, 2))
    means[..., 0], products[..., 0, 0] = mean, squares
    means, products, n = means[..., FIRST - 1 :, :], products[..., FIRST - 1 :, :, :], n[FIRST - 1 :]
    return arm_difference(n, means[0], products[0], n, means[1], products[1], scale=scale)


def _planned_error(one: Draw, scale: Scale, seed: int) -> float:
    """What the standard error will be at the planned users, from a time before the experiment."""
    sample = one(np.random.default_rng([seed, 1 << 20]), (2 * PLANNED,))
    error = float(sample.std() * np.sqrt(2 / PLANNED))
    return error if scale == "absolute" else error / float(sample.mean())


def _relative(found: Differences, tau: float) -> Fires:
    """R_t/R_c − 1 with the delta method's error, from our log-ratio: its error is the ratio times that of ln R."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found.treatment / found.control
    return always_valid(replace(found, difference=ratio - 1, standard_error=ratio * found.standard_error), tau)
