"""Which examples a rule admits, row by row, with a reason for every one it does not.

Belongs here: `Facts`, what is looked at of an example; `admit`; `Drops`. Does not belong here: where rows come from
(store, or `build_version` for those in memory), the rule itself (rules), judging what came of it (checks).

No text is needed but where one input has several answers, and nothing is remembered but counts: a million rows take as
much memory as ten.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from glow_pipelines.learning.datasets.groups import is_bridge
from glow_pipelines.learning.datasets.rules import DatasetRule
from glow_pipelines.learning.datasets.splits import Split

SHOWN = 100  # ids kept of the examples dropped for one reason


class Facts(NamedTuple):
    """What decides about an example. `input` is equal for equal inputs, also of different agents; `answer` for equal
    answers, and needed only where an input has several. `learned` is when the example was first recorded; `version`
    names the row, `replaces` says whether it replaced an output, `split` is None between two splits."""

    version: int
    id: str
    agent: str
    input: str
    answer: str | None
    group: str
    split: Split | None
    status: str
    erased: bool
    source: str
    quality: float
    expert_approved: bool
    replaces: bool
    domain: str | None
    language: str | None
    learned: datetime | None
    content_hash: str


class Drops:
    """Reasons with their counts, and the first `most` examples of each (None: all)."""

    def __init__(self, most: int | None = SHOWN) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self._most = most

    def add(self, reason: str, example: str) -> None:
        self.counts[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if self._most is None or len(shown) < self._most:
            shown.append(example)


def admit(rule: DatasetRule, facts: Iterable[Facts], drops: Drops) -> Iterator[Facts]:
    """The examples the rule admits. `facts` must come with equal inputs one after the other; the order within an input
    is nothing to the outcome."""
    for _, found in groupby(facts, attrgetter("input")):
        rows = list(found)
        if len(rows) > 1:
            yield from _contest(rule, rows, drops)
        elif (reason := refusal(rule, rows[0])) is None:
            yield rows[0]
        else:
            drops.add(reason, rows[0].id)


def refusal(rule: DatasetRule, facts: Facts) -> str | None:
    """Why this example by itself is not admitted, or None.

    What no expert approved enters train only: what measures an agent must be right.
    """
    if facts.erased:
        return "erased"
    if facts.status != "approved":
        return facts.status
    if facts.split is None or is_bridge(facts.group):
        return "near rows of two splits"
    if rule.domain is not None and facts.domain != rule.domain:
        return "other domain"
    if rule.sources is not None and facts.source not in rule.sources:
        return "source not in rule"
    if rule.languages is not None and facts.language not in rule.languages:
        return "other language"
    if rule.since is not None and (facts.learned is None or facts.learned < rule.since):
        return "learned before the rule's dates"
    if rule.until is not None and (facts.learned is None or facts.learned >= rule.until):
        return "learned after the rule's dates"
    if facts.quality < rule.minimum_quality:
        return "quality below minimum"
    if rule.kind == "preference" and not facts.replaces:
        return "no rejected output"
    if rule.kind in ("evaluation", "retrieval") and not facts.expert_approved:
        return "no expert approval"
    if facts.split != "train" and not facts.expert_approved:
        return "no expert approval outside train"
    return None


_HELD_OUT = {"train": 0, "val": 1, "test": 2}


def _contest(rule: DatasetRule, found: Sequence[Facts], drops: Drops) -> list[Facts]:
    """Of the rows of one input those that stay: one, or none when equals gave different answers."""
    reasons = [(facts, refusal(rule, facts)) for facts in sorted(found, key=_strongest_first)]
    fit = [facts for facts, reason in reasons if reason is None]
    admitted = {facts.id for facts in fit}
    refused = {
        facts.id: reason for facts, reason in reversed(reasons) if reason is not None and facts.id not in admitted
    }
    for id, reason in sorted(refused.items()):
        drops.add(reason, id)
    # Splits are kept by agent: what one agent is trained on may be what another is measured by.
    outermost = max((_HELD_OUT[str(row.split)] for row in fit), default=0)
    # Of several records of one example (learned in different runs) the strongest that is held out as far stands for it.
    standing: dict[str, Facts] = {}
    for row in fit:
        if _HELD_OUT[str(row.split)] == outermost:
            standing.setdefault(row.id, row)
    for id in sorted(admitted - standing.keys()):
        drops.add("its question is held out", id)
    rows = list(standing.values())
    ranks = sorted((rank(row) for row in rows), reverse=True)
    answers = {row.answer for row in rows}
    kept = []
    for place, row in enumerate(sorted(rows, key=lambda row: (-rank(row), row.id))):
        if len(answers) == 1 and place > 0:
            drops.add("duplicate", row.id)
        elif len(answers) > 1 and (rank(row) < ranks[0] or ranks[0] == ranks[1]):
            drops.add("conflict", row.id)
        else:
            kept.append(row)
    return kept


def rank(facts: Facts) -> int:
    """Whose word counts more: an expert's, a user's correction, a vote."""
    return 2 if facts.expert_approved else 1 if facts.source == "correction" else 0


def _strongest_first(facts: Facts) -> tuple[object, ...]:
    return (
        facts.id,
        -rank(facts),
        -facts.quality,
        facts.content_hash,
        facts.status,
        facts.erased,
        facts.source,
        facts.group,
        str(facts.split),
        facts.version,
        repr(facts),  # a total order, whatever else tells two rows apart
    )
