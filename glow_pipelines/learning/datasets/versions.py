"""The immutable dataset a rule makes of the examples.

Belongs here: `DatasetRule`, `DatasetVersion`, admission row by row with a reason for every drop, the content hash.
Does not belong here: judging a version (checks), writing it out (export), what an example is worth (resolve).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from glow_pipelines.learning.datasets.examples import LearningExample
from glow_pipelines.learning.datasets.groups import is_bridge
from glow_pipelines.learning.datasets.splits import SALT, SHARES, SPLITS, Split, assign_splits
from glow_pipelines.learning.datasets.text import text_key

Kind = Literal["sft", "preference", "evaluation"]
_LABELS = 50  # more distinct targets than this are free text, and balance says nothing


@dataclass(frozen=True, slots=True)
class DatasetRule:
    """Which approved examples of an agent make a dataset.

    `sources` None is all of them. `evaluation` takes only what an expert approved; `preference` only examples that
    replaced an output. Dates are the reader's: give `build_version` the examples as of the instant.
    """

    agent: str
    kind: Kind = "sft"
    minimum_quality: float = 0.0
    sources: tuple[str, ...] | None = None
    domain: str | None = None
    shares: tuple[float, float, float] = SHARES
    salt: str = SALT
    rule_version: str = "dataset-1"


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
    rule: DatasetRule, examples: Iterable[LearningExample], assignments: Mapping[str, str], as_of: datetime
) -> DatasetVersion:
    """The version; `assignments` is group → split as persisted and wins over the hash.

    Same examples in any order, same version. Examples of other agents are not looked at. What no expert approved
    enters train only: what measures an agent must be right.
    """
    mine = sorted((e for e in examples if e.agent == rule.agent), key=_strongest_first)
    split_of_group = assign_splits((e.group for e in mine), assignments, rule.shares, rule.salt)
    refused: dict[str, str] = {}
    admitted: dict[str, LearningExample] = {}
    for example in mine:
        reason = _refusal(rule, example, split_of_group[example.group])
        if reason is None:
            admitted.setdefault(example.id, example)
        else:
            refused.setdefault(example.id, reason)
    lost = _conflicts(admitted.values())
    dropped = {id: reason for id, reason in refused.items() if id not in admitted} | lost
    rows = tuple(
        VersionRow(example, split_of_group[example.group]) for id, example in admitted.items() if id not in lost
    )
    counts = Counter(row.split for row in rows)
    targets = Counter(text_key(row.example.target) for row in rows)
    return DatasetVersion(
        rule=rule,
        as_of=as_of,
        rows=rows,
        splits={split: counts[split] for split in SPLITS},
        content_hash=version_hash(rows),
        drops=dict(sorted(Counter(dropped.values()).items())),
        dropped=dict(sorted(dropped.items())),
        balance=dict(sorted(targets.items())) if len(targets) <= _LABELS else {},
    )


def version_hash(rows: Iterable[VersionRow]) -> str:
    """sha256 over the sorted content_hash‖split of the rows, one a line."""
    lines = sorted(row.example.content_hash + row.split for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _refusal(rule: DatasetRule, example: LearningExample, split: Split) -> str | None:
    if example.status != "approved":
        return example.status
    if is_bridge(example.group):
        return "near rows of two splits"
    if rule.domain is not None and example.domain != rule.domain:
        return "other domain"
    if rule.sources is not None and example.source not in rule.sources:
        return "source not in rule"
    if example.quality < rule.minimum_quality:
        return "quality below minimum"
    if rule.kind == "preference" and example.rejected_target is None:
        return "no rejected output"
    if rule.kind == "evaluation" and not example.expert_approved:
        return "no expert approval"
    if split != "train" and not example.expert_approved:
        return "no expert approval outside train"
    return None


def _conflicts(admitted: Iterable[LearningExample]) -> dict[str, str]:
    """Id → reason for all but one example of the same input; for all of them when experts gave two answers.

    The learner resolves conflicts; this is for examples that were learned in different runs.
    """
    rivals: dict[str, list[LearningExample]] = defaultdict(list)
    for example in admitted:
        rivals[text_key(example.input)].append(example)
    result = {}
    for found in rivals.values():
        ranks = sorted((_rank(e) for e in found), reverse=True)
        for example in found if len(found) > 1 else ():
            if len({text_key(e.target) for e in found}) == 1:
                if example is not found[0]:
                    result[example.id] = "duplicate"
            elif _rank(example) < ranks[0] or ranks[0] == ranks[1]:
                result[example.id] = "conflict"
    return result


def _strongest_first(example: LearningExample) -> tuple[object, ...]:
    """By id; among several records of one example (of different runs) a total order, so that input order is nothing."""
    e = example
    return e.id, -_rank(e), -e.quality, e.content_hash, e.status, e.source, e.group, e.rule_version, e.sources, e.reason


def _rank(example: LearningExample) -> int:
    return 2 if example.expert_approved else 1 if example.source == "correction" else 0
