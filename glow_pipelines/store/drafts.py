"""Dataset versions on their way, in one transaction.

Belongs here: streaming candidates and texts, keeping the rows chosen, freezing them. Does not: which rows a rule admits
(learning/datasets/admission), the order of all this (steps/datasets).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from glow_pipelines.learning.datasets import DatasetRule, Facts, TextRow, text_key
from glow_pipelines.store.noun import Noun, Row, json

CHUNK = 5_000  # rows fetched at a time: more is no faster, and is what a build holds in memory

FREQUENT = 8
"""Executions of one question beyond which it belongs to no conversation but its first."""


class Drafts(Noun):
    """A draft is of its transaction: one at a time, gone when that ends."""

    queries = "drafts"

    def begin(self, rule: DatasetRule) -> datetime:
        """Keep curation and other builds of this agent and kind away until the transaction ends. Answers now, which a
        version may be of."""
        self._rows("queue_draft", agent=rule.agent, kind=rule.kind)
        self._rows("begin_draft")
        self._rows("tune_draft")
        return self._now()

    def _now(self) -> datetime:
        row = self._row("clock")
        assert row is not None
        now: datetime = row["now"]
        return now

    def candidates(self, rule: DatasetRule, as_of: datetime) -> Iterator[Facts]:
        """The examples of the rule's agents in force at an instant, equal inputs one after the other."""
        dated = rule.since is not None or rule.until is not None
        found = self._stream("candidates", CHUNK, agents=list(rule.everyone), as_of=as_of, dated=dated)
        for rows in found:
            for row in rows:
                facts = Facts._make(row)
                yield facts if facts.answer is None else facts._replace(answer=text_key(facts.answer))

    def add(self, rows: Sequence[Facts]) -> None:
        """Put rows into the draft."""
        statement = "copy glow.draft_rows (example_version, example_id, split, content_hash) from stdin"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row((row.version, row.id, row.split, row.content_hash))

    def texts(self, held_out: bool = False) -> Iterator[list[TextRow]]:
        """The rows with their texts, of all splits or only of those held out. Rows may be dropped meanwhile."""
        for rows in self._stream("draft_texts", CHUNK, held_out=held_out):
            yield [TextRow._make(row) for row in rows]

    def inputs_of(self, versions: Sequence[int]) -> dict[int, Row]:
        """Row of an example -> agent, split, id and input."""
        rows = self._rows("inputs_of_versions", versions=list(versions))
        return {row["example_version"]: row for row in rows}

    def drop(self, versions: Sequence[int]) -> None:
        """Take rows out of the draft."""
        if versions:
            self._run("drop_draft_rows", versions=list(versions))

    def torn_conversations(self, as_of: datetime) -> dict[int, str]:
        """Rows (version -> example) of conversations of which others are held out further."""
        rows = self._rows("torn_conversations", as_of=as_of, most=FREQUENT)
        return {row["example_version"]: row["example_id"] for row in rows}

    def torn_groups(self) -> int:
        """How many groups lie in two splits."""
        return len(self._rows("torn_groups"))

    def hashes(self) -> Iterator[list[tuple[str, str]]]:
        """Content hash and split of every row, in the order of positions."""
        return self._stream("draft_hashes", 4 * CHUNK)

    def statistics(self) -> dict[str, dict[str, int]]:
        """What -> name -> rows. Bounded: of names people make up (domains, languages) the hundred most frequent."""
        found: dict[str, dict[str, int]] = {}
        for row in self._rows("draft_statistics", lengths=[2**n for n in range(4, 21)]):
            found.setdefault(row["what"], {})[row["name"]] = row["rows"]
        return {what: dict(sorted(names.items(), key=lambda pair: -pair[1])[:100]) for what, names in found.items()}

    def sample(self, most: int = 8) -> list[Row]:
        return self._rows("draft_sample", most=most)

    def approval(self, agents: Sequence[str]) -> tuple[int, int]:
        """Experts' judgements of some agents that approve or correct, and all of them."""
        row = self._row("approval", agents=list(agents))
        assert row is not None
        return row["approved"], row["judged"]

    def demonstrations(
        self, agents: Sequence[str], versions: Sequence[str] | None = None
    ) -> tuple[list[str], dict[str, str]]:
        """Prompt versions in force (or those named) that demonstrate something, and what: id -> input."""
        if versions is None:
            rows = self._rows("demonstrations_in_force", agents=list(agents))
        else:
            rows = self._rows("demonstrations_of", agents=list(agents), versions=list(versions))
        showing = [row for row in rows if row["demonstrations"]]
        return (
            sorted({str(row["prompt_version"]) for row in showing}),
            {str(each["example_id"]): str(each["input"]) for row in showing for each in row["demonstrations"]},
        )

    def known(self, rule: DatasetRule, content_hash: str) -> tuple[str | None, int]:
        """The version that holds exactly these rows under this rule, and how many that did were revoked."""
        rows = self._rows(
            "versions_with_content",
            agent=rule.agent,
            kind=rule.kind,
            rule_hash=rule.hash,
            content_hash=content_hash,
        )
        usable = next((str(row["dataset_id"]) for row in rows if not row["revoked"]), None)
        return usable, sum(row["revoked"] for row in rows)

    def newest(self, rule: DatasetRule) -> Row | None:
        """The version before under the same rule: dataset_id, rows, statistics."""
        return self._row("newest_version", agent=rule.agent, kind=rule.kind, rule_hash=rule.hash)

    def freeze(
        self,
        dataset_id: str,
        rule: DatasetRule,
        as_of: datetime,
        rows: int,
        content_hash: str,
        statistics: Mapping[str, Any],
        parent: str | None,
    ) -> None:
        """Make the draft a version."""
        self._run(
            "freeze_version",
            dataset_id=dataset_id,
            agent=rule.agent,
            agents=list(rule.everyone),
            kind=rule.kind,
            rule=json(rule.to_json()),
            rule_hash=rule.hash,
            rule_version=rule.rule_version,
            as_of=as_of,
            rows=rows,
            content_hash=content_hash,
            statistics=json(statistics),
            parent=parent,
        )
        self._run("freeze_rows", dataset_id=dataset_id)

    def differences(self, dataset_id: str, most: int = 100) -> list[Row]:
        """Rows that the version and the draft do not share: example_id, frozen and rebuilt split (None: not in it),
        erased."""
        return self._rows("differences", dataset_id=dataset_id, most=most)

    def discard(self) -> None:
        self._run("discard_draft")
