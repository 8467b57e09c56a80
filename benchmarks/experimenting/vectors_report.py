"""The command behind --vectors: a PostgreSQL of its own, the file, a line per failure, and the exit code."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.experimenting.vectors import World, check
from glow_pipelines.database import EmbeddedServer, migrate


def show(path: Path) -> int:
    """Print what does not hold and how many do: 0 when all do, 1 when some do not, 2 when the file cannot be read."""
    try:
        read = json.loads(path.read_text("utf-8"))
        data = read.get("data", {})
        _ = read["vectors"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        print(f"--vectors {path}: not a file of vectors: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    with database() as url, psycopg.connect(url, autocommit=True) as connection:
        failures, total = check(path, World(data, folders(path), lambda: connection))
    for line in failures:
        print(line)
    print(f"{total - len(failures)} of {total}")
    return 1 if failures or not total else 0


def folders(path: Path) -> list[Path]:
    """Where data sets may lie: beside the vectors, and beside the project."""
    here = Path(__file__).resolve().parents[2]
    return [path.resolve().parents[1] / "data", path.resolve().parent / "data", here.parent / "shared" / "data"]


@contextmanager
def database() -> Iterator[str]:
    """A fresh migrated database in a server that ends with it; nothing in it need outlive a power cut."""
    fast: dict[str, Any] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with tempfile.TemporaryDirectory(prefix="glow-vectors-") as folder:
        Path(folder).chmod(0o711)  # as root the server is another user
        server = EmbeddedServer(Path(folder), fast)
        server.start()
        try:
            url = server.url("glow")
            migrate(url)
            yield url
        finally:
            server.remove()
