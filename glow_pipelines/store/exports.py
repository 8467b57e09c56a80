"""Dataset versions as files: what is in them, and which there are.

Belongs here: streaming lines and cells out of the database, remembering every file. Does not: the files themselves
(exporting), what a line is (learning/datasets/export).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from glow_pipelines.learning.datasets import LineKind, Split
from glow_pipelines.store.noun import Noun
from glow_pipelines.store.queries import load

# COPY's text form doubles backslashes, and one in five lines has some. As CSV with marks that no JSON holds, a line is
# sent as it is.
_LINES: LiteralString = "to stdout (format csv, quote e'\\x01', delimiter e'\\x02')"
_CELLS: LiteralString = "to stdout (format csv, force_quote *)"
COLUMNS = (
    "position",
    "id",
    "agent",
    "split",
    "input",
    "target",
    "rejected_target",
    "source",
    "quality",
    "domain",
    "language",
)
"""The columns of a table, in their order."""


@dataclass(frozen=True)
class ExportedFile:
    """A file of a version, `path` relative to GLOW_HOME. The numbers are None until it is done."""

    path: str
    format: str
    split: Split | None
    state: str
    rows: int | None
    bytes: int | None
    sha256: str | None
    created_at: datetime
    finished_at: datetime | None


class Exports(Noun):
    queries = "exports"

    def lines(self, kind: LineKind, dataset_id: str, split: Split, head: str = "", skip: int = 0) -> Iterator[bytes]:
        """Lines with their line ends, one or several at a time, in the order of the version, less the first `skip`.

        `head` is the system's message as canonical JSON with a comma after it.
        """
        if kind == "preference":
            return self._copied("preference_lines", _LINES, dataset_id=dataset_id, split=split, head=head, skip=skip)
        if kind == "retrieval":
            return self._copied("retrieval_lines", _LINES, dataset_id=dataset_id, split=split, skip=skip)
        return self._copied("sft_lines", _LINES, dataset_id=dataset_id, split=split, head=head, skip=skip)

    def cells(self, dataset_id: str, split: Split, raw: bool = False, skip: int = 0) -> Iterator[bytes]:
        """Rows of CSV, one at a time. Not `raw`: texts that begin like a formula begin with an apostrophe."""
        return self._copied("cells", _CELLS, dataset_id=dataset_id, split=split, raw=raw, skip=skip)

    def records(self, dataset_id: str, split: Split, most: int, skip: int = 0) -> Iterator[list[tuple[Any, ...]]]:
        """Rows with the values of COLUMNS, by up to `most`."""
        self._rows("tune_export")
        return self._stream("cells", most, dataset_id=dataset_id, split=split, raw=True, skip=skip)

    def _copied(self, name: str, how: LiteralString, **parameters: object) -> Iterator[bytes]:
        self._rows("tune_export")
        # COPY takes no parameters: psycopg writes them into the statement, as literals.
        cursor = psycopg.ClientCursor(self._connection)
        statement = f"copy ({cursor.mogrify(load(self.queries)[name], parameters)}) {how}"
        with cursor, cursor.copy(statement.encode()) as copy:
            for block in copy:
                yield bytes(block)

    def begin(self, dataset_id: str, path: str, format: str, split: Split | None) -> None:
        """Remember a file that is about to be written."""
        self._run("begin_export", dataset_id=dataset_id, path=path, format=format, split=split)

    def finish(self, dataset_id: str, path: str, rows: int, size: int, sha256: str) -> bool:
        """Remember that it is whole; False when its version was revoked meanwhile, so that it must go."""
        row = self._row("finish_export", dataset_id=dataset_id, path=path, rows=rows, bytes=size, sha256=sha256)
        return row is not None

    def files(self, dataset_id: str) -> list[ExportedFile]:
        """Every file of a version that was ever begun."""
        return [ExportedFile(**row) for row in self._rows("exports", dataset_id=dataset_id)]
