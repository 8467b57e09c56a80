"""CSV and Parquet files as records with their numbers.

Belongs here: what a table's rows are. Does not: what their columns mean (parsers, mapping).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glow_pipelines.importing.lines import Numbered, refuse_utf16
from glow_pipelines.importing.records import Refusal
from glow_pipelines.importing.sources import ImportFailed

_LONGEST_FIELD = 4 << 20  # a stray quote makes the rest of the file one field: it ends here instead
_BATCH = 1000


def read_csv(file: io.BufferedReader, after: int = 0) -> Iterator[Numbered]:
    """Rows of a CSV file with a header, by the number of the line they begin at, those after line `after`.

    The separator is the one of , ; tab that the header has most of. Raises ImportFailed for a header that names a
    column twice or not at all.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    # Bytes that are no UTF-8 become lone surrogates, which are refused row by row when the row is written.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        header_line = text.readline(_LONGEST_FIELD)
        refuse_utf16(header_line[:2].encode("utf-8", "surrogateescape"))
        separator = max(",;\t", key=header_line.count)
        header = next(csv.reader([header_line], delimiter=separator), [])
        _check(header)
        reader = csv.reader(text, delimiter=separator)
        begins = 2
        while (row := _next(reader)) is not None:
            if begins > after and row:
                yield begins, row if isinstance(row, Refusal) else _record(header, row)
            begins = reader.line_num + 2
    finally:
        text.detach()  # the file is its opener's to close


def read_parquet(path: Path | None, after: int = 0) -> Iterator[Numbered]:
    """Rows of a Parquet file by their number, batch by batch. Raises ImportFailed without pyarrow or for no Parquet."""
    if path is None:
        raise ImportFailed("Parquet cannot be read from standard input: it is read from its end; name a file")
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportFailed("Parquet needs pyarrow: pip install 'glow-pipelines[parquet]'") from error
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                if number + batch.num_rows > after:
                    for offset, row in enumerate(batch.to_pylist(), number + 1):
                        if offset > after:
                            yield offset, {name: _plain(value) for name, value in row.items()}
                number += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise ImportFailed(f"{path} is no Parquet file that pyarrow reads: {error}") from error


def _check(header: list[str]) -> None:
    if not header:
        raise ImportFailed("the CSV file is empty: its first line must name the columns")
    for number, name in enumerate(header, 1):
        if not name.strip():
            raise ImportFailed(f"the CSV header does not name column {number}: give every column a name")
        if header.index(name) != number - 1:
            raise ImportFailed(f"the CSV header names column {number} like column {header.index(name) + 1}")


def _next(reader: Any) -> list[str] | Refusal | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        return Refusal("", "PT400", "line", f"no CSV row: {error}", "quotes that are closed and doubled within", "")


def _record(header: list[str], row: list[str]) -> dict[str, Any] | Refusal:
    if len(row) != len(header):
        message = f"{len(row)} columns where the header has {len(header)}"
        return Refusal("", "PT400", "line", message, "the header's columns; texts with separators in quotes", row)
    return {name: value for name, value in zip(header, row, strict=True) if value != ""}


def _plain(value: Any) -> Any:
    """Arrow's values as JSON has them: moments as ISO text, decimals as text, maps as objects."""
    match value:
        case list() if value and all(isinstance(each, tuple) and len(each) == 2 for each in value):
            return {str(key): _plain(each) for key, each in value}
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items() if each is not None}
        case None | str() | bool() | int() | float():
            return value
        case bytes():
            return value.decode("utf-8", "surrogateescape")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
