"""Erased texts in files: exports, reports, logs.

Belongs here: finding the files, and what is done with each kind. Does not: what quotes (traces), databases (store).
A file that cannot be mended is deleted: all of them can be made again, but for the logs.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from glow_pipelines.database.server_user import recorded_place
from glow_pipelines.erasure.leaves import without_traces
from glow_pipelines.erasure.traces import ERASED, Traces
from glow_pipelines.files import write_whole

SQLITE = ("history", "schedules")
"""Folders in which Dagster keeps SQLite files, where it is not told to use PostgreSQL."""
REPORTS = ("report.html", "report.json")
_BLOCK = 4 << 20
_TAGS = re.compile(r"(<[^>]*>)")
_QUOTED = re.compile(r'"([^"]*)"')


def delete_exports(home: Path, dataset_id: str, paths: list[str]) -> int:
    """Delete the files of a revoked version, also half-written ones; returns how many."""
    folder = home / "exports" / dataset_id
    listed = {home / path for path in paths} | ({*folder.rglob("*")} if folder.is_dir() else set())
    files = [path for path in listed if path.is_file() or path.is_symlink()]
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)


def scrub_files(home: Path, project: Path | None, traces: Traces) -> dict[str, int]:
    """Take erased texts out of all files of GLOW_HOME and out of the reports; returns files by what was done.

    Not out of the embedded server's own: its rows go by VACUUM. But out of its log, which quotes what failed.
    """
    done: Counter[str] = Counter()
    place = recorded_place(home)
    also = [] if project is None else [project / name for name in REPORTS]
    also += [] if place is None else [place / "data" / "server.log"]
    for path in [*_files(home, place), *(each for each in also if each.is_file())]:
        if way := _scrub(path, traces, exported=(home / "exports") in path.parents):
            done[way] += 1
    return dict(done)


def sqlite_files(home: Path) -> Iterator[Path]:
    """Dagster's SQLite files."""
    for folder in SQLITE:
        yield from sorted((home / folder).rglob("*.db"))


def _files(home: Path, leave: Path | None) -> Iterator[Path]:
    for entry in sorted(home.iterdir()) if home.is_dir() else ():
        if entry == leave or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _files(entry, leave)
        elif entry.is_file():
            yield entry


def _scrub(path: Path, traces: Traces, *, exported: bool) -> str | None:
    try:
        with path.open("rb") as file:
            binary = b"\0" in file.read(8192)
        if binary:
            return _scrub_binary(path, traces) if exported else None
        if path.suffix == ".json":
            return _scrub_json(path, traces)
        if path.suffix == ".html":
            return _scrub_html(path, traces)
        if exported:
            return _scrub_lines(path, traces)
        return _overwrite_lines(path, traces)
    except FileNotFoundError:  # a log that was rotated, an export that was made anew
        return None


def _scrub_json(path: Path, traces: Traces) -> str | None:
    try:
        value = json.loads(path.read_text("utf-8", errors="surrogateescape"))
    except ValueError:
        return _overwrite_lines(path, traces)
    kept = without_traces(value, traces)
    if kept == value:
        return None
    write_whole(path, json.dumps(kept, indent=1) + "\n")
    return "mended"


def _scrub_html(path: Path, traces: Traces) -> str | None:
    page = path.read_text("utf-8", errors="replace")

    def cleaned(text: str) -> str:
        return html.escape(ERASED) if traces.quoted_by(html.unescape(text)) else text

    parts = [
        _QUOTED.sub(lambda found: f'"{cleaned(found[1])}"', part) if part.startswith("<") else cleaned(part)
        for part in _TAGS.split(page)
    ]
    kept = "".join(parts)
    if traces.quoted_by(html.unescape(_TAGS.sub("", kept))):  # marked up in the middle of a sentence
        path.unlink()
        return "deleted"
    if kept == page:
        return None
    write_whole(path, kept)
    return "mended"


def _scrub_lines(path: Path, traces: Traces) -> str | None:
    """An export: lines that quote are left out, for a line is a row. Other forms of rows than JSON are deleted."""
    if path.suffix not in (".jsonl", ".partial"):
        return _scrub_binary(path, traces)
    kept = path.with_name(f"{path.name}.kept")
    dropped = 0
    with path.open("rb") as file, kept.open("wb") as out:
        for line in file:
            if _line_quotes(line, traces):
                dropped += 1
            else:
                out.write(line)
    if dropped:
        kept.replace(path)
        return "mended"
    kept.unlink()
    return None


def _line_quotes(line: bytes, traces: Traces) -> bool:
    text = line.decode("utf-8", errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        return traces.quoted_by(text)
    return bool(without_traces(value, traces) != value)


def _scrub_binary(path: Path, traces: Traces) -> str | None:
    """Parquet and CSV of rows: whole or not at all. Compressed, they show nothing, so any outside a version goes."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    if path.suffix == ".parquet" or traces.quoted_by(text):
        path.unlink()
        return "deleted"
    return None


def _overwrite_lines(path: Path, traces: Traces) -> str | None:
    """Logs: in place and byte for byte as long as before, because somebody may be appending to them."""
    changed = False
    with path.open("r+b") as file:
        at = 0
        while block := b"".join(file.readlines(_BLOCK)):
            end = file.tell()
            text = block.decode("utf-8", errors="surrogateescape")
            lines = traces.quoting_lines(text)
            if lines:
                changed = True
                raw = block.split(b"\n")
                for number in lines:
                    raw[number] = ERASED.encode()[: len(raw[number])].ljust(len(raw[number]))
                file.seek(at)
                file.write(b"\n".join(raw))
                file.seek(end)
            at = end
    return "mended" if changed else None
