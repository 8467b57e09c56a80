"""Embedding training pairs as files a loss can read: JSONL or Parquet.

Belongs here: columns, one file for one split, what stops an export. Does not: the rows (store), training on them
(finetuning). Files are under GLOW_HOME/exports, where erasure looks: it takes quoting lines out of JSONL and deletes
Parquet, and what it deleted while a file was written is never published.

Columns are read by sentence-transformers in their order: anchor, positive, negative, or negative_1 … negative_n.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glow_pipelines.exporting.ledger import CannotExport
from glow_pipelines.exporting.part import Part, Written, publish, sha256_of
from glow_pipelines.files import exclusive
from glow_pipelines.learning.datasets import Split
from glow_pipelines.learning.datasets.text import digest
from glow_pipelines.store.pair_exports import PairRow, Standing
from glow_pipelines.store.store import Store

PairFormat = Literal["jsonl", "parquet"]
_BATCH = 2_000
_WRITTEN_AS = "1"  # changes when the same rows become other bytes: an older part is not continued then


@dataclass(frozen=True)
class PairRequest:
    """What is asked for. `negatives`: so many in every row; None: one row for each pair, a triplet.

    `weight`, `with_split`: columns beside the texts, which a loss takes for texts unless they are removed.
    """

    agent: str
    split: Split = "train"
    format: PairFormat = "jsonl"
    negatives: int | None = None
    weight: bool = False
    with_split: bool = False

    def __post_init__(self) -> None:
        if self.negatives is not None and not 1 <= self.negatives <= 100:
            raise ValueError(f"negatives={self.negatives}: give 1 to 100, or none for triplets")

    @property
    def columns(self) -> tuple[str, ...]:
        many = () if self.negatives is None else tuple(f"negative_{n}" for n in range(1, self.negatives + 1))
        also = ("weight",) * self.weight + ("split",) * self.with_split
        return ("anchor", "positive", *(many or ("negative",)), *also)

    @property
    def name(self) -> str:
        form = "triplet" if self.negatives is None else f"{self.negatives}-tuple"
        return f"{self.split}-{form}.{self.format}"


@dataclass(frozen=True)
class ExportedPairs:
    """The file, and how many pairs were left out for which reason."""

    written: Written
    left_out: dict[str, int]


def export_pairs(
    store: Store, home: Path, request: PairRequest, told: Callable[[int], None] = lambda rows: None
) -> ExportedPairs:
    """Write one split under `home`/exports/AGENT-pairs; killed, the same call goes on where it was.

    One file holds one split, and no query of another in any spelling. Raises CannotExport where there are no pairs, and
    where some were erased meanwhile.
    """
    with store.transaction() as t:
        standing = t.pair_exports.standing(request.agent, request.split)
        left_out = t.pair_exports.left_out(request.agent, request.split)
    if not standing.pairs or standing.newest is None:
        raise CannotExport(
            f"{request.agent} has no embedding pairs in {request.split}; they are learned from what users click"
        )
    folder = home / "exports" / f"{request.agent}-pairs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / request.name
    with exclusive(folder / ".lock"):
        write = _write_parquet if request.format == "parquet" else _write_lines
        written = write(store, path, request, standing, told)
        with store.transaction() as t:
            now = t.pair_exports.standing(request.agent, request.split, standing.newest)
        # After the file has its name: an erasure that comes later finds it, one that came before is seen here.
        if now.fingerprint != standing.fingerprint:
            path.unlink(missing_ok=True)
            raise CannotExport(f"pairs of {request.agent} were erased while they were written; run the export again")
    return ExportedPairs(written, left_out)


def _write_lines(
    store: Store, path: Path, request: PairRequest, standing: Standing, told: Callable[[int], None]
) -> Written:
    identity = digest(_WRITTEN_AS, request.agent, *request.columns, request.name, standing.fingerprint)
    with Part(path, identity) as part:
        for rows in _rows(store, request, standing, part.rows):
            block = "".join(
                json.dumps(dict(zip(request.columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows
            )
            part.write(block.encode("utf-8", "surrogatepass"), len(rows))
            told(part.rows)
        return part.finish()


def _write_parquet(
    store: Store, path: Path, request: PairRequest, standing: Standing, told: Callable[[int], None]
) -> Written:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise CannotExport("Parquet needs pyarrow: pip install 'glow-pipelines[parquet]'") from None
    types = {"weight": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in request.columns])
    fresh, done = path.with_name(f"{path.name}.part"), 0
    with pq.ParquetWriter(fresh, schema, compression="zstd") as writer:
        for rows in _rows(store, request, standing, 0):
            columns = [list(column) for column in zip(*rows, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))
            done += len(rows)
            told(done)
    publish(fresh, path)
    return Written(path, done, path.stat().st_size, sha256_of(path))


def _rows(store: Store, request: PairRequest, standing: Standing, skip: int) -> Iterator[list[tuple[Any, ...]]]:
    assert standing.newest is not None
    with store.transaction() as t:
        for rows in t.pair_exports.rows(request.agent, request.split, standing.newest, request.negatives, _BATCH, skip):
            yield [_cells(row, request) for row in rows]


def _cells(row: PairRow, request: PairRequest) -> tuple[Any, ...]:
    also = (row.weight,) * request.weight + (request.split,) * request.with_split
    return (row.anchor, row.positive, *row.negatives, *also)
