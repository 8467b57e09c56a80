"""Chunks that come up together more than their popularity explains, and what to make of it.

Belongs here: association of pairs counted elsewhere, its test, the kind of each pair. Does not belong here: counting
(store; one vote per conversation, top 10 only) and acting on it: merging is the chunking's to propose.

NPMI(a, b) = ln(p_ab / (p_a p_b)) / −ln p_ab  (Bouma 2009): 1 always together, 0 as chance has it. Popular chunks meet
often and mean nothing by it; what the popular share with everybody is taken out by p_a p_b. Significance is Fisher's
exact test, one-sided, with Benjamini & Hochberg (1995) over every pair that was counted often enough to be tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import hypergeom

from glow_pipelines.learning.experiments.multiplicity import adjusted

Kind = Literal["redundant", "adjacent", "complementary", "associated"]
LEAST_TOGETHER = 5
SIGNIFICANT = 0.01
SAME_CONTENT = 0.95  # cosine of the two chunks
MERGED_FROM = 0.5  # NPMI; with MERGED_CITED the spec's mark for one thought cut in two
MERGED_CITED = 0.3
HUB_FROM = 0.1  # share of result lists


@dataclass(frozen=True)
class PairCount:
    """In how many conversations two chunks stood in one list, and in how many one answer cited both.

    ``cosine`` is None where one of them has no embedding; ``adjacent``: neighbours in one document.
    """

    first: str
    second: str
    together: int
    cited_together: int = 0
    cosine: float | None = None
    adjacent: bool = False


@dataclass(frozen=True)
class Association:
    """A pair that belongs together. ``q_value``: the share of false finds if the line is drawn here. ``cited``: of the
    conversations with either cited, the share in which both were. ``merge``: neighbours that should be one chunk."""

    first: str
    second: str
    kind: Kind
    together: int
    npmi: float
    q_value: float
    cosine: float | None
    cited: float
    merge: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Hub:
    """A chunk that is in more than a tenth of all lists: asked for by everybody, or by nobody in particular."""

    chunk_id: str
    share: float
    liked: float


def associations(
    pairs: Iterable[PairCount],
    conversations: int,
    shown_in: Mapping[str, int],
    cited_in: Mapping[str, int] | None = None,
    significant: float = SIGNIFICANT,
) -> list[Association]:
    """Pairs with q < ``significant``, strongest first. ``shown_in``, ``cited_in``: conversations by chunk id.

    Raises ValueError when a pair is together more often than one of its chunks is shown at all.
    """
    cited_in = cited_in or {}
    tested = [pair for pair in pairs if pair.together >= LEAST_TOGETHER]
    for pair in tested:
        if pair.together > min(shown_in.get(pair.first, 0), shown_in.get(pair.second, 0)):
            raise ValueError(
                f"pair {pair.first!r}, {pair.second!r}: together={pair.together} is more than one is shown"
            )
    if not tested:
        return []
    together = np.array([pair.together for pair in tested])
    one, other = (np.array([shown_in[getattr(pair, name)] for pair in tested]) for name in ("first", "second"))
    p_values = hypergeom.sf(together - 1, conversations, one, other)
    q_values = adjusted([float(p) for p in p_values], "benjamini_hochberg")
    found = []
    for pair, a, b, q in zip(tested, one, other, q_values, strict=True):
        strength = npmi(pair.together, int(a), int(b), conversations)
        if q >= significant or strength <= 0:
            continue
        either = cited_in.get(pair.first, 0) + cited_in.get(pair.second, 0) - pair.cited_together
        cited = pair.cited_together / either if either > 0 else 0.0
        merge = pair.adjacent and strength >= MERGED_FROM and cited >= MERGED_CITED
        found.append(
            Association(
                pair.first, pair.second, _kind(pair), pair.together, strength, float(q), pair.cosine, cited, merge
            )
        )
    return sorted(found, key=lambda each: (-each.npmi, each.first, each.second))


def npmi(together: int, first: int, second: int, of: int) -> float:
    """Normalised pointwise mutual information of two counts of ``of``; -1 never, 0 by chance, 1 always together."""
    if not together:
        return -1.0
    if together == of:
        return 1.0
    return math.log(together * of / (first * second)) / -math.log(together / of)


def hubs(exposures: Mapping[str, tuple[int, float]], lists: int, least: float = HUB_FROM) -> list[Hub]:
    """Chunks in more than ``least`` of the lists; ``exposures``: lists it was in and the share of them it was liked
    in, by chunk id. One that is liked as rarely as it is shown often crowds out answers."""
    found = [Hub(chunk, n / lists, liked) for chunk, (n, liked) in exposures.items() if lists and n / lists > least]
    return sorted(found, key=lambda each: (-each.share, each.chunk_id))


def _kind(pair: PairCount) -> Kind:
    if pair.cosine is not None and pair.cosine >= SAME_CONTENT:
        return "redundant"
    if pair.adjacent:
        return "adjacent"
    return "complementary" if pair.cited_together else "associated"
