"""Rows on disk, in a SQLite file, until the database has them: what survives the process, and the power.

Belongs here: the file, its bounds, and the lock by which several processes share it. Does not: sending. The file holds
what users wrote: it is made readable for its owner alone. Keep it on a local disk; SQLite's locks are not for NFS.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from glow_pipelines.client.errors import SpoolFull, SpoolUnusable
from glow_pipelines.client.rows import Row, within

_VERSION = 1
# The totals are kept as rows come and go: counting a hundred thousand rows at every append would be the append's cost.
_SCHEMA = """
create table if not exists spooled (
  place integer primary key autoincrement, function text not null, payload text not null, given_at real not null);
create table if not exists totals (count integer not null, bytes integer not null);
insert into totals select 0, 0 where not exists (select 1 from totals);
create trigger if not exists comes after insert on spooled begin
  update totals set count = count + 1, bytes = bytes + length(cast(new.payload as blob)); end;
create trigger if not exists goes after delete on spooled begin
  update totals set count = count - 1, bytes = bytes - length(cast(old.payload as blob)); end;
"""


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """What waits in a spool. `oldest`: when its first row was given, seconds since 1970."""

    rows: int
    bytes: int
    oldest: float | None


class Spool:
    """At most `most_rows` and `most_bytes` of payload; then `append` refuses. Safe between threads and processes."""

    def __init__(
        self,
        path: Path | str,
        *,
        most_rows: int = 100_000,
        most_bytes: int = 512 << 20,
        busy_seconds: float = 10.0,
    ) -> None:
        self._path, self._most_rows, self._most_bytes = Path(path), most_rows, most_bytes
        self._guard = Lock()
        with self._translated():
            _touch(self._path)
            _touch(self._turn)
            with self._turn_taken(busy_seconds) as mine:
                if not mine:
                    raise sqlite3.OperationalError(f"another process holds {self._turn}")
                self._file = self._open(busy_seconds)

    def _open(self, busy_seconds: float) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            (version,) = file.execute("pragma user_version").fetchone()
            if version > _VERSION:
                raise sqlite3.DatabaseError(f"written by a newer version ({version}) of this client")
            file.execute("pragma journal_mode = wal")
            file.execute("pragma synchronous = full")  # an append has reached the disk when it returns
            file.executescript(f"begin immediate; {_SCHEMA} pragma user_version = {_VERSION}; commit;")
        except BaseException:
            file.close()
            raise
        return file

    def append(self, rows: Sequence[Row]) -> int:
        """Keep all of the rows, or none. Returns the place of the last. Raises SpoolFull, SpoolUnusable."""
        with self._guard, self._translated(), _transaction(self._file) as file:
            count, size = file.execute("select count, bytes from totals").fetchone()
            if count + len(rows) > self._most_rows or size + sum(row.size for row in rows) > self._most_bytes:
                raise SpoolFull(
                    f"{self._path.name} holds {count} rows of {size} bytes",
                    f"up to {self._most_rows} rows and {self._most_bytes} bytes; status() tells what holds them up",
                )
            values = [(row.function, row.payload, row.given_at) for row in rows]
            file.executemany("insert into spooled (function, payload, given_at) values (?, ?, ?)", values)
            return self._last(file)

    def peek(self, most: int, most_bytes: int) -> list[Row]:
        """The rows that wait longest; they stay. Call it, and drop, while `draining`."""
        with self._guard, self._translated():
            found = self._file.execute(
                "select function, payload, given_at, place from spooled order by place limit ?", (most,)
            ).fetchall()
        return within((Row(*each) for each in found), most_bytes)

    def drop(self, rows: Iterable[Row]) -> None:
        """Forget rows that `peek` gave."""
        with self._guard, self._translated(), _transaction(self._file) as file:
            file.executemany("delete from spooled where place = ?", [(row.place,) for row in rows])

    def counts(self) -> SpoolCounts:
        """What waits now, of all processes."""
        with self._guard, self._translated():
            count, size = self._file.execute("select count, bytes from totals").fetchone()
            oldest = self._file.execute("select given_at from spooled order by place limit 1").fetchone()
        return SpoolCounts(count, size, oldest[0] if oldest else None)

    def last(self) -> int:
        """The place of the row given last, waiting or gone."""
        with self._guard, self._translated():
            return self._last(self._file)

    def passed(self, place: int) -> bool:
        """Whether all rows up to a place are gone."""
        with self._guard, self._translated():
            (first,) = self._file.execute("select min(place) from spooled").fetchone()
        return first is None or first > place

    @contextmanager
    def draining(self) -> Iterator[bool]:
        """Whether it is this one's turn to send. Never waits; the kernel ends the turn of a process that died."""
        with self._translated(), self._turn_taken(0.0) as mine:
            yield mine

    def close(self) -> None:
        """Close the file; the rows stay."""
        with self._guard:
            self._file.close()

    @property
    def _turn(self) -> Path:
        return self._path.with_name(f"{self._path.name}-turn")

    @contextmanager
    def _turn_taken(self, seconds: float) -> Iterator[bool]:
        # A second SQLite file is only its lock: one that works between threads, between processes, and on any system.
        with closing(sqlite3.connect(self._turn, timeout=seconds, isolation_level=None)) as file:
            try:
                file.execute("begin exclusive")
            except sqlite3.OperationalError:
                yield False
            else:
                yield True

    @staticmethod
    def _last(file: sqlite3.Connection) -> int:
        found = file.execute("select seq from sqlite_sequence where name = 'spooled'").fetchone()
        return int(found[0]) if found else 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise SpoolFull(f"no room on the disk of {self._path.name}", "room on that disk") from error
            raise SpoolUnusable(
                f"spool {self._path}: {error}", "a file on a local disk that this user may write"
            ) from error
        except OSError as error:
            raise SpoolUnusable(
                f"spool {self._path}: {error}", "a file in a folder that this user may write"
            ) from error


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    file.execute("begin immediate")
    try:
        yield file
        file.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):  # where SQLite rolled back by itself, there is nothing to roll back
            file.execute("rollback")
        raise


def _touch(path: Path) -> None:
    """Make the file with rights for its owner alone. One that exists is not even opened: closing it would end this
    process's locks on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
