"""Lists that let both legs be seen, so that clicks can compare them.

Belongs here: team-draft interleaving, swaps of neighbours, the draws behind them, and the default chance that a rank is
looked at. Does not belong here: the legs' own scores (``index``). Why it exists: feedback logged on the dense ranking
alone made a tuned hybrid worse than the untuned one on both collections tried; interleaved logs made it a gain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeVar

from glow_pipelines.learning.retrieval.types import Leg

EXAMINATION_FLOOR = 0.1
_T = TypeVar("_T")


class Chance(Protocol):
    """What draws: a generator of numpy, or ``EventChance``."""

    def random(self) -> float: ...


class EventChance:
    """Draws that belong to one search, 16 bits each: asked again with its event id, it shows the same list.

    glow_api.search draws the same: SHA-256 of ``"{event id}:{block}"``, sixteen draws a block, high byte first.
    """

    def __init__(self, event_id: str) -> None:
        self._event_id, self._drawn = event_id, 0

    def random(self) -> float:
        block, at = divmod(self._drawn, 16)
        self._drawn += 1
        digest = hashlib.sha256(f"{self._event_id}:{block}".encode()).digest()
        return int.from_bytes(digest[2 * at : 2 * at + 2], "big") / 65536


def examination(rank: int) -> float:
    """Default chance that the user looks at ``rank`` (from 1): 1/rank, never below .1, so no click weighs over 10."""
    return max(1.0 / rank, EXAMINATION_FLOOR)


def team_draft(dense: Sequence[str], lexical: Sequence[str], k: int, rng: Chance) -> list[tuple[str, Leg]]:
    """Up to ``k`` (chunk id, team): each round a coin says who picks first, each picks its best chunk not yet taken.

    Radlinski, Kurup & Joachims 2008. A chunk appears once. While both legs have chunks left, the teams' pick counts
    differ by at most one; when one runs dry the other fills up.
    """
    queues: dict[Leg, list[str]] = {"dense": list(dense), "lexical": list(lexical)}
    taken: dict[str, Leg] = {}
    while len(taken) < k:
        order: list[Leg] = ["dense", "lexical"] if rng.random() < 0.5 else ["lexical", "dense"]
        before = len(taken)
        for leg in order:
            pick = next((c for c in queues[leg] if c not in taken), None)
            if pick is not None and len(taken) < k:
                taken[pick] = leg
        if len(taken) == before:
            break
    return list(taken.items())


def swapped(ranked: Sequence[_T], rng: Chance) -> list[_T]:
    """The list with one pair of neighbours swapped: which pair, and a coin whether at all.

    Each pair is seen in both orders equally often, so how much more often a chunk is clicked at rank k than at k + 1
    says how much more often rank k is looked at (FairPairs, Radlinski & Joachims 2006; one pair: the list stays good).
    """
    swap = list(ranked)
    if len(swap) > 1:
        at = int(rng.random() * (len(swap) - 1))
        if rng.random() < 0.5:
            swap[at], swap[at + 1] = swap[at + 1], swap[at]
    return swap
