"""Who gets shown, and whether that is moving.

Belongs here: concentration of exposures, its drift between two periods, drift of scores. Does not belong here: whether
what is shown is any good (``analysis``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.datasets.drift import Drift, drift

FEW = 10  # exposures in both periods together; rarer chunks are one bin, as χ² needs some in each
RISEN = 2.0  # times the share of lists it had
COLLAPSING = 0.05  # growth of the Gini with no growth of what is searched


@dataclass(frozen=True)
class PopularityDrift:
    """Exposures in two periods. ``gini``: 0 all chunks shown alike, 1 one takes all, before and after. ``risen``:
    chunks with their share of lists before and after, where it more than doubled; ``overlap``: of the top 20 then, the
    share that is top now. ``collapsing``: concentration grew although no fewer chunks could be shown."""

    drift: Drift
    gini: tuple[float | None, float | None]
    overlap: float | None
    risen: tuple[tuple[str, float, float], ...]
    collapsing: bool

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "drifts": self.drift.matters}


def score_drift(before: Sequence[int], after: Sequence[int]) -> Drift:
    """Of best scores counted into the same bins, in order."""
    return drift({str(i): n for i, n in enumerate(before)}, {str(i): n for i, n in enumerate(after)})


def gini(counts: Sequence[int]) -> float | None:
    """Concentration of counts, zeros included; None without any."""
    total = sum(counts)
    if not total:
        return None
    ordered = np.sort(np.array(counts, dtype=float))
    places = np.arange(1, len(ordered) + 1)
    return float((2 * places - len(ordered) - 1) @ ordered / (len(ordered) * total))


def popularity_drift(
    before: Mapping[str, int], after: Mapping[str, int], lists: tuple[int, int], chunks: Sequence[str], top: int = 20
) -> PopularityDrift:
    """From lists each chunk was in, in two periods of ``lists`` lists; ``chunks``: all that could be shown now."""
    names = sorted(before.keys() | after.keys())
    often = {name for name in names if before.get(name, 0) + after.get(name, 0) >= FEW}
    then = sorted(before, key=lambda name: (-before[name], name))[:top]
    now = set(sorted(after, key=lambda name: (-after[name], name))[:top])
    shares = [(name, before.get(name, 0) / max(lists[0], 1), after.get(name, 0) / max(lists[1], 1)) for name in names]
    # Ten lists at the least: from one list to three is no rise.
    risen = [each for each in shares if each[2] > RISEN * each[1] and after.get(each[0], 0) >= 10]
    both = (
        gini([before.get(name, 0) for name in chunks]),
        gini([after.get(name, 0) for name in chunks]),
    )
    return PopularityDrift(
        drift=drift(_binned(before, often), _binned(after, often)),
        gini=both,
        overlap=len(now & set(then)) / len(then) if then else None,
        risen=tuple(sorted(risen, key=lambda each: (each[1] - each[2], each[0]))[:top]),
        collapsing=both[0] is not None and both[1] is not None and both[1] - both[0] > COLLAPSING,
    )


def _binned(counts: Mapping[str, int], often: Set[str]) -> dict[str, int]:
    binned = {name: n for name, n in counts.items() if name in often}
    return {**binned, "": sum(n for name, n in counts.items() if name not in often)}
