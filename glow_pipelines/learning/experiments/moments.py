"""Moments of clusters: how many there are, the mean of each of their sums, and how the sums vary together.

One vector per cluster (a user, or an organisation) carries everything the engine estimates: shares, means, ratios,
CUPED, and units finer than a user. Moments of disjoint clusters merge in any order, so a look costs only what is new.
What is estimated from them belongs to estimates.py, how they are read from the store to store/.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, means and centred sums of products of `n` clusters, one entry per name.

    `comoment[i][j]` is Σ (v_i − mean_i)(v_j − mean_j), what PostgreSQL's regr_sxx and regr_sxy give. Centred, because
    sums of raw squares lose every digit of large values: Σx² − (Σx)²/n gave a variance of −168,612 where 4 is right.

    `rest` is what rounding took from each mean, () for nothing: the mean is mean + rest, not added up. Near 10⁹ one
    double is off by 10⁻⁷, and that squared, times the clusters, is what a merge would put into the products (5e-8).
    """

    n: int
    names: tuple[str, ...]
    mean: tuple[float, ...]
    comoment: tuple[tuple[float, ...], ...]
    rest: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        k = len(self.names)
        if len(self.mean) != k or len(self.comoment) != k or any(len(row) != k for row in self.comoment):
            raise ValueError(f"moments of {self.names} need {k} means and {k}×{k} sums of products")
        if len(self.rest) not in (0, k):
            raise ValueError(f"moments of {self.names} need {k} rests of their means, or none")
        if self.n < 0:
            raise ValueError(f"moments: n must be at least 0, got {self.n}")

    @classmethod
    def none(cls, names: Sequence[str]) -> "Moments":
        """Moments of no cluster: merging them changes nothing."""
        k = len(names)
        return cls(0, tuple(names), (0.0,) * k, ((0.0,) * k,) * k)

    @classmethod
    def of(cls, names: Sequence[str], rows: ArrayLike) -> "Moments":
        """Moments of `rows`, one per cluster, one column per name; shape (n, len(names))."""
        values = np.asarray(rows, dtype=float)
        if not values.size:
            return cls.none(names)
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"rows must have one column for each of {tuple(names)}, got shape {values.shape}")
        mean, rest, comoment = _centred(values)
        return cls(len(values), tuple(names), _row(mean), _rows(comoment), _row(rest))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both groups of clusters, which must share none. Chan, Golub, LeVeque (1979)."""
        if self.names != other.names:
            raise ValueError(f"moments of {self.names} and of {other.names} do not merge: the names differ")
        if not self.n or not other.n:
            return self if self.n else other
        n, mean, comoment, rest = merge_moments(
            *(self.n, self.means, self.comoments, other.n, other.means, other.comoments), self.rests, other.rests
        )
        return Moments(int(n), self.names, _row(mean), _rows(comoment), _row(rest))

    def part(self, names: Sequence[str]) -> "Moments":
        """The moments of some of the names only, in the order asked."""
        if unknown := [name for name in names if name not in self.names]:
            raise ValueError(f"moments of {self.names} hold no {', '.join(unknown)}")
        at = [self.names.index(name) for name in names]
        return Moments(
            self.n,
            tuple(names),
            tuple(self.mean[i] for i in at),
            tuple(tuple(self.comoment[i][j] for j in at) for i in at),
            tuple(self.rest[i] for i in at if self.rest),
        )

    @property
    def means(self) -> Floats:
        """The means as an array, shape (k,)."""
        return np.asarray(self.mean, dtype=float)

    @property
    def rests(self) -> Floats:
        """What each mean lacks as an array, shape (k,)."""
        return np.asarray(self.rest or (0.0,) * len(self.names), dtype=float)

    @property
    def comoments(self) -> Floats:
        """The centred sums of products as an array, shape (k, k)."""
        return np.asarray(self.comoment, dtype=float).reshape(len(self.names), len(self.names))

    def to_json(self) -> dict[str, Any]:
        """A JSON object that gives the same moments back bit for bit (a float's shortest form is exact)."""
        return {
            "n": self.n,
            "names": list(self.names),
            "mean": list(self.mean),
            "comoment": [list(row) for row in self.comoment],
            "rest": list(self.rest),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Moments":
        """The moments a to_json() object holds; one without a rest lacks nothing."""
        comoment = tuple(tuple(float(x) for x in row) for row in value["comoment"])
        mean, rest = (tuple(float(x) for x in value.get(name, ())) for name in ("mean", "rest"))
        return cls(int(value["n"]), tuple(value["names"]), mean, comoment, rest)


def merged(parts: Iterable[Moments], names: Sequence[str] = ()) -> Moments:
    """All parts together; no part at all gives the moments of nothing with `names`."""
    result: Moments | None = None
    for part in parts:
        result = part if result is None else result.merge(part)
    return Moments.none(names) if result is None else result


def moments_of(values: ArrayLike) -> tuple[int, Floats, Floats]:
    """Count, means and centred sums of products of `values` (…, n, k): means (…, k), products (…, k, k)."""
    v = np.asarray(values, dtype=float)
    mean, _, products = _centred(v)
    return v.shape[-2], mean, products


def merge_moments(
    n: ArrayLike,
    mean: ArrayLike,
    comoment: ArrayLike,
    n2: ArrayLike,
    mean2: ArrayLike,
    comoment2: ArrayLike,
    rest: ArrayLike = 0.0,
    rest2: ArrayLike = 0.0,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Merge two sets of moments, any leading dimensions: m+d·nb/n, M+M′+d·dᵀ·na·nb/n with d the means' difference.

    Returns count, means, products, and what the means lack.
    """
    na, nb = np.asarray(n, dtype=float), np.asarray(n2, dtype=float)
    a, b = np.asarray(mean, dtype=float), np.asarray(mean2, dtype=float)
    less = np.asarray(rest, dtype=float)
    total = na + nb
    whole = np.where(total > 0, total, 1.0)
    # Large means nearly cancel, and do so exactly; what they lack is added to what is left of them.
    d = (b - a) + (np.asarray(rest2, dtype=float) - less)
    products = d[..., :, None] * d[..., None, :] * (na * nb / whole)[..., None, None]
    together = np.asarray(comoment, dtype=float) + np.asarray(comoment2, dtype=float) + products
    both, lacking = _sum(a, less + d * (nb / whole)[..., None])
    return total, both, together, lacking


def _centred(v: Floats) -> tuple[Floats, Floats, Floats]:
    """Means, what they lack, and centred sums of products."""
    first = v.mean(axis=-2)
    d = v - first[..., None, :]
    # A mean of values near 1e9 is itself rounded: the mean of the deviations is what it lacks.
    rest = d.mean(axis=-2)
    d = d - rest[..., None, :]
    products = np.swapaxes(d, -1, -2) @ d
    mean, lacking = _sum(first, rest)
    return mean, lacking, (products + np.swapaxes(products, -1, -2)) / 2


def _sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b rounded, and what rounding took from it, exactly. Knuth (1969) §4.2.2."""
    both = a + b
    of_b = both - a
    return both, (a - (both - of_b)) + (b - of_b)


def _row(values: Floats) -> tuple[float, ...]:
    return tuple(float(x) for x in values)


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(row) for row in values)
