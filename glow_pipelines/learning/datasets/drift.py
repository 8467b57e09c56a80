"""Whether a version is made up otherwise than the one before it.

Belongs here: the population stability index of two counts. Does not belong here: what is counted (store), what follows
(checks). Source: B. Yurdakul (2018), Statistical properties of population stability index.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from scipy.stats import chi2

LARGE = 0.2  # the usual mark of a change that matters
RARE = 0.001


@dataclass(frozen=True, slots=True)
class Drift:
    """`psi` is Σ (p − q) ln(p / q) over the names; `chance` how often two samples of one population differ that
    much."""

    psi: float
    chance: float

    @property
    def matters(self) -> bool:
        """Large, and more than the sizes of the two versions explain: small samples differ by themselves."""
        return self.psi > LARGE and self.chance < RARE


def drift(before: Mapping[str, int], after: Mapping[str, int]) -> Drift:
    """Of two counts by name. (1/n + 1/m)⁻¹ · psi is χ² distributed with one degree of freedom less than names."""
    names = before.keys() | after.keys()
    n, m = sum(before.values()), sum(after.values())
    if len(names) < 2 or not n or not m:
        return Drift(0.0, 1.0)
    psi = 0.0
    for name in names:
        # Half a row each: a name that is new would be infinitely far from nothing.
        p = (after.get(name, 0) + 0.5) / (m + 0.5 * len(names))
        q = (before.get(name, 0) + 0.5) / (n + 0.5 * len(names))
        psi += (p - q) * log(p / q)
    return Drift(psi, float(chi2.sf(psi / (1 / n + 1 / m), len(names) - 1)))
