"""One export of a dataset version, from the rows to the card.

Belongs here: which files, in which order, what stops them. Does not: files themselves (part, parquet), the text of the
card (learning/datasets/datasheet), what is shown meanwhile (the caller).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from glow_pipelines.exporting.card import write_card
from glow_pipelines.exporting.ledger import CannotExport, Ledger, require_usable
from glow_pipelines.exporting.parquet import write_parquet
from glow_pipelines.exporting.part import Part, Written
from glow_pipelines.files import exclusive
from glow_pipelines.learning.datasets import LINE_KINDS, SPLITS, LineKind, Split, canonical_json, problems_of_block
from glow_pipelines.learning.datasets.text import digest
from glow_pipelines.store.exports import COLUMNS
from glow_pipelines.store.store import Store

Format = Literal["jsonl", "parquet", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
_BLOCK = 1 << 20  # bytes checked and written at a time
_SHOWN = 5
_WRITTEN_AS = "1"  # changes when the same rows become other bytes: an older part is not continued then

Told = Callable[[Split, int], None]
"""Called with a split and how many of its rows are written."""


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for. `system` goes before every chat line; `raw`: cells of CSV as they are, formulas too."""

    dataset_id: str
    format: Format = "jsonl"
    splits: Sequence[Split] = SPLITS
    system: str = ""
    raw: bool = False


def export_dataset(
    store: Store, home: Path, request: ExportRequest, told: Told = lambda split, rows: None
) -> list[Written]:
    """Write the files of a version under `home`/exports and remember each. Killed, the same call goes on where it was.

    Raises NoSuchDataset, and CannotExport for a revoked version (naming its successor) and for rows that make no line.
    """
    with store.transaction() as t:
        version = t.datasets.version(request.dataset_id)
    require_usable(version)
    folder = home / "exports" / version.dataset_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = Ledger(store, home, version)
    written = []
    with exclusive(folder / ".lock"):
        for split in request.splits:
            if not version.statistics.get("splits", {}).get(split, 1):
                continue
            if request.format == "parquet":
                written += write_parquet(store, ledger, folder, split, told)
            else:
                written.append(_write_text(store, ledger, folder, request, split, told))
        written += write_card(ledger, folder)
    return written


def _write_text(
    store: Store, ledger: Ledger, folder: Path, request: ExportRequest, split: Split, told: Told
) -> Written:
    version, path = ledger.version, folder / f"{split}.{request.format}"
    asked = (path.name, request.system, str(request.raw))
    ledger.begin(path, request.format, split)
    with Part(path, digest(_WRITTEN_AS, version.content_hash, version.kind, *asked)) as part, store.transaction() as t:
        if request.format == "csv":
            if not part.rows:
                part.write((",".join(f'"{name}"' for name in COLUMNS) + "\n").encode(), 0)
            # Cells may hold line ends; the server sends a row at a time.
            for rows in _gathered(t.exports.cells(version.dataset_id, split, request.raw, part.rows)):
                part.write(b"".join(rows), len(rows))
                told(split, part.rows)
        else:
            kind = LINE_KINDS[version.kind]
            head = f"{canonical_json({'content': request.system, 'role': 'system'})}," if request.system.strip() else ""
            for rows in _gathered(t.exports.lines(kind, version.dataset_id, split, head, part.rows)):
                block = b"".join(rows)
                _require_fit(block, kind, part)
                part.write(block, block.count(b"\n"))
                told(split, part.rows)
        return ledger.finish(part.finish())


def _gathered(rows: Iterator[bytes]) -> Iterator[list[bytes]]:
    """About a megabyte of rows at a time: one by one, each costs more than the database takes to send it."""
    held: list[bytes] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= _BLOCK:
            yield held
            held, size = [], 0
    if held:
        yield held


def _require_fit(block: bytes, kind: LineKind, part: Part) -> None:
    """Nothing is published of which a service would refuse a line."""
    problems = []
    for problem in problems_of_block(block, kind, part.rows + 1):
        problems.append(f"  line {problem.line}, {problem.field or 'the line'}: {problem.value!r}: {problem.remedy}")
        if len(problems) == _SHOWN:
            break
    if problems:
        part.discard()
        raise CannotExport("a service would not accept these lines; nothing was published:\n" + "\n".join(problems))
