"""V14: units finer than a user. Executions, or sessions, of one user fall in both arms, and what is his own cancels.

Claims: false alarms stay at 5 %, and at ICC .3 the standard error is at most half of that with users as units, on the
same traffic. Baseline: executions as units with an error that takes them for independent.
"""

from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share, within
from benchmarks.experimenting.rules import Z95
from glow_pipelines.learning.experiments.estimates import arm_difference, crossed_difference
from glow_pipelines.learning.experiments.moments import moments_of

USERS, VOTES, RATE, EFFECT = 300, 20, 0.6, 0.06
SESSION, SESSION_ICC = 4, 0.1  # votes of a session, and how alike they are beyond their user's own rate


def executions(reps: int, seed: int) -> dict[str, Any]:
    """V14: 300 users with 20 votes each on average, by ICC; units are executions, then sessions of four."""
    result = {f"ICC {icc:g}": _world(icc, reps, seed + i) for i, icc in enumerate((0.02, 0.3))}
    return result | {f"ICC 0.3, sessions of {SESSION}": _world(0.3, reps, seed + 2, SESSION)}


def _world(icc: float, reps: int, seed: int, size: int = 1) -> dict[str, Any]:
    false, fine, coarse, false_of_users = _in_parts(icc, reps, seed, 0.0, size)
    power, _, _, power_of_users = _in_parts(icc, reps, seed + 100, EFFECT, size)
    ratio = float(np.median(fine / coarse))
    return {
        "false alarms": share(int(false.sum()), reps, most=0.06),
        "false alarms, users as units": share(int(false_of_users.sum()), reps),
        "standard error, users as units": round(float(np.median(coarse)), 4),
        "standard error, the finer units": round(float(np.median(fine)), 4),
        "ratio": within(ratio, high=0.5) if icc >= 0.3 and size == 1 else round(ratio, 4),
        f"power at {100 * EFFECT:g} points": share(int(power.sum()), reps),
        f"power at {100 * EFFECT:g} points, users as units": share(int(power_of_users.sum()), reps),
    }


def _in_parts(icc: float, reps: int, seed: int, effect: float, size: int) -> list[np.ndarray]:
    parts = [
        _differences(icc, min(200, reps - start), np.random.default_rng([seed, start]), effect, size)
        for start in range(0, reps, 200)
    ]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _differences(
    icc: float, reps: int, rng: np.random.Generator, effect: float, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(finer units reject, their error, error of users as units, those reject), one per repetition."""
    shape = (reps, USERS)
    own = rng.beta(RATE * (1 / icc - 1), (1 - RATE) * (1 / icc - 1), shape)
    # The effect moves every user by the same share of his room upwards, so no rate leaves [0, 1].
    better = own + effect / (1 - RATE) * (1 - own)
    count = 1 + rng.poisson(VOTES / size - 1, shape)
    treated = rng.binomial(count, 0.5)
    sides = []
    for units, rate in ((count - treated, own), (treated, better)):
        sides += [_ups(rng, units, rate, size), units * size]
    fine = crossed_difference(*moments_of(np.stack(sides, -1).astype(float)))
    half = USERS // 2
    ups = _ups(rng, count, np.where(np.arange(USERS) < half, own, better), size)
    rows = np.stack([ups, count * size], -1).astype(float)
    coarse = arm_difference(*moments_of(rows[:, :half]), *moments_of(rows[:, half:]))
    return (
        np.abs(fine.difference) > Z95 * fine.standard_error,
        fine.standard_error,
        coarse.standard_error,
        np.abs(coarse.difference) > Z95 * coarse.standard_error,
    )


def _ups(rng: np.random.Generator, units: np.ndarray, rate: np.ndarray, size: int) -> np.ndarray:
    """Ups of so many units of `size` votes each: votes of one unit are alike beyond their user's rate."""
    if size == 1:
        return rng.binomial(units, rate)
    there = np.arange(units.max()) < units[..., None]
    spread = 1 / SESSION_ICC - 1
    mean = np.clip(rate, 1e-9, 1 - 1e-9)[..., None] * np.ones(there.shape)
    return (rng.binomial(size, rng.beta(mean * spread, (1 - mean) * spread)) * there).sum(axis=-1)
