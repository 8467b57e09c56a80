"""Batches into the database: one thread reads and sends, another applies, so that neither waits for the other.

Belongs here: both ways a batch goes, for good and as a rehearsal. Does not: reading files (batches), SQL (store).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from glow_pipelines.importing.batches import Batch
from glow_pipelines.importing.sources import ImportFailed
from glow_pipelines.store import Store
from glow_pipelines.store.imports import Applied
from glow_pipelines.store.store import Transaction

_WAITING = 50_000
"""Rows sent and not yet applied, above which reading waits: the staging table stays in the server's memory."""

Report = Callable[[Applied, int], None]
"""Told after each transaction: what it applied, and up to which byte of the file all is applied."""


def load(store: Store, import_id: str, batches: Iterable[Batch], report: Report) -> None:
    """Send and apply all batches. Whatever stops it, what is applied stays and the import can go on from there."""
    applier = _Applier(store, import_id, report)
    applier.start()
    try:
        for batch in batches:
            applier.wait_for_room()
            with store.transaction() as t:
                t.imports.stage(batch.copy_lines())
                t.imports.refuse(import_id, batch.refusals)
            applier.sent(batch)
    except BaseException:
        applier.stop()
        raise
    applier.finish()


def rehearse(t: Transaction, import_id: str, batches: Iterable[Batch], report: Report) -> None:
    """The same in the one given transaction, which its opener rolls back."""
    for batch in batches:
        t.imports.stage(batch.copy_lines())
        t.imports.refuse(import_id, batch.refusals)
        while (applied := t.imports.apply(import_id)).line is not None:
            report(applied, batch.position)
        report(Applied(0, 0, 0, len(batch.refusals), None), batch.position)


class _Applier(threading.Thread):
    """Applies what was sent, until told that nothing more comes. Its first error is raised in the sender."""

    def __init__(self, store: Store, import_id: str, report: Report) -> None:
        super().__init__(name="glow-import", daemon=True)
        self._store, self._import_id, self._report = store, import_id, report
        self._changed = threading.Condition()
        self._sent: deque[Batch] = deque()
        self._waiting = 0
        self._last = self._stopped = False
        self._error: BaseException | None = None

    def wait_for_room(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < _WAITING or self._error)
        self._raise()

    def sent(self, batch: Batch) -> None:
        batch.kinds.clear()
        refused, batch.refusals = len(batch.refusals), []
        with self._changed:
            self._sent.append(batch)
            self._waiting += batch.rows
            self._changed.notify_all()
        self._report(Applied(0, 0, 0, refused, None), 0)

    def stop(self) -> None:
        """End after the transaction at hand."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self.join()

    def finish(self) -> None:
        """Return when all is applied."""
        with self._changed:
            self._last = True
            self._changed.notify_all()
        self.join()
        self._raise()

    def run(self) -> None:
        try:
            while staged := self._more():
                with self._store.transaction() as t:
                    applied = t.imports.apply(self._import_id)
                if applied.line is None:
                    # An unlogged table is empty after a crash of the server, and a pooler may hide the crash.
                    raise ImportFailed(f"{staged} staged rows are gone: run the same command again, it goes on")
                self._report(applied, self._done(applied))
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _more(self) -> int:
        """Rows that are staged for certain; 0 when there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting > 0 or self._last or self._stopped)
            return 0 if self._stopped else max(self._waiting, 0)

    def _done(self, applied: Applied) -> int:
        """The position in the file up to which all is applied."""
        position = 0
        with self._changed:
            self._waiting -= applied.applied
            while applied.line is not None and self._sent and self._sent[0].line <= applied.line:
                position = self._sent.popleft().position
            self._changed.notify_all()
        return position

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
