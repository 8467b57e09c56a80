"""What citations say about single chunks: cut this one, join these two, move that border.

Belongs here: suggestions with their evidence, for people to read. Does not belong here: the model that cuts all
documents anew (``boundaries``), and applying anything: offsets of one document version are no rule for the next.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from glow_pipelines.learning.retrieval.boundaries import candidates
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.span_metrics import Span

Kind = Literal["split", "merge", "move"]

CITED = 10  # citations under which a chunk is not judged
CONCENTRATED, NARROW = 0.8, 0.3  # so much of the citations in so little of the chunk: the rest is ballast
TOGETHER, ASSOCIATED, LEAST_TOGETHER = 0.3, 0.5, 5
LEAST_USERS = 3
CROSSINGS = 5  # spans over a border under which it stays where it is


@dataclass(frozen=True)
class Suggestion:
    """``at``: where the border would be after it (split, move), or the border that would go (merge).

    ``learned``: whether the proposed chunking does it by itself. ``evidence``: figures by name.
    """

    kind: Kind
    document_id: str
    chunk_ids: tuple[str, ...]
    at: tuple[int, ...]
    reason: str
    evidence: Mapping[str, float]
    source_ids: tuple[str, ...]
    learned: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def npmi(both: int, one: int, other: int, total: int) -> float:
    """Normalised pointwise mutual information of two chunks over ``total`` result lists, in [-1, 1] (Bouma 2009)."""
    if not both:
        return -1.0
    if both == total:
        return 1.0
    return math.log(both * total / (one * other)) / -math.log(both / total)


def suggestions(
    bodies: Mapping[str, str],
    chunks: Mapping[str, Span],
    spans: Sequence[CitedSpan],
    cited_together: Iterable[frozenset[str]],
    learned: Mapping[str, Sequence[int]] | None,
) -> list[Suggestion]:
    """All that the citations suggest, by document and place. ``chunks``: chunk id -> its span of today.

    ``cited_together``: the chunks cited in one conversation, one entry each; ``learned``: the cuts of the proposal,
    None without one.
    """
    by_document: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for chunk_id, (document, start, end) in chunks.items():
        by_document[document].append((start, end, chunk_id))
    spans_of: dict[str, list[CitedSpan]] = defaultdict(list)
    for span in spans:
        if span.document_id in bodies:
            spans_of[span.document_id].append(span)
    conversations = list(cited_together)
    single: dict[str, int] = defaultdict(int)
    for chunk_ids in conversations:
        for chunk_id in chunk_ids:
            single[chunk_id] += 1
    found: list[Suggestion] = []
    for document in sorted(by_document.keys() & bodies.keys()):
        ordered = sorted(by_document[document])
        mine = spans_of[document]
        cuts = None if learned is None else set(learned.get(document, ()))
        if mine:
            places = [int(at) for at in candidates(bodies[document]).positions]
            for start, end, chunk_id in ordered:
                found.extend(_split(document, chunk_id, start, end, mine, places, cuts))
        for (_, end, one), (border, _, other) in itertools.pairwise(ordered):
            if border < end or bodies[document][end:border].strip():
                continue
            merge = _merge(document, one, other, border, conversations, single, mine, cuts)
            found.extend([merge] if merge else [])
            if mine and merge is None:
                found.extend(_move(document, one, other, border, mine, places, cuts))
    return found


def _split(
    document: str,
    chunk_id: str,
    start: int,
    end: int,
    spans: Sequence[CitedSpan],
    places: Sequence[int],
    cuts: set[int] | None,
) -> list[Suggestion]:
    inside = [span for span in spans if span.starts < end and span.ends > start]
    sources = {span.source_id for span in inside}
    if len(sources) < CITED or len({span.user_id for span in inside}) < LEAST_USERS:
        return []
    steps = np.zeros(end - start + 1)
    for span in inside:
        steps[max(span.starts, start) - start] += 1
        steps[min(span.ends, end) - start] -= 1
    mass = np.concatenate([[0.0], np.cumsum(np.cumsum(steps)[:-1])])
    first, last = _narrowest(mass, CONCENTRATED)
    if last - first >= NARROW * (end - start):
        return []
    before, after = bisect_right(places, start + first) - 1, bisect_left(places, start + last)
    at = [places[i] for i in (before, after) if 0 <= i < len(places) and start < places[i] < end]
    if not at:
        return []
    share = float((mass[last] - mass[first]) / mass[-1])
    reason = (
        f"{share:.0%} of what is cited of this chunk stands in {(last - first) / (end - start):.0%} of it "
        f"({len(sources)} citations)"
    )
    evidence = {"cited_share": share, "width": (last - first) / (end - start), "citations": float(len(sources))}
    done = cuts is not None and any(start < cut < end for cut in cuts)
    return [Suggestion("split", document, (chunk_id,), tuple(at), reason, evidence, tuple(sorted(sources)), done)]


def _narrowest(mass: np.ndarray, share: float) -> tuple[int, int]:
    """The shortest [first, last) with at least ``share`` of the cumulated ``mass``."""
    ends = np.searchsorted(mass, mass + share * mass[-1] - 1e-9, side="left")
    widths = np.where(ends < len(mass), ends - np.arange(len(mass)), len(mass))
    first = int(widths.argmin())
    return first, int(ends[first])


def _merge(
    document: str,
    one: str,
    other: str,
    border: int,
    conversations: Sequence[frozenset[str]],
    single: Mapping[str, int],
    spans: Sequence[CitedSpan],
    cuts: set[int] | None,
) -> Suggestion | None:
    if min(single.get(one, 0), single.get(other, 0)) < LEAST_TOGETHER:
        return None
    both = sum(one in chunk_ids and other in chunk_ids for chunk_ids in conversations)
    share = both / (single[one] + single[other] - both)
    bond = npmi(both, single[one], single[other], len(conversations))
    if both < LEAST_TOGETHER or share < TOGETHER or bond < ASSOCIATED:
        return None
    reason = f"cited together in {share:.0%} of the {single[one] + single[other] - both} conversations that cite either"
    evidence = {"together": float(both), "share": share, "npmi": bond}
    sources = tuple(sorted({span.source_id for span in spans if span.starts < border < span.ends}))
    return Suggestion("merge", document, (one, other), (border,), reason, evidence, sources, _gone(border, cuts))


def _move(
    document: str,
    one: str,
    other: str,
    border: int,
    spans: Sequence[CitedSpan],
    places: Sequence[int],
    cuts: set[int] | None,
) -> list[Suggestion]:
    """The nearest place that fewer spans cross, when many cross the border of today."""
    over = [span for span in spans if span.starts < border < span.ends]
    users = {span.user_id for span in over}
    if len({span.source_id for span in over}) < CROSSINGS or len(users) < LEAST_USERS:
        return []
    low, high = min(span.starts for span in over), max(span.ends for span in over)
    near = [
        place
        for place in (_at(places, bisect_right(places, low) - 1), _at(places, bisect_left(places, high)))
        if place is not None
    ]
    crossed = {place: sum(span.starts < place < span.ends for span in spans) for place in near}
    near = [place for place in near if crossed[place] < len(over) / 2]
    if not near:
        return []
    to = min(near, key=lambda place: (crossed[place], abs(place - border), place))
    reason = (
        f"{len(over)} citations run across this border, {crossed[to]} across the one {abs(to - border)} characters on"
    )
    evidence = {"crossing": float(len(over)), "crossing_there": float(crossed[to]), "users": float(len(users))}
    sources = tuple(sorted({span.source_id for span in over}))
    return [Suggestion("move", document, (one, other), (to,), reason, evidence, sources, _gone(border, cuts))]


def _gone(border: int, cuts: set[int] | None) -> bool:
    return cuts is not None and border not in cuts


def _at(places: Sequence[int], index: int) -> int | None:
    return places[index] if 0 <= index < len(places) else None
