"""Real experiments through the engine: what was called, and what would have been called by rules that survive looking.

ASOS: sequential counts, means and variances of 78 online experiments × 4 metrics (Liu et al. 2021), a folder with
asos_digital_experiments_dataset.csv. Cookie Cats: the public A/B test of a game's gate; only its counts, as published,
are needed for retention, and its raw rows are not read here.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glow_pipelines.learning.experiments import always_valid, sample_ratio
from glow_pipelines.learning.experiments.estimates import ArmMoments, Estimate, estimate
from glow_pipelines.learning.experiments.group_sequential import boundaries
from glow_pipelines.learning.experiments.moments import Moments

ASOS = "asos_digital_experiments_dataset.csv"
Z95 = 1.959963984540054


def asos(folder: Path) -> dict[str, Any]:
    """Streams (experiment, variant, metric) of at least three looks, each look through moments and estimates."""
    rows = pd.read_csv(folder / ASOS)
    rows = rows[rows["variance_c"] + rows["variance_t"] > 0]
    found: Counter[str] = Counter()
    for _, stream in rows.groupby(["experiment_id", "variant_id", "metric_id"]):
        looks = [each for row in stream.sort_values("time_since_start").itertuples() if (each := _look(row))]
        if len(looks) >= 3:
            found.update(_stream(looks))
    for _, arm in rows.groupby(["experiment_id", "variant_id"]):
        counts = arm.sort_values("time_since_start")[["count_c", "count_t"]].to_numpy(float)
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


def _stream(looks: list[Estimate]) -> dict[str, int]:
    """What each rule says of one stream. τ and the planned information are those of its last look."""
    z = np.array([each.z for each in looks])
    difference = np.array([each.difference for each in looks])
    error = np.array([each.standard_error for each in looks])
    plain = np.abs(z) > Z95
    inside = np.abs(difference) < always_valid.half_width(error, always_valid.mixture_tau(float(error[-1])))
    low, high = always_valid.confidence_sequence(difference, error, always_valid.mixture_tau(float(error[-1])))
    best = np.maximum.accumulate(1 / error**2)
    rose = np.concatenate([[True], best[1:] > best[:-1] * (1 + 1e-9)])
    t = np.minimum(best[rose] / best[-1], 1.0)
    crossed = np.abs(z[rose]) >= boundaries(t, points=240)
    return {
        "streams": 1,
        "plain z: significant at some look": int(plain.any()),
        "plain z: significant at the end": int(plain[-1]),
        "plain z: significant once, not at the end": int(plain.any() and not plain[-1]),
        "plain z: significant in both directions": int((z > Z95).any() and (z < -Z95).any()),
        "always-valid: left out 0 at some look": int((~inside).any()),
        "always-valid: of these, not significant by plain z at the end": int((~inside).any() and not plain[-1]),
        "always-valid: in both directions": int((~inside & (z > 0)).any() and (~inside & (z < 0)).any()),
        "always-valid: intersection empty (the effect moved)": int((low > high).any()),
        "planned looks: crossed at some look": int(crossed.any()),
        "planned looks: of these, not significant by plain z at the end": int(crossed.any() and not plain[-1]),
        "planned looks: first crossing upwards, another downwards": int(
            (crossed & (z[rose] > 0)).any() and (crossed & (z[rose] < 0)).any()
        ),
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
