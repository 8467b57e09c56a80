"""What is known of every file, before and after it is written.

Belongs here: remembering files in the database, refusing versions that must not be used. Does not: writing them (run).
"""

from pathlib import Path

from glow_pipelines.errors import Actionable
from glow_pipelines.exporting.part import Written
from glow_pipelines.learning.datasets import Split
from glow_pipelines.store.datasets import Version
from glow_pipelines.store.exports import ExportedFile
from glow_pipelines.store.store import Store


class CannotExport(Actionable):
    """An export that cannot be made, or must not be; the message says why and what to do."""


def require_usable(version: Version) -> None:
    """Raises CannotExport for a revoked version."""
    if version.revoked_at is not None:
        instead = f"use {version.successor}" if version.successor else "build a new one"
        raise CannotExport(
            f"dataset {version.dataset_id} was revoked on {version.revoked_at:%Y-%m-%d} ({version.revoked_because}): "
            f"{instead}"
        )


class Ledger:
    """The files of one version, by their paths under GLOW_HOME: erasure finds there what a killed export left."""

    def __init__(self, store: Store, home: Path, version: Version) -> None:
        self._store, self._home, self.version = store, home, version

    def begin(self, path: Path, format: str, split: Split | None) -> None:
        """Before a byte is written."""
        with self._store.transaction() as t:
            t.exports.begin(self.version.dataset_id, self._name(path), format, split)

    def finish(self, written: Written) -> Written:
        """A file is whole; one of a version that was revoked meanwhile goes again. Raises CannotExport."""
        with self._store.transaction() as t:
            known = t.exports.finish(
                self.version.dataset_id, self._name(written.path), written.rows, written.bytes, written.sha256
            )
        if not known:
            written.path.unlink(missing_ok=True)
            with self._store.transaction() as t:
                require_usable(t.datasets.version(self.version.dataset_id))
            raise CannotExport(f"{self._name(written.path)} was erased while it was written; run the export again")
        return written

    def files(self) -> dict[Path, ExportedFile]:
        """Every file that was ever begun, by its path."""
        with self._store.transaction() as t:
            return {self._home / each.path: each for each in t.exports.files(self.version.dataset_id)}

    def _name(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()
