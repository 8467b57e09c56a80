"""Whether units arrive in the planned proportions: if not, something lost or moved them and no estimate is worth much.

The evidence holds however often one looks; the χ² beside it is for people who expect it (peeked at after each unit it
raises a false alarm in 2–15 % of experiments). Evidence of phases and countries is kept apart by who calls.

Source: Lindon, Malek (2020), arXiv 2011.03567, with the Dirichlet centred on the planned weights.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.moments import Floats

CONCENTRATION = 1000.0
WARN = 100.0
HOLD = 1000.0


def chi_square(observed: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """(χ², p) of counts against weights; (0, 1) without units, (∞, 0) where an arm of weight 0 has units."""
    from scipy.special import gammaincc  # here: scipy costs a second that code loading must not pay

    x, share = np.asarray(observed, dtype=float), _shares(weights)
    total = x.sum()
    if not total:
        return 0.0, 1.0
    if np.any((share == 0) & (x > 0)):
        return float("inf"), 0.0
    expected = total * share[share > 0]
    statistic = float((((x[share > 0] - expected) ** 2) / expected).sum())
    return statistic, float(gammaincc((len(expected) - 1) / 2, statistic / 2)) if len(expected) > 1 else 1.0


def log_e(observed: ArrayLike, weights: Sequence[float], concentration: float = CONCENTRATION) -> Floats:
    """ln e against the planned weights: lnΓ(c) − lnΓ(c+n) + Σ[lnΓ(cθ+x) − lnΓ(cθ)] − Σ x·ln θ.

    `observed` is (…, arms): counts so far; the evidence depends on nothing else. ∞ where an arm of weight 0 has units.
    Add the values of phases (independent), never mix their counts: a new split is a new question.
    """
    x, share = np.asarray(observed, dtype=float), _shares(weights)
    return dirichlet_log_e(x, share, concentration * share)


def dirichlet_log_e(observed: ArrayLike, shares: ArrayLike, prior: ArrayLike) -> Floats:
    """The same for any Dirichlet `prior`: its marginal likelihood of the counts over the multinomial of `shares`."""
    x, theta, a = (np.asarray(v, dtype=float) for v in (observed, shares, prior))
    return np.where(
        np.any((theta == 0) & (x > 0), axis=-1),
        np.inf,
        log_marginal(x[..., theta > 0], a[theta > 0]) - (x[..., theta > 0] * np.log(theta[theta > 0])).sum(axis=-1),
    )


def log_marginal(observed: ArrayLike, prior: ArrayLike) -> Floats:
    """ln of the Dirichlet–multinomial likelihood of one order of arrivals with these counts."""
    from scipy.special import gammaln

    x, a = np.asarray(observed, dtype=float), np.asarray(prior, dtype=float)
    each = (gammaln(a + x) - gammaln(a)).sum(axis=-1)
    return np.asarray(gammaln(a.sum()) - gammaln(a.sum() + x.sum(axis=-1)) + each, dtype=float)


def _shares(weights: Sequence[float]) -> Floats:
    w = np.asarray(weights, dtype=float)
    if w.ndim != 1 or not len(w) or np.any(w < 0) or w.sum() <= 0:
        raise ValueError(f"weights must be one number ≥ 0 per arm and not all 0, got {list(weights)}")
    return np.asarray(w / w.sum(), dtype=float)
