"""Splits and dataset versions in the database.

Belongs here: examples as of an instant, freezing a version. Does not: writing examples (curation), which rows a rule
admits (learning/datasets).
"""

from collections.abc import Mapping
from datetime import datetime

from glow_pipelines.learning.datasets import DatasetVersion, LearningExample, SourceRef, Split, VersionRow
from glow_pipelines.store.noun import Noun, Row, json


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

    def freeze(
        self, dataset_id: str, version: DatasetVersion, statistics: Mapping[str, object], rows: Mapping[str, int]
    ) -> str:
        """Write a version, unless one with exactly these rows exists. `rows` is example id -> row in learning_examples.

        Returns the id of the version that holds the rows.
        """
        rule = version.rule
        known = self._row("dataset_with_content", agent=rule.agent, kind=rule.kind, content_hash=version.content_hash)
        if known is not None:
            return str(known["dataset_id"])
        taken = self._row("ids_taken", dataset_id=dataset_id)  # by a revoked version of the same rows
        if taken is not None and taken["taken"]:
            dataset_id = f"{dataset_id}-{taken['taken'] + 1}"
        self._run(
            "insert_dataset",
            dataset_id=dataset_id,
            agent=rule.agent,
            kind=rule.kind,
            rule=json({"minimum_quality": rule.minimum_quality, "sources": rule.sources, "shares": rule.shares}),
            rule_version=rule.rule_version,
            as_of=version.as_of,
            content_hash=version.content_hash,
            statistics=json(statistics),
        )
        self._run_many(
            "insert_dataset_example",
            (
                {
                    "dataset_id": dataset_id,
                    "position": position,
                    "example_version": rows[row.example.id],
                    "example_id": row.example.id,
                    "agent": rule.agent,
                    "group_key": row.example.group,
                    "split": row.split,
                }
                for position, row in enumerate(version.rows, start=1)
            ),
        )
        return dataset_id

    def put_in_force(self, agent: str, kind: str, dataset_id: str | None) -> None:
        """Say which version the agent's examples are now; None: there is none."""
        if dataset_id is None:
            self._run("take_out_of_force", agent=agent, kind=kind)
        else:
            self._run("put_in_force", agent=agent, kind=kind, dataset_id=dataset_id)

    def in_force(self, agent: str, kind: str = "sft") -> Row | None:
        return self._row("dataset_in_force", agent=agent, kind=kind)

    def rows(self, dataset_id: str) -> list[VersionRow]:
        """The rows of a version in order."""
        return [VersionRow(_example(row), row["split"]) for row in self._rows("dataset_rows", dataset_id=dataset_id)]


def _example(row: Row) -> LearningExample:
    values = {key: value for key, value in row.items() if key not in ("group_key", "split", "sources")}
    return LearningExample(
        **values, group=row["group_key"], sources=tuple(SourceRef(*source) for source in row["sources"])
    )
