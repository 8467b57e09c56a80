"""What was learned of old chunks, said of the chunks that take their place.

Belongs here: memory and judgements from one chunking to another. Does not belong here: which chunk is whose heir (the
store knows: the same text, or most of the cited span), signals of a changed document (``signals``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from glow_pipelines.learning.retrieval.types import Judgement, MemoryRow

Heirs = Mapping[str, Sequence[str]]
"""Chunk id -> the chunks it passes what was learned of it to; a chunk without an entry passes nothing."""


def carry_memory(rows: Sequence[MemoryRow], heirs: Heirs) -> tuple[MemoryRow, ...]:
    """The rows under the heirs' ids, in order of query and heir. What several chunks pass to one heir is averaged by
    examinations; the largest of these stands, for the same people may have looked at all of them.
    """
    found: dict[tuple[str, str], list[MemoryRow]] = defaultdict(list)
    for row in rows:
        for heir in heirs.get(row.chunk_id, ()):
            found[row.query, heir].append(row)
    carried = []
    for (_, heir), same in found.items():
        weight = [max(row.effective_examinations, 1e-9) for row in same]
        mean = sum(w * row.attractiveness for w, row in zip(weight, same, strict=True)) / sum(weight)
        carried.append(
            replace(
                same[0],
                chunk_id=heir,
                attractiveness=min(1.0, mean),
                effective_examinations=max(row.effective_examinations for row in same),
                event_ids=tuple(sorted({source for row in same for source in row.event_ids})),
            )
        )
    return tuple(carried)


def carry_judgements(judgements: Iterable[Judgement], heirs: Heirs) -> tuple[list[Judgement], list[Judgement]]:
    """The judgements that can be said of both chunkings: as they are, and of the heirs with the best grade each.

    A query that has a relevant chunk without an heir is left out of both: the new chunking cannot show what it did with
    it. Compare each index on its own list, never on both together: either would lack the other's relevant chunks.
    """
    by_query: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_query[judgement.query].append(judgement)
    before: list[Judgement] = []
    after: list[Judgement] = []
    for query, mine in by_query.items():
        if any(judgement.grade > 0 and not heirs.get(judgement.chunk_id) for judgement in mine):
            continue
        grades: dict[str, float] = {}
        for judgement in mine:
            for heir in heirs.get(judgement.chunk_id, ()):
                grades[heir] = max(grades.get(heir, 0.0), judgement.grade)
        before.extend(judgement for judgement in mine if heirs.get(judgement.chunk_id))
        after.extend(Judgement(query, heir, grade) for heir, grade in sorted(grades.items()))
    return before, after
