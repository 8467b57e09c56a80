"""Texts in a database that is not ours: Dagster's, in PostgreSQL or SQLite.

Belongs here: going through its tables as they are found, whatever the version, and its runs as far as erasure needs
them. Does not: what is changed and why (erasure). Dagster's own code has no way to change an event.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

BATCH = 500
# What ties rows together or names code of ours; no user's text gets there.
_NAMES = {
    "asset_key",
    "check_name",
    "job_name",
    "key",
    "mode",
    "name",
    "partition",
    "partition_set",
    "partitions_def_name",
}
_NAMES |= {"pipeline_name", "concurrency_key", "step_key", "status", "execution_status", "version_num"}
_ENDS = ("_id", "_type", "_name")


class ForeignTexts:
    """The texts of every table. `url` as SQLAlchemy takes it; a database that does not exist has none."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def change(self, changed: Callable[[str], str]) -> dict[str, int]:
        """Replace every text by `changed(text)`, batch by batch, each its own transaction; returns rows by table."""
        found: dict[str, int] = {}
        for table in self._tables():
            texts = [
                column for column in table.columns if isinstance(column.type, sa.String) and _may_hold(column.name)
            ]
            if not texts:
                continue
            rows = sum(self._change_batch(table, texts, batch, changed) for batch in self._batches(table, texts))
            if rows:
                found[table.name] = rows
        return found

    def _batches(self, table: sa.Table, texts: list[sa.Column[Any]]) -> Iterator[list[sa.Row[Any]]]:
        (key,) = table.primary_key.columns
        last = None
        while True:
            query = sa.select(key, *texts).order_by(key).limit(BATCH)
            with self._engine.connect() as connection:
                rows = list(connection.execute(query if last is None else query.where(key > last)))
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    def _change_batch(
        self, table: sa.Table, texts: list[sa.Column[Any]], rows: list[sa.Row[Any]], changed: Callable[[str], str]
    ) -> int:
        (key,) = table.primary_key.columns
        updates = []
        for row in rows:
            values: tuple[Any, ...] = tuple(row)[1:]
            held = {column.name: old for column, old in zip(texts, values, strict=True) if old is not None}
            new = {name: text for name, old in held.items() if (text := changed(old)) != old}
            if new:
                updates.append(sa.update(table).where(key == row[0]).values(new))
        if updates:
            with self._engine.begin() as connection:
                for update in updates:
                    connection.execute(update)
        return len(updates)

    def _tables(self) -> list[sa.Table]:
        with self._reached() as reached:
            if not reached:
                return []
            metadata = sa.MetaData()
            metadata.reflect(self._engine)
        return [table for table in metadata.sorted_tables if len(table.primary_key.columns) == 1]

    def running_since_before(self, instant: datetime) -> int:
        """Runs that began before an instant and have not ended: they may still write what they read then."""
        with self._reached() as reached:
            if not reached or not sa.inspect(self._engine).has_table("runs"):
                return 0
            query = sa.text(
                "select count(*) from runs where status in ('STARTING', 'STARTED', 'CANCELING')"
                " and coalesce(start_time, 0) < :instant"
            )
            with self._engine.connect() as connection:
                return int(connection.execute(query, {"instant": instant.timestamp()}).scalar_one())

    def forget_statistics(self) -> None:
        """Let the planner take new samples: the old ones hold values that are gone."""
        with self._reached() as reached:
            if reached:
                with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(sa.text("analyze"))

    @contextmanager
    def _reached(self) -> Iterator[bool]:
        try:
            self._engine.connect().close()
        except OperationalError as error:
            if "does not exist" not in str(error.orig):
                raise
            yield False
        else:
            yield True


def _may_hold(column: str) -> bool:
    return column not in _NAMES and not column.endswith(_ENDS)
