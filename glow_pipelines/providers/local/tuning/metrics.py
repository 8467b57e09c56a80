"""What a trainer wrote of its steps, and the result file made of it.

Belongs here: reading metrics.jsonl while it grows, the columns of the result file. Does not: where events go (jobs).
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_COLUMNS = (
    *("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"),
    *("full_valid_loss", "full_valid_mean_token_accuracy"),
)
_SOURCE = {"train_accuracy": "train_mean_token_accuracy"}


def read_new(path: Path, offset: int) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Lines from a byte on, each with the byte it begins at, and where the next begins. What is half written waits.

    What is no object of JSON is left out: the trainer may be anybody's.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            raw = file.read()
    except FileNotFoundError:
        return [], offset
    found = []
    for line in raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            found.append((offset, row))
        offset += len(line)
    return found, offset


def result_csv(points: Iterable[Mapping[str, Any]]) -> bytes:
    """The result file: one row a step, under OpenAI's names of columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for point in points:
        values = [point.get(_SOURCE.get(name, name)) for name in _COLUMNS]
        writer.writerow("" if value is None else value for value in values)
    return text.getvalue().encode()
