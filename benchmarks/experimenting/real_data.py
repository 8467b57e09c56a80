"""Real experiments through the engine: what was called, and what would have been called by rules that survive looking.

ASOS: sequential counts, means and variances of 78 online experiments × 4 metrics (Liu et al. 2021), a folder with
asos_digital_experiments_dataset.csv. Cookie Cats: the public A/B test of a game's gate; only its counts, as published,
are needed for retention, and its raw rows are not read here.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.experimenting.rules import POINTS, Z95, Fires, planned_looks
from benchmarks.experimenting.worlds import Floats
from glow_pipelines.learning.experiments import always_valid, sample_ratio
from glow_pipelines.learning.experiments.estimates import ArmMoments, Estimate, estimate
from glow_pipelines.learning.experiments.group_sequential import boundaries
from glow_pipelines.learning.experiments.moments import Moments

ASOS = "asos_digital_experiments_dataset.csv"


def asos(folder: Path, rules: Sequence[str] = ("plain z", "always-valid", "planned looks")) -> dict[str, Any]:
    """Of streams (experiment, variant, metric) with at least three looks, how many each rule calls."""
    rows = pd.read_csv(folder / ASOS).sort_values("time_since_start")
    rows = rows[rows["variance_c"] + rows["variance_t"] > 0]
    found: Counter[str] = Counter()
    for _, stream in rows.groupby(["experiment_id", "variant_id", "metric_id"]):
        looks = [each for row in stream.itertuples() if (each := _look(row))]
        if len(looks) < 3:
            continue
        found["streams"] += 1
        z = np.array([each.z for each in looks])
        error = np.array([each.standard_error for each in looks])
        at_the_end = bool(abs(z[-1]) > Z95)
        for rule in rules:
            fires = RULES[rule](z, error)
            found[f"{rule}: at some look"] += bool(fires.any())
            found[f"{rule}: at the last look"] += bool(fires[-1])
            found[f"{rule}: at some look, but plain z at the last does not"] += bool(fires.any()) and not at_the_end
            found[f"{rule}: in both directions"] += bool((fires & (z > 0)).any() and (fires & (z < 0)).any())
    for _, arm in rows.groupby(["experiment_id", "variant_id"]):
        counts = arm[["count_c", "count_t"]].to_numpy(float)
        found["treatments"] += 1
        found["treatments held for their sample ratio, if it was meant to be 1:1"] += bool(
            (sample_ratio.log_e(counts, (1, 1)) >= np.log(sample_ratio.HOLD)).any()
        )
    return dict(found)


def _look(row: Any) -> Estimate | None:
    """One look: units are users, one value each."""
    arms = [
        Moments(int(n), ("s", "n"), (float(mean), 1.0), ((float(variance) * (n - 1), 0.0), (0.0, 0.0)))
        for n, mean, variance in (
            (row.count_c, row.mean_c, row.variance_c),
            (row.count_t, row.mean_t, row.variance_t),
        )
    ]
    return estimate(ArmMoments(*arms))


def _plain(z: Floats, error: Floats) -> Fires:
    return np.abs(z) > Z95


def _always_valid(z: Floats, error: Floats) -> Fires:
    """τ is that of the last look's error, as a plan that knew its traffic would have frozen it."""
    tau = always_valid.mixture_tau(float(error[-1]))
    return np.abs(z) >= always_valid.half_width(error, tau) / error


def _planned(z: Floats, error: Floats) -> Fires:
    """Planned for the last look's information; a look that brings none is not taken."""
    t = (error[-1] / error) ** 2
    t[-1] = 1.0
    taken, shares = planned_looks(t)
    fires = np.zeros(len(z), dtype=bool)
    fires[taken] = np.abs(z[taken]) >= boundaries(shares, points=POINTS)  # thousands of users: t is normal
    return fires


RULES: dict[str, Callable[[Floats, Floats], Fires]] = {
    "plain z": _plain,
    "always-valid": _always_valid,
    "planned looks": _planned,
}
GATE_30, GATE_40 = (44_700, 8_502), (45_489, 8_279)  # players, those who came back after seven days
PLANNED_ERROR = 0.005


def cookie_cats() -> dict[str, Any]:
    """Retention after seven days from the published counts of the two gates.

    Figures to meet: z −3.164, p .001554, sample ratio p .0086 without an alarm, always-valid (−.01630, −.00011).
    """
    arms = [
        Moments(n, ("s", "n"), (back / n, 1.0), ((back * (1 - back / n), 0.0), (0.0, 0.0)))
        for n, back in (GATE_30, GATE_40)
    ]
    found = estimate(ArmMoments(*arms))
    assert found is not None
    (n_c, s_c), (n_t, s_t) = GATE_30, GATE_40
    pooled = (s_c + s_t) / (n_c + n_t)
    z = found.difference / (pooled * (1 - pooled) * (1 / n_c + 1 / n_t)) ** 0.5
    low, high = always_valid.confidence_sequence(
        [found.difference], [found.standard_error], always_valid.mixture_tau(PLANNED_ERROR)
    )
    return {
        "players": [n_c, n_t],
        "difference": found.difference,
        "z, pooled": z,
        "z, ours (each arm its own variance)": found.z,
        "always-valid interval, planned error .005": [float(low[0]), float(high[0])],
        "sample ratio χ² p": sample_ratio.chi_square((n_c, n_t), (1, 1))[1],
        "sample ratio e": float(np.exp(sample_ratio.log_e((n_c, n_t), (1, 1)))),
        "counts": "as published with the data set; the raw rows (rounds played) are not read",
    }
