"""Which system user runs PostgreSQL, and which folder that user can live in.

Belongs here: dropping root, testing what the server's user can reach, choosing the folder of the cluster.
Does not: starting anything that lasts (`cluster`). Nobody's folder is ever chmod-ed: only those made here.
"""

import hashlib
import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glow_pipelines.database.errors import DatabaseUnavailable
from glow_pipelines.files import write_whole

OVERRIDE = "GLOW_PG_DATA"
_DEFAULT_BASE = Path("/var/lib/glow")
_RECORD = "postgres.location"
_INSIDE = "postgres"


@dataclass(frozen=True)
class ServerUser:
    """The user PostgreSQL runs as; `dropped` when we are root and this is somebody else."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def run(
        self,
        command: list[str],
        output: Path | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> int:
        """Run a command as this user and return its exit status; its output goes to the file `output`, or nowhere.

        Never a pipe: pg_ctl hands its output on to the postmaster, and a reader of a pipe would wait for that to end.
        The environment starts empty: PGDATA, PGPORT, PGOPTIONS of the caller's shell must not reach the server.
        """
        with open(output or os.devnull, "wb") as sink:
            try:
                return subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env={"PATH": os.defpath, "LC_ALL": "C", **(environ or {})},
                    user=self.uid if self.dropped else None,
                    group=self.gid if self.dropped else None,
                    extra_groups=[] if self.dropped else None,
                    umask=0o077,
                    timeout=timeout,
                    check=False,
                ).returncode
            except PermissionError as error:
                if self.dropped and error.filename != command[0]:
                    raise DatabaseUnavailable(
                        f"root may not become user {self.name} here (a container without CAP_SETUID?): "
                        "run as a normal user or set DATABASE_URL"
                    ) from error
                return 126  # the shell's word for "found, but not executable for you"

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can pass through `folder`; asked of the system, which knows about mounts and ACLs."""
        return not self.dropped or self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]) == 0

    def can_run(self, program: Path) -> bool:
        """Whether this user can read and execute `program`."""
        return not self.dropped or self.run(["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(program)]) == 0


def choose_user(owner: int | None = None) -> ServerUser:
    """The caller; for root, the owner of an existing cluster, else `postgres`, else `nobody`.

    Raises DatabaseUnavailable when there is no such account, or when the cluster is another user's.
    """
    caller = os.geteuid()
    if caller != 0:
        if owner not in (None, caller):
            raise DatabaseUnavailable(
                f"the embedded database belongs to uid {owner}, you are uid {caller}: use its user"
            )
        try:
            return _from_account(pwd.getpwuid(caller), dropped=False)
        except KeyError:
            raise DatabaseUnavailable(
                f"uid {caller} has no entry in /etc/passwd, which initdb needs: add one or set DATABASE_URL"
            ) from None
    # The owner first: `postgres` may have been installed since, and PostgreSQL opens only its own user's files.
    for account in pwd.getpwall() if owner else ():
        if account.pw_uid == owner:
            return _from_account(account, dropped=True)
    for name in ("postgres", "nobody"):
        try:
            return _from_account(pwd.getpwnam(name), dropped=True)
        except KeyError:
            continue
    raise DatabaseUnavailable("PostgreSQL refuses to run as root, and neither user postgres nor nobody exists: add one")


def recorded_place(home: Path) -> Path | None:
    """The folder chosen by an earlier `choose_place`, if any."""
    record, inside = home / _RECORD, home / _INSIDE
    if record.exists():
        return Path(record.read_text().strip())
    return inside if inside.is_dir() else None  # found, not recorded: home may be moved, and its cluster with it


def choose_place(home: Path, user: ServerUser, environ: Mapping[str, str]) -> Path:
    """The folder that holds the cluster, made on first use: `home/postgres`, or where the user can go.

    Elsewhere is `/var/lib/glow/<12 hex digits of home's SHA-256>`; GLOW_PG_DATA replaces `/var/lib/glow` and then is
    always used. Raises DatabaseUnavailable when the remembered folder vanished or no folder is in reach.
    """
    place = recorded_place(home)
    if place is None:
        base = environ.get(OVERRIDE)
        if base or not user.can_enter(home):
            place = Path(base or _DEFAULT_BASE).absolute() / hashlib.sha256(str(home).encode()).hexdigest()[:12]
            _make(place, user)
            write_whole(home / _RECORD, f"{place}\n")
        else:
            place = home / _INSIDE
            _make(place, user)
    elif not place.is_dir():
        # Starting afresh would look like losing every vote: a container's /var/lib may be gone while home is a volume.
        raise DatabaseUnavailable(
            f"the embedded database was at {place}, which no longer exists: restore it, or delete {home / _RECORD} "
            f"to begin with an empty one (and set {OVERRIDE} to a folder that lasts)"
        )
    if not user.can_enter(place):
        raise DatabaseUnavailable(f"user {user.name} cannot enter {place}: set {OVERRIDE} to a folder open to all")
    return place


def _make(place: Path, user: ServerUser) -> None:
    for parent in reversed([folder for folder in place.parents if not folder.exists()]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755)  # ours since a moment ago; root's umask may be 077
    place.mkdir(exist_ok=True)
    if user.dropped:
        # Root's own, so that the server's user cannot plant links where root writes; that user may only pass through.
        os.chown(place, 0, user.gid)
        place.chmod(0o750)
    else:
        place.chmod(0o700)


def _from_account(account: pwd.struct_passwd, *, dropped: bool) -> ServerUser:
    return ServerUser(account.pw_name, account.pw_uid, account.pw_gid, dropped)
