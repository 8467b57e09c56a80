"""What people keep changing.

Belongs here: corrections counted by kind of change. Does not belong here: telling the kind of one (corrections).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from glow_pipelines.learning.datasets.corrections import ChangeKind, Correction, changes
from glow_pipelines.learning.feedback.rates import Rate, rate_of

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class CorrectionPattern:
    """Corrections of one agent that make the same change.

    `detail` "" is the kind as a whole; otherwise a JSON path or "before → after", seen at least twice. `share` is of
    all corrections of the agent; `people` the distinct known users; `examples` the first three.
    """

    agent: str
    kind: ChangeKind
    detail: str
    count: int
    share: Rate
    people: int
    examples: tuple[Correction, ...]
    first_seen: datetime
    last_seen: datetime


def correction_patterns(corrections: Iterable[Correction]) -> list[CorrectionPattern]:
    """Patterns by agent, then most frequent first; the order of the corrections does not matter."""
    made: dict[tuple[str, ChangeKind, str], list[Correction]] = defaultdict(list)
    totals: Counter[str] = Counter()
    for correction in sorted(corrections, key=lambda c: (c.at, c.source)):
        totals[correction.agent] += 1
        seen = {
            (change.kind, detail)
            for change in changes(correction.before, correction.after)
            for detail in ("", change.detail)
        }
        for kind, detail in seen:
            made[correction.agent, kind, detail].append(correction)
    patterns = [
        CorrectionPattern(
            agent=agent,
            kind=kind,
            detail=detail,
            count=len(found),
            share=rate_of(len(found), totals[agent]),
            people=len({c.person for c in found if c.person is not None}),
            examples=tuple(found[:_EXAMPLES]),
            first_seen=found[0].at,
            last_seen=found[-1].at,
        )
        for (agent, kind, detail), found in made.items()
        if not detail or len(found) > 1
    ]
    return sorted(patterns, key=lambda p: (p.agent, -p.count, p.kind, p.detail))
