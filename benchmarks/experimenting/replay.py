"""V18: the same rows in any order, cut into any days, give the same moments, and so the same estimates.

Property tests hold the engine to it case by case; here are many worlds at once, one of them far from zero. That SQL
computes the same moments is the store's tests' to show, with a database.
"""

from typing import Any

import numpy as np

from benchmarks.experimenting.chances import within
from glow_pipelines.learning.experiments.estimates import ArmMoments, estimate
from glow_pipelines.learning.experiments.moments import Moments, merged

OFFSET = 1e9


def identical(reps: int, seed: int) -> dict[str, Any]:
    """Largest relative differences over `reps` worlds of 2–200 users in up to 12 parts."""
    means = products = offset = parts = estimates = 0.0
    unequal = 0
    for rep in range(reps):
        rng = np.random.default_rng([seed, rep])
        users = int(rng.integers(8, 200))
        n = rng.poisson(3, users) + 1.0
        rows = np.stack([rng.binomial(n.astype(int), rng.beta(1.4, 0.9, users)), n], -1).astype(float)
        other = rows[::2] + np.array([0.0, 1.0])
        whole, again = Moments.of(("s", "n"), rows), _in_parts(rows, rng)
        means = max(means, _apart(whole.means, again.means))
        products = max(products, _apart(whole.comoments, again.comoments))
        arms = [estimate(ArmMoments(each, Moments.of(("s", "n"), other))) for each in (whole, again)]
        if arms[0] and arms[1]:
            estimates = max(estimates, _apart(arms[0].standard_error, arms[1].standard_error))
        unequal += Moments.from_json(whole.to_json()) != whole
        far = rows + OFFSET
        offset = max(offset, _apart(Moments.of(("s", "n"), far).comoments, whole.comoments))
        parts = max(parts, _apart(_in_parts(far, rng).comoments, whole.comoments))
    return {
        "means, parts in any order": within(means, high=1e-12),
        "products, parts in any order": within(products, high=1e-9),
        "standard errors, parts in any order": within(estimates, high=1e-9),
        "products of rows at 10⁹, against rows at 0": within(offset, high=1e-9),
        "products of rows at 10⁹, merged from parts": within(parts, high=1e-9),
        "changed by being stored as JSON": within(unequal, high=0),
    }


def _in_parts(rows: np.ndarray, rng: np.random.Generator) -> Moments:
    mixed = rng.permutation(rows)
    cuts = np.sort(rng.integers(0, len(rows) + 1, int(rng.integers(1, 12))))
    parts = [Moments.of(("s", "n"), part) for part in np.split(mixed, cuts)]
    return merged([parts[i] for i in rng.permutation(len(parts))], ("s", "n"))


def _apart(a: Any, b: Any) -> float:
    """Largest difference over the largest value there is: one entry near zero must not divide by itself."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(np.abs(x - y).max() / max(1e-300, np.abs(y).max()))
