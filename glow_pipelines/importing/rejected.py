"""The file of refused rows: one JSON object a line, so that it can be read, mended and imported.

Belongs here: its form. Does not: why a row is refused.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from glow_pipelines.store.imports import ImportRefusal


def rejected_line(source: str, refusal: ImportRefusal) -> str:
    """File, line and kind of a refused row, the reason, and last the row itself."""
    reason = {"code": refusal.code, "field": refusal.field, "message": refusal.message, "hint": refusal.hint}
    head = {"file": source, "line": refusal.line, "kind": refusal.kind, "reason": reason}
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "row": {refusal.payload}}}\n'


def append_rejected(path: Path, source: str, refusals: Iterable[ImportRefusal]) -> int:
    """Append refusals to the file; returns how many. No refusal makes no file."""
    written = 0
    file = None
    try:
        for refusal in refusals:
            # Newlines stand escaped in JSON; U+2028 is none to readers of JSON Lines.
            file = file or path.open("a", encoding="utf-8", newline="\n")
            file.write(rejected_line(source, refusal))
            written += 1
    finally:
        if file is not None:
            file.close()
    return written
