"""A split as Parquet: parts of a hundred thousand rows, each a whole file.

Belongs here: the schema, the parts, keeping those that are there. Does not: other formats (run).
"""

from collections.abc import Callable
from pathlib import Path

from glow_pipelines.exporting.ledger import CannotExport, Ledger
from glow_pipelines.exporting.part import Written, publish, sha256_of
from glow_pipelines.learning.datasets import Split
from glow_pipelines.store.exports import COLUMNS
from glow_pipelines.store.store import Store

PART = 100_000
_BATCH = 10_000


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
    known = ledger.files()
    written: list[Written] = []
    for number, skip in enumerate(range(0, total, PART), start=1):
        path = folder / f"{split}-{number:05}.parquet"
        record = known.get(path)
        rows = min(PART, total - skip)
        kept = Written(path, rows, path.stat().st_size, sha256_of(path)) if path.exists() else None
        if kept is None or record is None or (record.state, record.sha256) != ("done", kept.sha256):
            ledger.begin(path, "parquet", split)
            fresh = path.with_name(f"{path.name}.part")
            with store.transaction() as t, pq.ParquetWriter(fresh, schema, compression="zstd") as writer:
                left = rows
                for batch in t.exports.records(ledger.version.dataset_id, split, min(_BATCH, rows), skip):
                    columns = [list(column) for column in zip(*batch[:left], strict=True)]
                    writer.write_table(pa.table(columns, schema=schema))
                    left -= len(batch)
                    told(split, skip + rows - max(left, 0))
                    if left <= 0:
                        break
            publish(fresh, path)
            kept = ledger.finish(Written(path, rows, path.stat().st_size, sha256_of(path)))
        written.append(kept)
        told(split, skip + rows)
    return written
