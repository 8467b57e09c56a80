"""Erasures in the database: asking for one, its tasks, and finding erased texts by content in our own tables.

Belongs here: SQL. Does not: what quotes an erased text (erasure/traces), files and Dagster's tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg import sql

from glow_pipelines.store.noun import Noun, Row, json

TaskKind = Literal["exports", "rebuild", "scrub"]
TaskState = Literal["open", "waiting", "done"]
_PAGE = 2000


class ErasureRefused(Exception):
    """The database refused; the message names the field and the remedy."""


@dataclass(frozen=True)
class ErasureTask:
    """Something left to do. `target` is a revoked dataset version, empty for a scrub."""

    task_id: int
    erasure_id: int
    kind: TaskKind
    target: str
    state: TaskState
    tries: int
    outcome: Mapping[str, Any]
    erased_at: datetime


class Erasures(Noun):
    queries = "erasure"

    def erase(
        self, subject: str, tenant: str | None, *, dry_run: bool, reason: str = "", confirm: str | None = None
    ) -> Row:
        """The receipt of an erasure or of a dry run of it. Raises ErasureRefused."""
        try:
            row = self._row("erase", subject=subject, tenant=tenant, dry_run=dry_run, reason=reason, confirm=confirm)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ErasureRefused("this login may not erase: a member of glow_engineer may") from error
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith("PT"):
                raise
            raise ErasureRefused(f"{error.diag.message_primary}; accepted: {error.diag.message_hint}") from error
        assert row is not None
        receipt: Row = row["receipt"]
        return receipt

    def tasks(self) -> list[ErasureTask]:
        """What is not done, in order."""
        return [ErasureTask(**row) for row in self._rows("open_tasks")]

    def settle(self, task_id: int, state: TaskState, outcome: Mapping[str, object]) -> None:
        self._run("settle_task", task_id=task_id, state=state, outcome=json(dict(outcome)))

    def finish(self, erasure_id: int) -> bool:
        """Close the erasure if all its tasks are done; what it looked for is forgotten then."""
        row = self._row("finish", erasure_id=erasure_id)
        return bool(row and row["finished"])

    def probes(self, erasure_id: int) -> tuple[list[str], list[str], list[str]]:
        """Ids, texts and names to look for."""
        found: tuple[list[str], list[str], list[str]] = ([], [], [])
        for row in self._rows("probes", erasure_id=erasure_id):
            found[{"text": 1, "name": 2}.get(row["kind"], 0)].append(row["value"])
        return found

    def erase_late(self, erasure_id: int) -> dict[str, int]:
        """Erase again from prompts and retrieval; returns rows by table."""
        row = self._row("erase_late", erasure_id=erasure_id)
        assert row is not None
        return {name: n for name, n in row["receipt"]["tables"].items() if n}

    def sweep(self, erasure_id: int, without: Callable[[Any], Any]) -> dict[str, int]:
        """Delete or empty rows of derived tables for which `without(value) != value`; returns rows by table."""
        changed: dict[str, int] = {}
        for place in self._rows("swept_columns"):
            columns = [*place["keys"], *place["texts"]]
            query = sql.SQL("select {} from glow.{} t").format(
                sql.SQL(", ").join(sql.SQL("to_jsonb(t.{0}) as {0}").format(sql.Identifier(each)) for each in columns),
                sql.Identifier(place["relation"]),
            )
            with self._connection.cursor(name="swept") as cursor:
                cursor.itersize = _PAGE
                for row in cursor.execute(query):
                    kept = {each: without(row[each]) for each in place["texts"]}
                    new = {each: value for each, value in kept.items() if value != row[each]}
                    if new:
                        self._replace(erasure_id, place["relation"], {each: row[each] for each in place["keys"]}, new)
                        changed[place["relation"]] = changed.get(place["relation"], 0) + 1
        return changed

    def _replace(self, erasure_id: int, relation: str, key: Row, new: Row) -> None:
        self._row("replace_quoting", erasure_id=erasure_id, relation=relation, key=json(key), columns=json(new))

    def forget_statistics(self) -> None:
        """Let the planner take new samples: the old ones hold values of rows that are gone."""
        self._row("forget_statistics")

    def name_successor(self, dataset: str, successor: str) -> None:
        self._row("name_successor", dataset=dataset, successor=successor)

    def exports(self, dataset_id: str) -> list[str]:
        """Files of a version, below GLOW_HOME."""
        return [row["path"] for row in self._rows("exports", dataset_id=dataset_id)]

    def export_erased(self, dataset_id: str, path: str) -> None:
        self._run("export_erased", dataset_id=dataset_id, path=path)
