"""Cutting a text at its best boundaries for a wished size.

Belongs here: the dynamic programme that chooses cuts, and finding the target that gives a wished mean size. Does not
belong here: what makes a boundary good (``boundaries``), the plain ways of cutting (``chunking``), storage.

The cuts maximise   Σ over cuts log-odds(cut) − Σ over chunks λ · ln(length / target)²,   λ = LENGTH_PENALTY,
with no chunk over LONGEST_SHARE targets. The logarithm makes half and double the size equally bad: with squared
differences chunks of one sentence were cheap beside long ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from glow_pipelines.learning.retrieval.boundaries import LONGEST, Candidates, candidates, log_odds
from glow_pipelines.learning.retrieval.types import Vector

LENGTH_PENALTY = 4.0
LONGEST_SHARE = 2.5
LEAST_TARGET, MOST_TARGET = 50, 20_000


def boundaries(text: str, weights: Mapping[str, float], target: float) -> list[int]:
    """Positions inside ``text`` at which it is cut, ascending: chunks are text[0:p1], text[p1:p2], …, text[pn:].

    The same text, weights and target give the same cuts on every machine. ``target``: characters a chunk should have.
    Raises ValueError for a target outside 50..20000 or weights that ``boundaries.log_odds`` refuses.
    """
    found = candidates(text)
    return segmented(found, log_odds(found, weights), len(text), target)


def segmented(found: Candidates, odds: Vector, length: int, target: float) -> list[int]:
    """As ``boundaries``, from candidates and their log-odds: what is asked for many targets of one text."""
    if not LEAST_TARGET <= target <= MOST_TARGET:
        raise ValueError(
            f"chunking target={target!r}; give a number of characters from {LEAST_TARGET} to {MOST_TARGET}"
        )
    edges = np.concatenate([[0], found.positions, [length]]).astype(np.int64)
    gain = np.concatenate([[0.0], np.asarray(odds, dtype=np.float64), [0.0]])
    best = np.zeros(len(edges))
    came = np.zeros(len(edges), dtype=np.int64)
    # Candidates are at most LONGEST apart, so a chunk within the limit always ends at one.
    firsts = np.searchsorted(edges, edges - max(LONGEST_SHARE * target, LONGEST), side="left")
    for at in range(1, len(edges)):
        first = min(int(firsts[at]), at - 1)
        sizes = (edges[at] - edges[first:at]) / target
        value = best[first:at] - LENGTH_PENALTY * np.log(np.maximum(sizes, 1e-9)) ** 2
        # The longest of equally good chunks: ties must fall the same way everywhere.
        choice = int(value.argmax())
        best[at], came[at] = value[choice] + gain[at], first + choice
    cuts: list[int] = []
    at = int(came[-1])
    while at > 0:
        cuts.append(int(edges[at]))
        at = int(came[at])
    return cuts[::-1]


def spans(text_length: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The chunks' character spans; they cover the text without gap or overlap. Empty for an empty text."""
    edges = [0, *cuts, text_length]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


def matched_target(
    texts: Sequence[tuple[Candidates, Vector, int]], mean_size: float, tolerance: float = 0.02
) -> tuple[float, float]:
    """The target whose chunks have ``mean_size`` characters on the average, and the mean size it really gives.

    ``texts``: candidates, log-odds and length of each. Size dominates every figure of retrieval: two ways of cutting
    are compared at the same mean size or not at all. Bisection; the mean grows with the target but for small steps.
    """
    low, high = float(LEAST_TARGET), float(MOST_TARGET)
    best = (mean_size, float("inf"))
    total = sum(length for *_, length in texts)
    for _ in range(24):
        target = (low * high) ** 0.5
        chunks = sum(1 + len(segmented(found, odds, length, target)) for found, odds, length in texts if length)
        mean = total / max(chunks, 1)
        if abs(mean - mean_size) < abs(best[1] - mean_size):
            best = (target, mean)
        if abs(mean - mean_size) <= tolerance * mean_size:
            break
        low, high = (target, high) if mean < mean_size else (low, target)
    return round(best[0], 1), best[1]
