"""Krippendorff's alpha a second time, by somebody else's code or by the definition: what ours is compared with.

Belongs here: the package `krippendorff` (GPL: installed for tests, never shipped with us) and the textbook formula,
pair by pair. Does not: our own (learning/annotations/agreement), of which nothing may be used here.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]

NOBODY = "nobody"
MOST_VALUES = 20_000
"""Different values that are compared pair by pair, some seconds' work."""
LARGEST = 40_000_000
"""Numbers that the package may hold at once: it makes items x values x values of them."""


def reference_alpha(
    items: Sequence[str], annotators: Sequence[str], values: Sequence[float], level: Level
) -> tuple[float | None, str]:
    """Alpha and who computed it; None where nothing could disagree, or by NOBODY where it would take too long."""
    units: dict[str, list[float]] = defaultdict(list)
    for item, value in zip(items, values, strict=True):
        units[item].append(value)
    paired = [unit for unit in units.values() if len(unit) > 1]
    distinct = len({value for unit in paired for value in unit})
    if distinct < 2:
        return None, "definition"
    if distinct > MOST_VALUES:
        return None, NOBODY
    try:
        import krippendorff
    except ImportError:
        return by_definition(paired, level), "definition"
    people = sorted(set(annotators))
    if len(units) * max(len(people), distinct**2) > LARGEST:
        return by_definition(paired, level), "definition"
    rows, columns = {name: n for n, name in enumerate(people)}, {name: n for n, name in enumerate(units)}
    table = np.full((len(rows), len(columns)), np.nan)
    for item, person, value in zip(items, annotators, values, strict=True):
        table[rows[person], columns[item]] = value
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=level)), "krippendorff"


def by_definition(units: Sequence[Sequence[float]], level: Level) -> float:
    """1 - Do/De over all pairs of values, Krippendorff (2011), sections C and D: O(n²) in what differs."""
    every = np.array([value for unit in units for value in unit])
    domain, times = np.unique(every, return_counts=True)
    upto = np.cumsum(times)

    def distance(a: Floats, b: Floats) -> Floats:
        if level == "nominal":
            return np.asarray(a[:, None] != b[None, :], dtype=np.float64)
        if level == "interval":
            return np.asarray((a[:, None] - b[None, :]) ** 2, dtype=np.float64)
        i, j = np.searchsorted(domain, a)[:, None], np.searchsorted(domain, b)[None, :]
        low, high = np.minimum(i, j), np.maximum(i, j)
        between = upto[high] - upto[low] + times[low] - (times[low] + times[high]) / 2
        return np.asarray(np.where(i == j, 0.0, between**2))

    seen = sum(float(distance(np.array(unit), np.array(unit)).sum()) / (len(unit) - 1) for unit in units)
    at_once = max(1, 5_000_000 // len(domain))
    chance = 0.0
    for start in range(0, len(domain), at_once):
        part = slice(start, start + at_once)
        chance += float(times[part] @ distance(domain[part], domain) @ times)
    return 1 - seen * (len(every) - 1) / chance
