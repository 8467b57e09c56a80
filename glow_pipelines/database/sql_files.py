"""The SQL files that make a database ours, as values.

Belongs here: finding `sql/`, reading migrations and API files in order, their hashes, refusing an unclear order.
Does not: anything that talks to a database (`migrate`).
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import glow_pipelines
from glow_pipelines.database.errors import MigrationError

_MIGRATION_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True)
class SqlFile:
    """One file: its name without folder, its text with Unix line ends, the SHA-256 of that text in hex."""

    name: str
    text: str
    sha256: str

    @property
    def number(self) -> int:
        """The four digits a migration's name begins with."""
        return int(self.name[:4])


def sql_folder() -> Path:
    """The folder `sql`: at the root of a checkout, or within the package when installed from a wheel.

    Raises FileNotFoundError naming both places.
    """
    package = Path(glow_pipelines.__file__).parent
    places = (package.parent / "sql", package / "sql")
    for place in places:
        if (place / "migrations").is_dir():
            return place
    raise FileNotFoundError(f"no folder sql/migrations at {places[0]} nor at {places[1]}: reinstall glow-pipelines")


def read_migrations(folder: Path) -> tuple[SqlFile, ...]:
    """`folder/migrations/NNNN_name.sql` by number. Raises MigrationError on another name or a number used twice."""
    files = _read(folder / "migrations")
    for file in files:
        if not _MIGRATION_NAME.fullmatch(file.name):
            raise MigrationError(
                f"migration {file.name!r} is not named NNNN_name.sql (four digits, a-z, 0-9, _): rename"
            )
    for earlier, later in itertools.pairwise(files):
        if earlier.number == later.number:
            raise MigrationError(f"migrations {earlier.name} and {later.name} share a number: renumber the newer one")
    return files


def read_api(folder: Path) -> tuple[SqlFile, ...]:
    """`folder/api/*.sql` by name; empty when the folder is missing."""
    return _read(folder / "api")


def joint_hash(files: Iterable[SqlFile]) -> str:
    """SHA-256 over names and hashes, so that a renamed file counts as changed."""
    return hashlib.sha256("".join(f"{file.sha256} {file.name}\n" for file in files).encode()).hexdigest()


def _read(folder: Path) -> tuple[SqlFile, ...]:
    return tuple(_read_file(path) for path in sorted(folder.glob("*.sql")))


def _read_file(path: Path) -> SqlFile:
    # read_text folds \r\n into \n: a checkout on Windows must not look like a changed migration.
    text = path.read_text(encoding="utf-8")
    return SqlFile(path.name, text, hashlib.sha256(text.encode()).hexdigest())
