"""Lists that let both legs be seen, so that clicks can compare them.

Belongs here: team-draft interleaving and the default chance that a rank is looked at. Does not belong here: the legs'
own scores (``index``). Why it exists: feedback logged on the dense ranking alone made a tuned hybrid worse than the
untuned one on both collections tried; interleaved logs turned that into a gain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glow_pipelines.learning.retrieval.types import Leg

EXAMINATION_FLOOR = 0.1


def examination(rank: int) -> float:
    """Default chance that the user looks at ``rank`` (from 1): 1/rank, never below .1, so no click weighs over 10."""
    return max(1.0 / rank, EXAMINATION_FLOOR)


def team_draft(dense: Sequence[str], lexical: Sequence[str], k: int, rng: np.random.Generator) -> list[tuple[str, Leg]]:
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
