"""The progress bar of one file.

Belongs here: what it shows. Does not: anything it shows.
"""

import threading
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from glow_pipelines.importing.sources import Source
from glow_pipelines.store.imports import Applied


class Bar:
    """Moves by bytes of the file that are applied; called after each transaction, by any thread."""

    def __init__(self, console: Console, source: Source) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[refused]:,} refused"),
            TimeElapsedColumn(),
            console=console,
        )
        self._size = source.size
        name = escape(Path(source.name).name[-34:])
        self._task = self._progress.add_task(name, total=self._size, rows=0, refused=0)
        self._lock = threading.Lock()
        self._rows = self._refused = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None and self._size is not None:
            self._progress.update(self._task, completed=self._size)
        self._progress.stop()

    def __call__(self, applied: Applied, position: int) -> None:
        with self._lock:
            self._rows += applied.applied
            self._refused += applied.refused
            rows, refused = self._rows, self._refused
        self._progress.update(self._task, completed=position or None, rows=rows, refused=refused)
