"""Several questions at once: which p-values or e-values may be called a finding, and adjusted p-values for display.

A ship needs all guardrails, so their α is not divided; this is for secondary metrics and for several treatments.

Sources: Holm (1979), Hochberg (1988), Hommel (1988), Benjamini–Hochberg (1995), Benjamini–Yekutieli (2001), and for
e-values, valid under any dependence and any peeking, Wang–Ramdas (2022).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from glow_pipelines.learning.experiments.moments import Floats


def bonferroni(p_values: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Which are found, with at most `alpha` chance of any false finding."""
    return rejected(p_values, alpha, "bonferroni")


def holm(p_values: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """The same guarantee as Bonferroni's, never fewer findings."""
    return rejected(p_values, alpha, "holm")


def benjamini_hochberg(p_values: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Which are found, with at most the share `alpha` of the findings false on average (independent or alike tests)."""
    return rejected(p_values, alpha, "benjamini_hochberg")


def e_bh(log_es: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Benjamini–Hochberg for e-values: the k largest are found for the largest k with e₍k₎ ≥ m/(k·α)."""
    m = len(log_es)
    order = sorted(range(m), key=lambda i: -log_es[i])
    # As in `rejected`: a value exactly on the line must not depend on how its logarithm was rounded.
    reached = [k for k, i in enumerate(order, 1) if log_es[i] >= math.log(m / (k * alpha)) - 1e-12]
    found = set(order[: reached[-1]] if reached else ())
    return tuple(i in found for i in range(m))


def rejected(p_values: Sequence[float], alpha: float, method: str) -> tuple[bool, ...]:
    """Which p-values are findings: adjusted p ≤ α."""
    return tuple(p <= alpha * (1 + 1e-12) for p in adjusted(p_values, method))


def adjusted(p_values: Sequence[float], method: str) -> tuple[float, ...]:
    """Adjusted p-values in the order given: the smallest α at which each would be a finding."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)) or np.any(np.isnan(p)):
        raise ValueError(f"p-values must be numbers from 0 to 1, got {list(p_values)}")
    if not len(p):
        return ()
    order = np.argsort(p, kind="stable")
    result = np.empty(len(p))
    result[order] = np.minimum(1.0, METHODS[method](p[order]))
    return tuple(float(x) for x in result)


def _holm(p: Floats) -> Floats:
    return np.asarray(np.maximum.accumulate(p * np.arange(len(p), 0, -1)), dtype=float)


def _hochberg(p: Floats) -> Floats:
    return np.minimum.accumulate((p * np.arange(len(p), 0, -1))[::-1])[::-1]


def _hommel(p: Floats) -> Floats:
    """Closed testing with Simes: for every size of a family, the least of its members' m·p/rank, whichever they are."""
    m = len(p)
    best = np.full(m, (m * p / np.arange(1, m + 1)).min())
    top = best.copy()
    for size in range(m - 1, 1, -1):
        # The family holds the `size − 1` largest; the remaining place is taken by any smaller one.
        large = p[m - size + 1 :]
        simes = (size * large / np.arange(2, size + 1)).min()
        values = np.minimum(simes, size * p[: m - size + 1])
        top[: m - size + 1] = values
        top[m - size + 1 :] = values[-1]
        best = np.maximum(best, top)
    return np.asarray(np.maximum(best, p), dtype=float)


def _sidak(p: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(len(p) * np.log1p(-p)), dtype=float)


def _holm_sidak(p: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        each = -np.expm1(np.arange(len(p), 0, -1) * np.log1p(-p))
    return np.asarray(np.maximum.accumulate(each), dtype=float)


def _benjamini_hochberg(p: Floats) -> Floats:
    return np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]


def _benjamini_yekutieli(p: Floats) -> Floats:
    return np.asarray(_benjamini_hochberg(p) * (1 / np.arange(1, len(p) + 1)).sum(), dtype=float)


METHODS: dict[str, Callable[[Floats], Floats]] = {
    "bonferroni": lambda p: p * len(p),
    "holm": _holm,
    "hochberg": _hochberg,
    "hommel": _hommel,
    "sidak": _sidak,
    "holm_sidak": _holm_sidak,
    "benjamini_hochberg": _benjamini_hochberg,
    "benjamini_yekutieli": _benjamini_yekutieli,
}
