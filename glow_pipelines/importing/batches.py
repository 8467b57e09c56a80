"""Records of a file as batches for the database, each whole lines.

Belongs here: parsing record by record, so that no record of whatever shape stops a file, and a batch as COPY takes it.
Does not: reading the file, sending a batch.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from glow_pipelines.importing.canonical import encode, evidence
from glow_pipelines.importing.lines import Numbered
from glow_pipelines.importing.records import Kind, Parser, Passed, Record, Refusal, Result, Unacceptable
from glow_pipelines.store.imports import ImportRefusal

_ROWS = 10_000
"""Rows of a batch, which one transaction applies: a kill loses no more work than that."""
_BYTES = 8 << 20
_UNREADABLE = -1
"""The part of a refusal of the whole record."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one kind, as JSON, with their lines and parts."""

    lines: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)


@dataclass
class Batch:
    """Whole lines up to `line`: rows, refusals, and how far the file was read. Filled, then sent and applied as one."""

    import_id: bytes
    line: int = 0
    position: int = 0
    rows: int = 0
    size: int = 0
    kinds: dict[Kind, _Rows] = field(default_factory=lambda: defaultdict(_Rows))
    refusals: list[ImportRefusal] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return self.rows + len(self.refusals) >= _ROWS or self.size >= _BYTES

    def add(self, line: int, part: int, kind: Kind, payload: bytes) -> None:
        rows = self.kinds[kind]
        rows.lines.append(line)
        rows.parts.append(part)
        rows.payloads.append(payload)
        self.rows += 1
        self.size += len(payload)

    def copy_lines(self) -> Iterator[bytes]:
        """In COPY's text format, a line for each kind of row. JSON has no raw tab or newline to escape."""
        for kind, rows in self.kinds.items():
            lines, parts = (b"{%b}" % ",".join(map(str, each)).encode() for each in (rows.lines, rows.parts))
            payload = b",".join(rows.payloads).replace(b"\\", b"\\\\")
            yield b"%b\t%d\t%b\t%b\t%b\t[%b]\n" % (self.import_id, self.line, kind.encode(), lines, parts, payload)


class Batches:
    """Batches of an import; `passed` counts what they leave out, by reason."""

    def __init__(self, import_id: str, parse: Parser) -> None:
        self.passed: Counter[str] = Counter()
        self._import_id, self._parse = import_id.encode(), parse

    def of(self, records: Iterable[Numbered], position: Callable[[], int]) -> Iterator[Batch]:
        batch = Batch(self._import_id)
        for number, record in records:
            batch.line = number
            if isinstance(record, Refusal):
                self._refuse(batch, number, _UNREADABLE, record)
            else:
                self._add(batch, number, record)
            if batch.full:
                batch.position = position()
                yield batch
                batch = Batch(self._import_id)
        if batch.line:
            batch.position = position()
            yield batch

    def _add(self, batch: Batch, number: int, record: Record) -> None:
        try:
            results = self._results(record)
        except Unacceptable as error:
            return self._refuse(batch, number, _UNREADABLE, error.refusal(record))
        for part, result in enumerate(results):
            if isinstance(result, Passed):
                self.passed[result.reason] += 1
            elif isinstance(result, Refusal):
                self._refuse(batch, number, part, result)
            else:
                try:
                    payload = encode(result)
                except Unacceptable as error:
                    self._refuse(batch, number, part, error.refusal(result.payload, result.kind))
                else:
                    batch.add(number, part, result.kind, payload)
        return None

    def _results(self, record: Record) -> Iterable[Result]:
        try:
            return list(self._parse(record))
        except Unacceptable:
            raise
        except RecursionError as error:
            raise Unacceptable("record", "very deep JSON", "JSON nested at most 32 deep", "PT400") from error
        except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError) as error:
            # A list where the format has an object, an object where it has a text: exports are edited by hand.
            raise Unacceptable("record", "a value of another type", "a record of the shape of this format") from error

    def _refuse(self, batch: Batch, number: int, part: int, refusal: Refusal) -> None:
        message, hint = (_storable(text) for text in (refusal.message, refusal.hint))
        batch.refusals.append(
            ImportRefusal(
                number, part, refusal.kind, refusal.code, refusal.field, message or "", hint, evidence(refusal)
            )
        )


def _storable(text: str | None) -> str | None:
    """A message quotes the refused value, which may be what no text column holds."""
    return None if text is None else text.replace("\0", "␀").encode("utf-8", "backslashreplace").decode()
