"""V12 and V15: who comes, and where the hash puts them.

Claims: the sequential sample-ratio test looks after every user and hardly ever cries wolf, and finds a skewed split
soon; the hash spreads ids evenly and its draws for different questions do not depend on each other. That SQL gives the
same bucket is the tests' to show, with a database.
"""

from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share, within
from glow_pipelines.learning.experiments.assignment import exp_bucket
from glow_pipelines.learning.experiments.sample_ratio import HOLD, WARN, log_e

MANY = 10_000
IDS = 1_000_000
CHI_001, CHI_01 = 10.8276, 6.6349  # χ² with one degree of freedom


def sample_ratio(reps: int, seed: int, users: int = MANY) -> dict[str, Any]:
    """V12: false alarms in `users` looks, and the median user at whom 55/45 and 53/47 are found."""
    result: dict[str, Any] = {}
    for skew, bars in ((0.5, None), (0.55, (1600, 2100)), (0.53, None)):
        warned, held, chi = _first(reps, seed + int(1000 * skew), users, skew)
        if skew == 0.5:
            result["50/50"] = {
                "warned": share(int(np.isfinite(warned).sum()), reps, most=1 / WARN),
                "held": share(int(np.isfinite(held).sum()), reps, most=1 / HOLD),
                "χ² at .001 after every user": share(int(chi[0].sum()), reps),
                "χ² at .01 after every user": share(int(chi[1].sum()), reps),
            }
            continue
        result[f"{100 * skew:g}/{100 - 100 * skew:g}"] = {
            "median user, warned": _median(warned, bars and bars[0]),
            "median user, held": _median(held, bars and bars[1]),
            "held in time": share(int(np.isfinite(held).sum()), reps),
        }
    return result


def _first(reps: int, seed: int, users: int, skew: float, size: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User at whom the alarm comes (inf for never), warned and held; and whether χ² ever fires at .001 and .01."""
    warned, held, chi = [], [], []
    for at, start in enumerate(range(0, reps, size)):
        rng = np.random.default_rng([seed, at])
        treated = np.cumsum(rng.random((min(size, reps - start), users)) < skew, axis=1)
        observed = np.stack([np.arange(1, users + 1) - treated, treated], -1)
        evidence = log_e(observed, (0.5, 0.5))
        warned.append(_when(evidence >= np.log(WARN)))
        held.append(_when(evidence >= np.log(HOLD)))
        squares = ((2 * treated - np.arange(1, users + 1)) ** 2 / np.arange(1, users + 1))[:, 49:].max(axis=1)
        chi.append(np.stack([squares > CHI_001, squares > CHI_01]))
    return np.concatenate(warned), np.concatenate(held), np.concatenate(chi, axis=1)


def _when(fires: np.ndarray) -> np.ndarray:
    return np.where(fires.any(axis=1), fires.argmax(axis=1) + 1.0, np.inf)


def _median(users: np.ndarray, bar: float | None) -> Any:
    median = float(np.median(users))
    if bar is None:
        return round(median)
    # Half the distance between the order statistics √n·½ either side: the median's own error.
    ordered, half = np.sort(users), 0.5 * len(users) ** 0.5
    middle = len(users) / 2
    spread = float(ordered[min(len(users) - 1, int(middle + half))] - ordered[int(middle - half)]) / 2
    return within(median, high=bar, error=spread)


def hashes(reps: int, seed: int, ids: int = IDS) -> dict[str, Any]:
    """V15 in Python: evenness over 1,000 cells, and independence of the draws of different questions."""
    from scipy.stats import chi2

    purposes = ("layer", "enroll", "variant")
    buckets = np.array(
        [[exp_bucket(f"simulation-{seed}#1", purpose, f"user-{i}") for i in range(ids)] for purpose in purposes]
    )
    again = np.array([exp_bucket(f"simulation-{seed}#2", "variant", f"user-{i}") for i in range(ids)])
    cells = np.stack([np.bincount(row // 1000, minlength=1000) for row in (*buckets, again)])
    squares = ((cells - ids / 1000) ** 2 / (ids / 1000)).sum(axis=1)
    worst = float(chi2.sf(squares, 999).min())
    together = np.corrcoef(np.vstack([buckets, again]))
    return {
        "ids": ids,
        "smallest p of χ² over 1,000 cells": within(worst, low=1e-4),
        "largest correlation between draws": within(
            float(np.abs(together - np.eye(4)).max()), high=0.005, error=ids**-0.5
        ),
    }
