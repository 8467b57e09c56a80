"""Exported pairs as training reads them.

Belongs here: columns of JSONL and Parquet into texts. Does not: where files come from (exporting), what is learned.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.retrieval.text import normalised

_NEGATIVE = re.compile(r"negative(_[0-9]+)?")


class CannotTrain(Actionable):
    """Training that cannot begin; the message says why and what to do."""


@dataclass(frozen=True)
class Texts:
    """What the anchor should be near, and what not; `weight` counts in the loss."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    weight: float = 1.0


def read_pairs(path: Path, *, held_out: bool = False) -> list[Texts]:
    """Rows of a `.jsonl` or `.parquet` file as `glow retrieval pairs export` writes them.

    Raises CannotTrain for another form, no rows, and rows of split test, unless they are read to measure (`held_out`).
    """
    if not path.is_file():
        raise CannotTrain(f"{path} is not there; export pairs with: glow retrieval pairs export AGENT")
    rows = list(_rows(path))
    if not rows:
        raise CannotTrain(f"{path} has no rows; export pairs with: glow retrieval pairs export AGENT")
    return [_texts(row, path, number, held_out) for number, row in enumerate(rows, 1)]


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise CannotTrain("Parquet needs pyarrow: pip install 'glow-pipelines[parquet]'") from None
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
        return
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise CannotTrain(
                    f"{path}, line {number}: no JSON ({error}); give .jsonl or .parquet of pairs"
                ) from error
            if not isinstance(row, dict):
                raise CannotTrain(f"{path}, line {number}: an object with anchor, positive and negative is wanted")
            yield row


def _texts(row: Mapping[str, Any], path: Path, number: int, held_out: bool) -> Texts:
    for name in ("anchor", "positive"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise CannotTrain(f"{path}, row {number}: {name}={row.get(name)!r:.80}; a text is wanted")
    if row.get("split") == "test" and not held_out:
        raise CannotTrain(f"{path}, row {number}: split is test; what is tested with must not be trained on")
    negatives = tuple(value for name, value in row.items() if _NEGATIVE.fullmatch(name) and value)
    weight = row.get("weight", 1.0)
    if not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise CannotTrain(f"{path}, row {number}: weight={weight!r:.80}; a number above 0 is wanted")
    return Texts(row["anchor"], row["positive"], negatives, float(weight))


def overlap(train: Iterable[Texts], held_out: Iterable[Texts]) -> set[str]:
    """Anchors of both, in any spelling."""
    return {_spelled(each.anchor) for each in train} & {_spelled(each.anchor) for each in held_out}


def _spelled(text: str) -> str:
    return normalised(text) or text.strip()
