"""Imports in the database: how far a file is, its rows on their way in, its refusals.

Belongs here: staging by COPY, applying, the lock of an import. Does not: reading files, making rows (importing).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

import psycopg
from psycopg.rows import dict_row

from glow_pipelines.database import connect
from glow_pipelines.store.noun import Noun, Row, json

_PAGE = 1000
NOT_ALLOWED = (psycopg.errors.InsufficientPrivilege,)
"""What a login that is no member of glow_pipeline meets."""
DATABASE_FAILED = (psycopg.OperationalError,)
"""What a transaction raises when the database went away or stood still; nothing of it is written then."""
# What the contents of a row can bring about; anything else (no connection, no privilege, a lock) is not its fault.
_BY_A_ROW = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.InternalError,
    psycopg.NotSupportedError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


@dataclass(frozen=True)
class ImportState:
    """One file: all lines up to `line` are applied."""

    import_id: str
    source: str
    format: str
    state: str
    line: int
    accepted: int
    replayed: int
    refused: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ImportRefusal:
    """A row of a file that was refused; `payload` is JSON text."""

    line: int
    part: int
    kind: str
    code: str
    field: str
    message: str
    hint: str | None
    payload: str


@dataclass(frozen=True)
class Applied:
    """What one transaction applied. `line` is None when nothing was waiting."""

    applied: int
    accepted: int
    replayed: int
    refused: int
    line: int | None


class Imports(Noun):
    queries = "imports"

    def lock(self, import_id: str) -> bool:
        """Take the lock of an import for this session, unless another has it."""
        row = self._row("lock_import", import_id=import_id)
        return bool(row and row["held"])

    def begin(self, import_id: str, source: str, format: str) -> ImportState:
        """The import of this id, made when it is not known."""
        self._run("begin_import", import_id=import_id, source=source[-1000:], format=format)
        return self.state(import_id)

    def state(self, import_id: str) -> ImportState:
        """Raises KeyError for an import that is not known."""
        row = self._row("import", import_id=import_id)
        if row is None:
            raise KeyError(f"no import {import_id}")
        return ImportState(**row)

    def restart(self, import_id: str) -> None:
        """Let a finished file be read anew."""
        self._run("restart_import", import_id=import_id)

    def forget_unapplied(self, import_id: str) -> None:
        """Go back to the last line that is wholly applied."""
        self._run("forget_unapplied", import_id=import_id)

    def stage(self, copy_lines: Iterable[bytes]) -> None:
        """Send batches in COPY's text format: import_id, line, kind, lines, parts, rows."""
        statement = "copy glow.import_batches (import_id, line, kind, lines, parts, rows) from stdin"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in copy_lines:
                copy.write(block)

    def refuse(self, import_id: str, refusals: Sequence[ImportRefusal]) -> None:
        """Record refusals of what never became a row."""
        if refusals:
            self._run("refuse_records", import_id=import_id, refusals=json([asdict(each) for each in refusals]))

    def apply(self, import_id: str) -> Applied:
        """Apply the next batch.

        A line that makes the database itself fail is found and refused, so that it stops no import for ever.
        """
        try:
            with self._connection.transaction():
                row = self._row("apply", import_id=import_id)
        except _BY_A_ROW as error:
            split = self._row("split_batch", import_id=import_id)
            if split is not None and split["pieces"] > 1:
                return self.apply(import_id)
            message = error.diag.message_primary or "the database failed over this row"
            code = error.sqlstate or "XX000"
            row = self._row("set_aside", import_id=import_id, code=code, message=message)
            assert row is not None
            return Applied(row["rows"], 0, 0, row["rows"], row["line"])
        assert row is not None
        done = row["done"]
        return Applied(done["applied"], done["accepted"], done["replayed"], done["refused"], done["line"])

    def finish(self, import_id: str) -> None:
        self._run("finish_import", import_id=import_id)

    def refusals(self, import_id: str) -> Iterator[ImportRefusal]:
        """All refusals in the order of the file, fetched page by page."""
        line, part = 0, -2
        while page := self._rows("refusals", import_id=import_id, line=line, part=part, most=_PAGE):
            yield from (ImportRefusal(**row) for row in page)
            line, part = page[-1]["line"], page[-1]["part"]

    def waiting_votes(self) -> int:
        """Votes whose execution is not there yet."""
        row = self._row("waiting_votes")
        return int(row["waiting"]) if row else 0


@contextmanager
def lock_import(url: str, import_id: str) -> Iterator[bool]:
    """Whether this process alone imports that file now; the lock goes with its session, also under kill -9."""
    with connect(url, autocommit=True) as connection:
        connection.row_factory = dict_row  # type: ignore[assignment]
        yield Imports(cast("psycopg.Connection[Row]", connection)).lock(import_id)
