"""The rules that are compared: ours (through learning/experiments) and those that a plain reading would give.

Everything here takes arrays over repetitions and looks and says where a rule fires. Whole decisions with guardrails and
extensions belong to table.py.
"""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.experimenting.worlds import Batch, Floats, Mark
from glow_pipelines.learning.experiments.always_valid import half_width
from glow_pipelines.learning.experiments.estimates import Differences, Scale, arm_difference
from glow_pipelines.learning.experiments.group_sequential import boundaries, widened

Z95 = 1.959963984540054
POINTS = 120  # of the boundaries' grid, a quarter of the product's: 14 move by 2e-6
Fires = NDArray[np.bool_]


def clustered(batch: Batch, s: Mark = "up", n: Mark = "rated", scale: Scale = "absolute") -> Differences:
    """Our estimates at every look: users are what varies. Arrays (repetitions, looks)."""
    units, mean, products = batch.moments(s, n)
    arms = [(units[:, a], mean[:, a], products[:, a]) for a in (0, 1)]
    return arm_difference(*arms[0], *arms[1], scale=scale)


def always_valid(found: Differences, tau: float, alpha: float = 0.05, truth: float = 0.0) -> Fires:
    """Where the always-valid interval leaves out `truth`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(found.difference - truth) >= half_width(found.standard_error, tau, alpha)


def group_sequential(
    found: Differences, information_max: float, open_: Fires | None = None, alpha: float = 0.05
) -> Fires:
    """Where the planned boundary is crossed, upwards or downwards; the last look spends what is left of alpha.

    Information is 1/SE² as estimated; a look at which it did not rise is skipped, and none follows the planned amount.
    A look that is not `open_` (its gates are not passed) is not taken and spends nothing. Boundaries are widened to
    Student's t, as take_look widens them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z, t = standardised(found), 1 / found.standard_error**2 / information_max
    t[:, -1] = 1.0
    if open_ is not None:
        t = np.where(open_, t, np.nan)
    fires = np.zeros(z.shape, dtype=bool)
    # No boundary is below the fixed one (each look alone would err too often): the others need no recursion.
    for rep in np.flatnonzero((np.abs(z) > norm_edge(alpha) - 1e-9).any(axis=1)):
        taken, shares = planned_looks(t[rep])
        if not taken:
            continue
        edges = widened(boundaries(shares, alpha, points=POINTS), found.planned_df[rep, taken])
        fires[rep, taken] = np.abs(z[rep, taken]) >= edges
    return fires


def planned_looks(t: Floats) -> tuple[list[int], list[float]]:
    """Which looks are taken, and their information fractions: only those that bring some, none after 1."""
    taken: list[int] = []
    shares: list[float] = []
    for look, share in enumerate(np.minimum(t, 1.0)):
        if np.isfinite(share) and share > (shares[-1] if shares else 0.0):
            taken.append(look)
            shares.append(float(share))
    return taken, shares


def norm_edge(alpha: float) -> float:
    """z of one two-sided look."""
    return NormalDist().inv_cdf(1 - alpha / 2)


def standardised(found: Differences) -> Floats:
    """The difference in standard errors, 0 where there is none yet."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(found.difference / found.standard_error)


def normal(found: Differences) -> Differences:
    """The same taken as if its z were normal, which with few effective users it is not."""
    return replace(found, planned_df=np.full(found.df.shape, np.inf))


def gated(found: Differences, batch: Batch, s: Mark = "up", n: Mark = "rated") -> Fires:
    """Where the gates of a decision are passed: 50 effective users, 25 events and 25 non-events in each arm."""
    events, base = batch.total(s), batch.total(n)
    enough = (np.minimum(events, base - events) >= 25).all(axis=1)
    return enough & (found.effective_control >= 50) & (found.effective_treatment >= 50)


def per_execution_z(batch: Batch, s: Mark = "up", n: Mark = "rated") -> Floats:
    """The textbook z of two proportions, every execution its own trial (what the charter's rule reads as)."""
    s_c, s_t = np.moveaxis(batch.total(s), 1, 0)
    n_c, n_t = np.moveaxis(batch.total(n), 1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (s_c + s_t) / (n_c + n_t)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_t))
        return np.nan_to_num((s_t / n_t - s_c / n_c) / error)


def ever(fires: Fires) -> int:
    """In how many repetitions a rule fires at any look."""
    return int(fires.any(axis=-1).sum())
