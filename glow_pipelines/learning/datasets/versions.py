"""The immutable dataset a rule makes of examples that are at hand.

Belongs here: `DatasetVersion`, the content hash. Does not belong here: admission row by row (admission), judging a
version (checks), writing it out (export). Versions of a million rows are built by steps/datasets with the same
admission and the same hash.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from glow_pipelines.learning.datasets.admission import Drops, Facts, admit
from glow_pipelines.learning.datasets.examples import LearningExample
from glow_pipelines.learning.datasets.rules import DatasetRule
from glow_pipelines.learning.datasets.splits import SPLITS, Split, assign_splits
from glow_pipelines.learning.datasets.text import text_key

_LABELS = 50  # more distinct targets than this are free text, and balance says nothing


@dataclass(frozen=True, slots=True)
class VersionRow:
    """An example and where it lies."""

    example: LearningExample
    split: Split


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """Rows by example id. `dropped` is example id → reason, `drops` counts the reasons, `splits` and `balance` count
    rows and targets (empty for free text). `content_hash` is over content and splits alone: the same rows under
    another rule or instant have the same hash."""

    rule: DatasetRule
    as_of: datetime
    rows: tuple[VersionRow, ...]
    splits: Mapping[str, int]
    content_hash: str
    drops: Mapping[str, int]
    dropped: Mapping[str, str]
    balance: Mapping[str, int]


def build_version(
    rule: DatasetRule,
    examples: Iterable[LearningExample],
    assignments: Mapping[str, str],
    as_of: datetime,
    learned: Mapping[str, datetime] | None = None,
) -> DatasetVersion:
    """The version; `assignments` is group → split as persisted and wins over the hash.

    Same examples in any order, same version. Examples of other agents than the rule's are not looked at. `learned` is
    example id → when it was first learned; a rule with dates admits only what is in it.
    """
    mine = sorted((e for e in examples if e.agent in rule.everyone), key=_in_full)
    split_of_group = assign_splits((e.group for e in mine), assignments, rule.shares, rule.salt)
    known = learned or {}
    facts = [_facts(place, e, split_of_group[e.group], known.get(e.id)) for place, e in enumerate(mine)]
    drops = Drops(most=None)
    admitted = sorted(admit(rule, sorted(facts, key=attrgetter("input")), drops), key=attrgetter("id"))
    rows = tuple(VersionRow(mine[each.version], split_of_group[each.group]) for each in admitted)
    counts = Counter(row.split for row in rows)
    targets = Counter(text_key(row.example.target) for row in rows)
    return DatasetVersion(
        rule=rule,
        as_of=as_of,
        rows=rows,
        splits={split: counts[split] for split in SPLITS},
        content_hash=version_hash(rows),
        drops=dict(sorted(drops.counts.items())),
        dropped=dict(sorted((id, reason) for reason, ids in drops.examples.items() for id in ids)),
        balance=dict(sorted(targets.items())) if len(targets) <= _LABELS else {},
    )


class ContentHash:
    """sha256 over content_hash‖split of every row, one a line, in the order of the example ids."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, rows: Iterable[tuple[str, str]]) -> None:
        """Further rows: content hash and split."""
        self._sha.update("".join(f"{content}{split}\n" for content, split in rows).encode())

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def version_hash(rows: Iterable[VersionRow]) -> str:
    """The content hash of rows in any order."""
    found = ContentHash()
    found.add((row.example.content_hash, row.split) for row in sorted(rows, key=lambda row: row.example.id))
    return found.hexdigest()


def _facts(place: int, example: LearningExample, split: Split, learned: datetime | None) -> Facts:
    return Facts(
        version=place,
        id=example.id,
        agent=example.agent,
        input=text_key(example.input),
        answer=text_key(example.target),
        group=example.group,
        split=split,
        status=example.status,
        erased=False,
        source=example.source,
        quality=example.quality,
        expert_approved=example.expert_approved,
        replaces=example.rejected_target is not None,
        domain=example.domain,
        language=getattr(example, "language", None),
        learned=learned,
        content_hash=example.content_hash,
    )


def _in_full(example: LearningExample) -> tuple[object, ...]:
    """A total order, so that the order of the input is nothing."""
    e = example
    return e.id, e.content_hash, e.status, e.source, e.group, e.rule_version, e.sources, e.reason, e.expert_approved
