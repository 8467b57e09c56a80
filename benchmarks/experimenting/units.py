"""V14: units finer than a user. Executions of one user fall in both arms, and what is his own cancels.

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


def executions(reps: int, seed: int) -> dict[str, Any]:
    """V14, by ICC; 300 users with 1 + Poisson(19) votes each."""
    return {f"ICC {icc:g}": _world(icc, reps, seed + i) for i, icc in enumerate((0.02, 0.3))}


def _world(icc: float, reps: int, seed: int) -> dict[str, Any]:
    false, fine, coarse, iid = _differences(icc, reps, seed, 0.0)
    with_effect = _differences(icc, reps, seed + 100, EFFECT)
    ratio = float(np.median(fine / coarse))
    return {
        "false alarms": share(int(false.sum()), reps, most=0.06),
        "false alarms, users as units": share(int(iid.sum()), reps),
        "standard error, users as units": round(float(np.median(coarse)), 4),
        "standard error, executions as units": round(float(np.median(fine)), 4),
        "ratio": within(ratio, high=0.5) if icc >= 0.3 else round(ratio, 4),
        f"power at {100 * EFFECT:g} points": share(int(with_effect[0].sum()), reps),
        f"power at {100 * EFFECT:g} points, users as units": share(int(with_effect[3].sum()), reps),
    }


def _differences(icc: float, reps: int, seed: int, effect: float) -> tuple[np.ndarray, ...]:
    """(executions as units reject, their error, error of users as units, those reject), one per repetition."""
    rng = np.random.default_rng(seed)
    shape = (reps, USERS)
    size = 1 / icc - 1
    rate = rng.beta(RATE * size, (1 - RATE) * size, shape)
    n = 1 + rng.poisson(VOTES - 1, shape)
    n_t = rng.binomial(n, 0.5)
    # The effect moves every user by the same share of his room upwards, so no rate leaves [0, 1].
    better = rate + effect / (1 - RATE) * (1 - rate)
    sides = [rng.binomial(n - n_t, rate), n - n_t, rng.binomial(n_t, better), n_t]
    fine = crossed_difference(*moments_of(np.stack(sides, -1).astype(float)))
    half = USERS // 2
    ups = rng.binomial(n, np.where(np.arange(USERS) < half, rate, better))
    rows = np.stack([ups, n], -1).astype(float)
    coarse = arm_difference(*moments_of(rows[:, :half]), *moments_of(rows[:, half:]))
    return (
        np.abs(fine.difference) > Z95 * fine.standard_error,
        fine.standard_error,
        coarse.standard_error,
        np.abs(coarse.difference) > Z95 * coarse.standard_error,
    )
