"""Files of labels: what somebody said of something, one a line.

Belongs here: reading any CSV with the columns item, annotator and label, and saying what is wrong with one. Does not:
measuring (agreement).
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("item", "annotator", "label")
SEPARATORS = (",", ";", "\t")
SHOWN = 5
# What pandas, R and databases write where there is nothing.
MISSING = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null")
# Beside numbers these are none either; among words they may be a class.
NO_NUMBER = {"none", "-", "?", "missing", *(word.lower() for word in MISSING)}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class LabelsError(Exception):
    """The file cannot be used: each line names a line of the file, what is wrong with it and the remedy."""


@dataclass(frozen=True)
class Labels:
    """One label for each item and annotator. `numbers` is None unless all labels are numbers.

    `missing` labels are left out. Of `repeated` labels by one annotator for one item the last counts; `changed` of them
    said something else before. `notes` says what was decided about the file.
    """

    items: tuple[str, ...]
    annotators: tuple[str, ...]
    values: tuple[str, ...]
    numbers: tuple[float, ...] | None
    rows: int
    missing: int
    repeated: int
    changed: int
    notes: tuple[str, ...]


def read_labels(path: Path, missing: Sequence[str] = MISSING) -> Labels:
    """Read a file; a blank label is none, and so is one of `missing`. Raises LabelsError."""
    rows = _rows(path)
    given = [row for row in rows if row[2] and row[2] not in missing]
    notes = []
    if words := sorted({value for _, _, value in rows if value in missing}):
        notes.append(f"{', '.join(map(repr, words))} counts as missing; if it is a label, say --missing=")
    if (kept := _only_numbers(given)) is not None:
        words = sorted({value for _, _, value in given if not _is_number(value)})
        if words:
            notes.append(f"all other labels are numbers, so {', '.join(map(repr, words))} counts as missing")
        given = [(item, person, _canonical(value)) for item, person, value in kept]
    last: dict[tuple[str, str], str] = {}
    repeated = changed = 0
    for item, person, value in given:
        before = last.get((item, person))
        repeated += before is not None
        changed += before is not None and before != value
        last[item, person] = value
    if not last:
        raise LabelsError(f"{path}: no label in {len(rows)} rows; a row holds an item, an annotator and a label")
    return Labels(
        tuple(item for item, _ in last),
        tuple(person for _, person in last),
        tuple(last.values()),
        tuple(map(float, last.values())) if kept is not None else None,
        len(rows),
        len(rows) - len(given),
        repeated,
        changed,
        tuple(notes),
    )


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """Item, annotator and label of each row, without the spaces around them."""
    try:
        with path.open("rb") as file:
            return _parsed(path, _lines(path, file))
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror or error}") from error


def _parsed(path: Path, lines: Iterator[str]) -> list[tuple[str, str, str]]:
    head = next(lines, "")
    separator, header = _header(path, head)
    places = [header.index(name) for name in COLUMNS]
    csv.field_size_limit(1 << 24)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows: list[tuple[str, str, str]] = []
    problems: list[str] = []
    began = 2
    try:
        for fields in reader:
            line, began = began, reader.line_num + 2  # the reader has not seen the header
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                remedy = f'put a field that holds a "{separator}" or a line break in quotes'
                problems.append(f"line {line}: {len(fields)} fields where the header has {len(header)}; {remedy}")
                continue
            item, person, label = (fields[place].strip() for place in places)
            if not item or not person:
                lacks = "item" if not item else "annotator"
                problems.append(f"line {line}: no {lacks}; fill it in or delete the line (only a label may be blank)")
                continue
            rows.append((item, person, label))
    except csv.Error as error:
        remedy = 'double a quote within quotes ("") and close what is opened'
        problems.append(f"line {began}: {error}; {remedy}")
    if problems:
        more = [f"and {len(problems) - SHOWN} more lines"] if len(problems) > SHOWN else []
        raise LabelsError("\n".join(f"{path}: {problem}" for problem in [*problems[:SHOWN], *more]))
    return rows


def _header(path: Path, line: str) -> tuple[str, list[str]]:
    """The separator and the names of the columns, in lower case."""
    for separator in SEPARATORS:
        names = [name.strip().casefold() for name in next(csv.reader([line], delimiter=separator), [])]
        if all(names.count(column) == 1 for column in COLUMNS):
            return separator, names
    wanted = "a header with the columns item, annotator and label, each once; their order and further columns are free"
    raise LabelsError(f"{path}: line 1: {line.strip()[:200]!r} is not {wanted}")


def _lines(path: Path, file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise LabelsError(f"{path}: line 1: the file is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 FILE")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            remedy = "save the file as UTF-8, e.g. iconv -f LATIN1 -t UTF-8 FILE"
            raise LabelsError(f"{path}: line {number}: byte {error.start + 1} is not UTF-8; {remedy}") from error


def _only_numbers(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]] | None:
    """The rows with a number, when all others have a word for no number; else None."""
    numbers = [row for row in rows if _is_number(row[2])]
    others = {row[2].lower() for row in rows if not _is_number(row[2])}
    return numbers if numbers and others <= NO_NUMBER else None


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _canonical(text: str) -> str:
    """One text for one number: 1, 1.0 and 01 are the same label."""
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
