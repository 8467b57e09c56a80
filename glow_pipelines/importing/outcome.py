"""What became of a file, and how the terminal tells it.

Belongs here: the counts of an import and their sentences. Does not: the import (run), its progress (progress).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape

from glow_pipelines.store.imports import ImportRefusal, ImportState


@dataclass
class Outcome:
    """What became of a file's rows; `finished_before` when nothing was done because it was imported already."""

    accepted: int = 0
    replayed: int = 0
    refused: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    first_refusals: list[ImportRefusal] = field(default_factory=list)
    seconds: float = 0.0
    before: int = 0
    finished_before: ImportState | None = None

    @property
    def rows(self) -> int:
        """Rows of this call; `before` are those of the calls that were interrupted."""
        return self.accepted + self.replayed + self.refused - self.before


def sentences(name: str, outcome: Outcome, dry_run: bool, rejected: Path, waiting: int) -> Iterator[str]:
    """Lines in rich's markup. `waiting`: votes in the database whose execution is not there yet."""
    name = escape(printable(name))
    if (before := outcome.finished_before) is not None:
        at = f"{before.finished_at:%Y-%m-%d %H:%M %Z}" if before.finished_at else "before"
        yield (
            f"{name}: imported already, {at}: {before.accepted} accepted, {before.replayed} already there, "
            f"{before.refused} refused. Nothing was changed; --again imports it anew."
        )
        return
    rate = f"{outcome.seconds:.1f} s, {outcome.rows / max(outcome.seconds, 1e-9):,.0f} rows/s"
    would = "would be accepted" if dry_run else "accepted"
    yield f"{name}: {outcome.accepted} {would}, {outcome.replayed} already there, {outcome.refused} refused ({rate})"
    for reason, number in outcome.passed.most_common():
        yield f"  left out: {number} × {escape(printable(reason))}"
    for refusal in outcome.first_refusals:
        reason = printable(f"{refusal.message}; accepted: {refusal.hint or '-'}")
        yield f"  line {refusal.line}: {escape(reason)}"
    if dry_run:
        yield "  a dry run: nothing was changed"
    elif outcome.refused:
        yield f"  refused rows, each with the reason: {escape(printable(str(rejected)))}"
    if waiting and not dry_run:
        yield f"  {waiting} votes in the database wait for their execution"


def printable(text: str) -> str:
    """Text that commands no terminal: a refused value may hold escape sequences and turns of direction."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
