"""Whether something is more frequent in one place than in another.

Belongs here: Fisher's exact test, and the control of false discoveries over many of them. Does not belong here: what is
counted (patterns).
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from scipy.stats import hypergeom

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Enrichment:
    """`lift`: the one share by the other, each with half a case added; `p` of Fisher's test; `q` over all tests."""

    lift: float
    p: float
    q: float = 1.0


def enrichment(here: int, of: int, there: int, of_those: int) -> Enrichment:
    """One-sided: is `here` of `of` more than `there` of `of_those`? (Fisher 1935; exact with both margins fixed.)

    Raises ValueError when a count exceeds what it is of.
    """
    if not (0 <= here <= of and 0 <= there <= of_those):
        raise ValueError(f"counts must lie within what they are of, got {here} of {of} and {there} of {of_those}")
    lift = (here + 0.5) / (of + 1) / ((there + 0.5) / (of_those + 1))
    p = float(hypergeom.sf(here - 1, of + of_those, here + there, of)) if of + of_those else 1.0
    return Enrichment(lift, min(1.0, max(0.0, p)))


def false_discovery(tests: Mapping[Key, Enrichment]) -> dict[Key, Enrichment]:
    """The tests with their q: the least share of false ones among those as extreme (Benjamini, Hochberg 1995)."""
    ordered = sorted(tests.items(), key=lambda item: item[1].p)
    found: dict[Key, Enrichment] = {}
    least = 1.0
    for rank in range(len(ordered), 0, -1):
        key, test = ordered[rank - 1]
        least = min(least, test.p * len(ordered) / rank)
        found[key] = replace(test, q=least)
    return found
