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
    """

    n: int
    names: tuple[str, ...]
    mean: tuple[float, ...]
    comoment: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        k = len(self.names)
        if len(self.mean) != k or len(self.comoment) != k or any(len(row) != k for row in self.comoment):
            raise ValueError(f"moments of {self.names} need {k} means and {k}×{k} sums of products")
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
        n, mean, comoment = moments_of(values)
        return cls(n, tuple(names), _row(mean), _rows(comoment))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both groups of clusters, which must share none. Chan, Golub, LeVeque (1979)."""
        if self.names != other.names:
            raise ValueError(f"moments of {self.names} and of {other.names} do not merge: the names differ")
        if not self.n or not other.n:
            return self if self.n else other
        n, mean, comoment = merge_moments(self.n, self.means, self.comoments, other.n, other.means, other.comoments)
        return Moments(int(n), self.names, _row(mean), _rows(comoment))

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
        )

    @property
    def means(self) -> Floats:
        """The means as an array, shape (k,)."""
        return np.asarray(self.mean, dtype=float)

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
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Moments":
        """The moments a to_json() object holds."""
        comoment = tuple(tuple(float(x) for x in row) for row in value["comoment"])
        return cls(int(value["n"]), tuple(value["names"]), tuple(float(x) for x in value["mean"]), comoment)


def merged(parts: Iterable[Moments], names: Sequence[str] = ()) -> Moments:
    """All parts together; no part at all gives the moments of nothing with `names`."""
    result: Moments | None = None
    for part in parts:
        result = part if result is None else result.merge(part)
    return Moments.none(names) if result is None else result


def moments_of(values: ArrayLike) -> tuple[int, Floats, Floats]:
    """Count, means and centred sums of products of `values` (…, n, k): means (…, k), products (…, k, k)."""
    v = np.asarray(values, dtype=float)
    first = v.mean(axis=-2)
    d = v - first[..., None, :]
    # A mean of values near 1e9 is itself rounded: the mean of the deviations is what it lacks.
    rest = d.mean(axis=-2)
    d = d - rest[..., None, :]
    products = np.swapaxes(d, -1, -2) @ d
    return v.shape[-2], first + rest, (products + np.swapaxes(products, -1, -2)) / 2


def merge_moments(
    n: ArrayLike, mean: ArrayLike, comoment: ArrayLike, n2: ArrayLike, mean2: ArrayLike, comoment2: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Merge two sets of moments, any leading dimensions: m+d·nb/n, M+M′+d·dᵀ·na·nb/n with d the means' difference."""
    na, nb = np.asarray(n, dtype=float), np.asarray(n2, dtype=float)
    a, b = np.asarray(mean, dtype=float), np.asarray(mean2, dtype=float)
    total = na + nb
    whole = np.where(total > 0, total, 1.0)
    d = b - a
    products = d[..., :, None] * d[..., None, :] * (na * nb / whole)[..., None, None]
    together = np.asarray(comoment, dtype=float) + np.asarray(comoment2, dtype=float) + products
    return total, a + d * (nb / whole)[..., None], together


def _row(values: Floats) -> tuple[float, ...]:
    return tuple(float(x) for x in values)


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(row) for row in values)
