"""Splits and dataset versions in the database.

Belongs here: examples as of an instant, freezing a version. Does not: writing examples (curation), which rows a rule
admits (learning/datasets).
"""

from collections.abc import Mapping
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


class Datasets(Noun):
    queries = "datasets"

    def splits(self, agent: str) -> dict[str, Split]:
        """Group -> split."""
        return {row["group_key"]: row["split"] for row in self._rows("splits", agent=agent)}

    def assign_splits(self, agent: str, splits: Mapping[str, Split]) -> None:
        """Give groups their split; a group that has one keeps it."""
        self._run_many(
            "assign_split", ({"agent": agent, "group_key": group, "split": split} for group, split in splits.items())
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


def _example(row: Row) -> LearningExample:
    values = {key: value for key, value in row.items() if key not in ("group_key", "split", "sources")}
    return LearningExample(
        **values, group=row["group_key"], sources=tuple(SourceRef(*source) for source in row["sources"])
    )
