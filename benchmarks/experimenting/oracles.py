"""V16: our errors and boundaries against computations that share no code with them.

statsmodels (cluster-robust least squares) is used where it is installed; it is no dependency. Otherwise the sandwich
is worked out here from its definition, and boundaries are walked through by random paths.
"""

from typing import Any

import numpy as np

from benchmarks.experimenting.chances import within
from glow_pipelines.learning.experiments.always_valid import half_width
from glow_pipelines.learning.experiments.estimates import ArmMoments, estimate
from glow_pipelines.learning.experiments.group_sequential import boundaries
from glow_pipelines.learning.experiments.moments import Moments

PATHS = 200


def agreement(reps: int, seed: int) -> dict[str, Any]:
    """Largest relative difference of the clustered error over worlds, and how often random paths cross."""
    worst, oracle = 0.0, "the sandwich, from its definition"
    for rep in range(min(reps, 50)):
        rng = np.random.default_rng([seed, rep])
        n = rng.poisson(4, 60) + 1
        user = np.repeat(np.arange(60), n)
        treated = (np.arange(60) % 2)[user].astype(float)
        y = (rng.random(len(user)) < rng.beta(1.4, 0.9, 60)[user]).astype(float)
        rows = np.stack([np.bincount(user, y), n], -1).astype(float)
        found = estimate(ArmMoments(*(Moments.of(("s", "n"), rows[arm::2]) for arm in (0, 1))))
        assert found is not None
        # Ours divides by n − 1 in each arm of 30; CR0 of least squares divides by n.
        theirs, oracle = _cluster_robust(y, treated, user)
        worst = max(worst, abs(found.standard_error * (29 / 30) ** 0.5 / theirs - 1))
    return {
        "oracle of the standard error": oracle,
        "standard error, largest relative difference": within(worst, high=1e-10),
        "boundaries, α of random paths": _crossed(reps * PATHS, seed),
        "always-valid half-width, relative difference from the root of its own e-value": within(_mixture(), high=1e-9),
    }


def _cluster_robust(y: np.ndarray, treated: np.ndarray, user: np.ndarray) -> tuple[float, str]:
    x = np.stack([np.ones_like(treated), treated], -1)
    try:
        import statsmodels.api as sm
    except ImportError:
        inverse = np.linalg.inv(x.T @ x)
        residual = y - x @ (inverse @ (x.T @ y))
        scores = np.stack([np.bincount(user, residual * column) for column in x.T], -1)
        return float((inverse @ (scores.T @ scores) @ inverse)[1, 1] ** 0.5), "the sandwich, from its definition"
    fitted = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": user, "use_correction": False})
    return float(fitted.bse[1]), f"statsmodels {sm.__version__ if hasattr(sm, '__version__') else ''}".strip()


def _crossed(paths: int, seed: int) -> dict[str, Any]:
    """Share of driftless paths that cross α·t² boundaries at 14 uneven looks."""
    rng = np.random.default_rng([seed, 99])
    t = np.cumsum(rng.uniform(0.3, 1.7, 14))
    t /= t[-1]
    edges, crossed = boundaries(t), 0
    for start in range(0, paths, 100_000):
        steps = rng.normal(size=(min(100_000, paths - start), 14)) * np.sqrt(np.diff(t, prepend=0.0))
        crossed += int((np.abs(np.cumsum(steps, axis=1) / np.sqrt(t)) >= edges).any(axis=1).sum())
    error = (0.05 * 0.95 / paths) ** 0.5
    return within(crossed / paths, low=0.049, high=0.051, error=error)


def _mixture() -> float:
    """The half-width is where the mixture's e-value, integrated by hand over effects, reaches 1/α."""
    se, tau, alpha = 0.7, 1.9, 0.05
    width = float(half_width(se, tau, alpha))
    effects = np.linspace(-12 * tau, 12 * tau, 400_001)
    density = np.exp(-0.5 * (effects / tau) ** 2) / (tau * (2 * np.pi) ** 0.5)
    likelihood = np.exp((width * effects - effects**2 / 2) / se**2)
    evidence = float(np.sum(density * likelihood) * (effects[1] - effects[0]))
    return abs(evidence * alpha - 1)
