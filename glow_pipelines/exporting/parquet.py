"""A split as Parquet: parts of a hundred thousand rows, each a whole file.

Belongs here: the schema, the parts, keeping those that are there. Does not: other formats (run).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from glow_pipelines.exporting.ledger import CannotExport, Ledger
from glow_pipelines.exporting.part import Written, publish, sha256_of
from glow_pipelines.learning.datasets import Split
from glow_pipelines.store.exports import COLUMNS, ExportedFile
from glow_pipelines.store.store import Store

PART = 100_000
_BATCH = 10_000
_Row = tuple[Any, ...]


def write_parquet(
    store: Store, ledger: Ledger, folder: Path, split: Split, told: Callable[[Split, int], None]
) -> list[Written]:
    """Write `split`-00001.parquet and so on; a part that is there as it was written is kept.

    Raises CannotExport without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise CannotExport("Parquet needs pyarrow: pip install 'glow-pipelines[parquet]'") from None
    types = {"position": pa.int32(), "quality": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    total = int(ledger.version.statistics["splits"][split])
    total = int(ledger.version.statistics["splits"][split])
    sizes = [min(PART, total - skip) for skip in range(0, total, PART)]
    paths = [folder / f"{split}-{number:05}.parquet" for number in range(1, len(sizes) + 1)]
    known = ledger.files()
    written = [_kept(path, rows, known.get(path)) for path, rows in zip(paths, sizes, strict=True)]
    missing = [number for number, each in enumerate(written) if each is None]
    if not missing:
        return [each for each in written if each is not None]
    with store.transaction() as t:
        # One pass over what is left: each begins with a sort of the whole split.
        batches = _cut(t.exports.records(ledger.version.dataset_id, split, _BATCH, missing[0] * PART), PART)
        for number in range(missing[0], len(sizes)):
            writer = None
            if written[number] is None:
                ledger.begin(paths[number], "parquet", split)
                fresh = paths[number].with_name(f"{paths[number].name}.part")
                writer = pq.ParquetWriter(fresh, schema, compression="zstd")
            done = number * PART
            for batch in next(batches):
                done += len(batch)
                if writer is not None:
                    writer.write_table(pa.table([list(column) for column in zip(*batch, strict=True)], schema=schema))
                    told(split, done)
            if writer is not None:
                writer.close()
                publish(fresh, paths[number])
                written[number] = ledger.finish(_seen(paths[number], sizes[number]))
    return [each for each in written if each is not None]


def _kept(path: Path, rows: int, record: ExportedFile | None) -> Written | None:
    """The part that is there as it was written, or None."""
    if record is None or record.state != "done" or not path.exists():
        return None
    seen = _seen(path, rows)
    return seen if seen.sha256 == record.sha256 else None


def _seen(path: Path, rows: int) -> Written:
    return Written(path, rows, path.stat().st_size, sha256_of(path))


def _cut(batches: Iterator[list[_Row]], most: int) -> Iterator[Iterator[list[_Row]]]:
    """The same rows in parts of `most`, each to be read to its end before the next."""
    left: list[_Row] = []

    def part() -> Iterator[list[_Row]]:
        nonlocal left
        room = most
        while room and (batch := left or next(batches, [])):
            left = batch[room:]
            room -= len(batch[:room])
            yield batch[: len(batch) - len(left)]

    while True:
        yield part()
