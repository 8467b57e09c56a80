"""Learning examples, splits and dataset versions in the database.

Belongs here: keeping examples with their history, freezing a version. Does not: what an example is worth, which rows a
rule admits (learning/datasets).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.learning.datasets import DatasetRule, Kind, LearningExample, SourceRef, Split, VersionRow, read_rule
from glow_pipelines.store.noun import Noun, Row, json


class NoSuchDataset(LookupError):
    """No version has this id; the message tells how to find one."""


@dataclass(frozen=True)
class Version:
    """A dataset version. `parent` is the one before it under the same rule; `revoked_at` is set when rows of it were
    erased, `successor` then stands in its place."""

    dataset_id: str
    agent: str
    agents: tuple[str, ...]
    kind: Kind
    rule: DatasetRule
    rule_hash: str
    rule_version: str
    as_of: datetime
    rows: int
    content_hash: str
    statistics: Mapping[str, Any]
    parent: str | None
    created_at: datetime
    revoked_at: datetime | None
    revoked_because: str | None
    successor: str | None
    in_force: bool


@dataclass(frozen=True)
class ExampleChanges:
    """What `replace_examples` did: new and changed examples written, old ones closed, the rest left alone."""

    written: int
    closed: int
    unchanged: int


class Datasets(Noun):
    queries = "datasets"

    def lock_curation(self) -> None:
        """Wait for any other curation; held until the transaction ends."""
        self._run_many("lock_curation", [{}])

    def groups(self, agent: str) -> dict[str, str]:
        """Example id -> the group it has for ever."""
        return {row["example_id"]: row["group_key"] for row in self._rows("known_groups", agent=agent)}

    def splits(self, agent: str) -> dict[str, Split]:
        """Group -> split."""
        return {row["group_key"]: row["split"] for row in self._rows("splits", agent=agent)}

    def assign_splits(self, agent: str, splits: Mapping[str, Split]) -> None:
        """Give groups their split; a group that has one keeps it."""
        self._run_many(
            "assign_split", ({"agent": agent, "group_key": group, "split": split} for group, split in splits.items())
        )

    def replace_examples(self, agent: str, examples: Iterable[LearningExample]) -> ExampleChanges:
        """Make these the examples in force of an agent; what changed gets a new row, what vanished is closed.

        Not what rests on an execution that retention removed: the text is gone, what was learned from it stays.
        """
        current = {row["example_id"]: row for row in self._rows("current_examples", agent=agent)}
        written = unchanged = 0
        for example in examples:
            row = current.pop(example.id, None)
            if row is not None and _same(row, example):
                unchanged += 1
                continue
            if row is not None:
                self._run("supersede_example", example_version=row["example_version"])
            self._insert(example)
            written += 1
        vanished = [row for row in current.values() if not row["rests_on_expired"]]
        for row in vanished:
            self._run("supersede_example", example_version=row["example_version"])
        return ExampleChanges(written, len(vanished), unchanged)

    def _insert(self, example: LearningExample) -> None:
        row = self._row(
            "insert_example",
            example_id=example.id,
            agent=example.agent,
            input=example.input,
            target=example.target,
            source=example.source,
            status=example.status,
            quality=example.quality,
            expert_approved=example.expert_approved,
            group_key=example.group,
            content_hash=example.content_hash,
            rule_version=example.rule_version,
            reason=example.reason,
            rejected_target=example.rejected_target,
            domain=example.domain,
        )
        assert row is not None
        self._run_many(
            "insert_source",
            (
                {
                    "example_version": row["example_version"],
                    "kind": source.kind,
                    "source_id": source.id,
                    "role": source.role,
                }
                for source in example.sources
            ),
        )

    def examples_as_of(self, agent: str, as_of: datetime) -> list[tuple[int, LearningExample, Split | None]]:
        """The examples in force at an instant: (row, example, split)."""
        rows = self._rows("examples_as_of", agent=agent, as_of=as_of)
        return [(row.pop("example_version"), _example(row), row["split"]) for row in rows]

    def example_counts(self) -> list[Row]:
        return self._rows("example_counts")

    def put_in_force(self, agent: str, kind: str, dataset_id: str | None) -> None:
        """Say which version the agent's examples are now; None: there is none."""
        if dataset_id is None:
            self._run("take_out_of_force", agent=agent, kind=kind)
        else:
            self._run("put_in_force", agent=agent, kind=kind, dataset_id=dataset_id)

    def in_force(self, agent: str, kind: str = "sft") -> Row | None:
        return self._row("dataset_in_force", agent=agent, kind=kind)

    def version(self, dataset_id: str) -> Version:
        """A version, by its id or an unmistakable beginning of it. Raises NoSuchDataset."""
        found = self._rows("dataset", dataset_id=dataset_id)
        if not found or not dataset_id or (len(found) > 1 and found[0]["dataset_id"] != dataset_id):
            others = f"; it could be {' or '.join(row['dataset_id'] for row in found)}" if found and dataset_id else ""
            raise NoSuchDataset(f"dataset {dataset_id[:80]!r} is not known{others}; `glow dataset list` tells the ids")
        return _version(found[0])

    def versions(self, agent: str | None = None, most: int = 100) -> list[Row]:
        """The newest versions of an agent or of all."""
        return self._rows("dataset_list", agent=agent, most=most)

    def rows(self, dataset_id: str) -> list[VersionRow]:
        """The rows of a version in order."""
        return [VersionRow(_example(row), row["split"]) for row in self._rows("dataset_rows", dataset_id=dataset_id)]

    def why(self, dataset_id: str, example: str) -> list[Row]:
        """Every source of an example of a version with what it says; `example` may be the beginning of its id."""
        return self._rows("why", dataset_id=dataset_id, example=example)

    def difference(self, a: str, b: str, most: int = 20) -> list[Row]:
        """What b has otherwise than a: up to `most` examples of every change, each with how many there are (`of`)."""
        return self._rows("dataset_difference", a=a, b=b, most=most)

    def new_examples(self, since: Mapping[str, int], threshold: int) -> dict[str, int]:
        """Agents with so many examples approved since a row and since their newest dataset -> the newest row
        counted."""
        rows = self._rows("agents_with_new_examples", since=json(dict(since)), threshold=threshold, most_rows=threshold)
        return {row["agent"]: row["newest"] for row in rows}

    def kinds_to_build(self) -> dict[str, tuple[Kind, ...]]:
        """Agents with approved examples -> the kinds of dataset that can be made of them."""
        return {
            row["agent"]: (
                "sft",
                *(("preference",) if row["pairs"] else ()),
                *(("evaluation",) if row["judged"] else ()),
            )
            for row in self._rows("kinds_to_build")
        }


def _version(row: Row) -> Version:
    rule = read_rule(row["agent"], row["rule"])
    fields = Version.__dataclass_fields__.keys() - {"rule", "agents"}
    return Version(rule=rule, agents=tuple(row["agents"]), **{name: row[name] for name in fields})


def _same(row: Row, example: LearningExample) -> bool:
    return bool(
        row["content_hash"] == example.content_hash
        and row["status"] == example.status
        and row["source"] == example.source
        and row["expert_approved"] == example.expert_approved
        and abs(row["quality"] - example.quality) < 1e-9
        and row["rejected_target"] == example.rejected_target
        and row["sources"] == sorted([source.kind, source.id, source.role] for source in example.sources)
    )


def _example(row: Row) -> LearningExample:
    values = {key: value for key, value in row.items() if key not in ("group_key", "split", "sources")}
    return LearningExample(
        **values, group=row["group_key"], sources=tuple(SourceRef(*source) for source in row["sources"])
    )
