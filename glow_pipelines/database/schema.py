"""The schema as one text to read: `python -m glow_pipelines.database.schema` prints what `sql/schema.sql` holds.

Belongs here: putting pg_dump's statements into a reader's order, keys and identities inside their tables. Does not:
deciding what is in the schema (`sql/`), applying anything (`migrate`).
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from glow_pipelines.database import urls
from glow_pipelines.database.binaries import Binaries, find_binaries
from glow_pipelines.database.connect import connect
from glow_pipelines.database.errors import DatabaseUnavailable
from glow_pipelines.database.migrate import migrate
from glow_pipelines.database.server import EmbeddedServer

HEADER = """\
-- The whole schema as it is today, for reading. Written by `make schema` from sql/migrations and sql/api: change those.
-- A test proves that it is what they make, and that an empty database loaded with it is the same. Not here: the roles
-- (glow_pipelines/database/roles.py), and the partitions of each month, which glow.ensure_partitions makes.

CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
-- Functions name tables and each other in no order.
SET check_function_bodies = off;
"""
TITLES = (
    "Schemas",
    "Kinds of values, and counters",
    "What tables rely on",
    "Tables, the oldest first",
    "Functions apps call",
)
SCHEMAS, DOMAINS, HELPERS, TABLES, API = range(len(TITLES))

_BANNER = re.compile(r"^--\n-- Name: (.+); Type: (.+); Schema: (.+); Owner: .*\n--\n", re.MULTILINE)
_TABLE = re.compile(r"\b(?:TABLE ONLY|ON TABLE|TABLE|VIEW|COLUMN|ON) glow\.(\w+)")
_REFERENCE = re.compile(r" REFERENCES glow\.(\w+)")
_CREATED = re.compile(r"(CREATE TABLE .*?)\n\)(\nPARTITION BY [^;]+)?;\s*(.*)", re.DOTALL)
_CONSTRAINT = re.compile(r"ALTER TABLE ONLY [\w.]+\n    ADD (CONSTRAINT [^;]+);")
_IDENTITY = re.compile(r"ALTER TABLE [\w.]+ ALTER COLUMN (\w+) ADD (GENERATED \w+(?: \w+)? AS IDENTITY) \(")
_SIGNATURE = re.compile(r"CREATE FUNCTION glow\.\w+(\(.*?\) RETURNS [^\n]+)", re.DOTALL)
_OF_TABLES = {"TABLE", "CONSTRAINT", "FK CONSTRAINT", "INDEX", "SEQUENCE", "DEFAULT", "TRIGGER", "POLICY"}
_OF_TABLES |= {"ROW SECURITY", "CHECK CONSTRAINT", "VIEW"}


@dataclass(frozen=True)
class Statement:
    """One object of a dump: its name, type and schema as pg_dump writes them, and its SQL."""

    name: str
    type: str
    schema: str
    text: str

    @property
    def table(self) -> str | None:
        """The table (or view of our own) it is or belongs to, if any."""
        if self.type in _OF_TABLES or self.name.startswith(("TABLE ", "VIEW ", "COLUMN ")):
            found = _TABLE.search(self.text)
            return found and found[1]
        return None

    @property
    def subject(self) -> str:
        """What it makes or is about: a function and its comment have the same."""
        return re.sub(r"^[A-Z]+ ", "", self.name).partition("(")[0]


def render(url: str, binaries: Binaries) -> str:
    """The schemas `glow` and `glow_api` of a database, the same text for the same schema whatever made it.

    Raises DatabaseUnavailable when pg_dump fails; its version must not be older than the server's.
    """
    with connect(url) as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'glow'::regnamespace and relkind in ('r', 'p', 'v')"
            " and not relispartition order by oid"
        ).fetchall()
    order = {name: position for position, (name,) in enumerate(rows)}
    sections: dict[int, list[str]] = {section: [] for section in range(len(TITLES))}
    statements = _read(_dump(url, binaries))
    takers = _takers(statements, order)
    for section in sections:
        chosen = [each for each in statements if _section(each, takers) == section]
        sections[section] = _arranged(chosen, order, takers)
    parts = (f"\n-- {TITLES[section]}\n\n" + "\n\n".join(texts) + "\n" for section, texts in sections.items() if texts)
    return HEADER + "".join(parts)


def _dump(url: str, binaries: Binaries) -> str:
    parts = conninfo_to_dict(urls.for_libpq(url))
    password = str(parts.pop("password", "") or "")  # by environment: command lines are everybody's to read
    command = [binaries.program("pg_dump"), "--schema-only", "--no-owner", "--schema=glow", "--schema=glow_api"]
    command += ["--exclude-table=glow.*_default", "--exclude-table=glow.*_[0-9][0-9][0-9][0-9]_[0-9][0-9]"]
    command += ["--dbname", make_conninfo("", **{name: str(value) for name, value in parts.items()})]
    environ = {**os.environ, "PGPASSWORD": password}
    answer = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if answer.returncode != 0:
        raise DatabaseUnavailable(f"pg_dump of {urls.mask(url)} failed: {answer.stderr.strip()}")
    return answer.stdout


def _read(dump: str) -> list[Statement]:
    """Without the session settings before the first object, and what follows the last one."""
    body = dump.partition("\n--\n-- PostgreSQL database dump complete")[0]
    _, *pieces = _BANNER.split(body)
    return [
        # Without the partitions an index of the parent alone is all there is.
        Statement(name, kind, schema, text.strip().replace(" ON ONLY ", " ON "))
        for name, kind, schema, text in zip(pieces[::4], pieces[1::4], pieces[2::4], pieces[3::4], strict=True)
    ]


def _takers(statements: Sequence[Statement], order: Mapping[str, int]) -> dict[str, str]:
    """Functions of our own that cannot stand before a table: it is in their signature, or in a body that is not quoted
    and so is read when they are made."""
    found = {}
    for each in statements:
        if each.schema == "glow" and (signature := _SIGNATURE.match(each.text)):
            read = signature[1] if " AS $" in each.text else each.text
            tables = set(re.findall(r"\bglow\.(\w+)", read)) & order.keys()
            if tables:
                found[each.subject] = max(tables, key=order.__getitem__)
    return found


def _section(statement: Statement, takers: Mapping[str, str]) -> int:
    if statement.table is not None or (statement.schema == "glow" and statement.subject in takers):
        return TABLES
    if statement.schema == "-":
        return SCHEMAS
    if statement.schema == "glow":
        return HELPERS if "FUNCTION" in (statement.type, statement.name.partition(" ")[0]) else DOMAINS
    return API


def _arranged(statements: Sequence[Statement], order: Mapping[str, int], takers: Mapping[str, str]) -> list[str]:
    """Texts, subject by subject: tables by age, the rest in pg_dump's order."""
    groups: dict[str, list[Statement]] = {}
    for each in statements:
        groups.setdefault(_home(each, order, takers), []).append(each)
    names = sorted(groups, key=lambda name: order.get(name, -1))
    return [_joined(groups[name]) for name in names]


def _home(statement: Statement, order: Mapping[str, int], takers: Mapping[str, str]) -> str:
    """A foreign key to a younger table stands with that one, so that the text can be loaded from top to bottom."""
    if statement.table is None:
        return takers.get(statement.subject, statement.subject) if statement.schema == "glow" else statement.subject
    target = _REFERENCE.search(statement.text) if statement.type == "FK CONSTRAINT" else None
    return max(statement.table, target[1] if target else statement.table, key=order.__getitem__)


def _joined(statements: Sequence[Statement]) -> str:
    """One subject: a table with its keys and identities written inside it, then what else belongs to it."""
    own, table, end, after = None, "", "", []
    for each in statements:
        constraint, identity = _CONSTRAINT.fullmatch(each.text), _IDENTITY.match(each.text)
        created = _CREATED.fullmatch(each.text) if each.type == "TABLE" else None
        if created:
            own, table, end = each.table, created[1], f"\n){created[2] or ''};"
            after += [created[3]] if created[3] else []  # forced row security
        elif constraint and each.table == own:
            table += f",\n    {constraint[1]}"
        elif identity:
            table = re.sub(rf"(?m)^(    {identity[1]} \w+) NOT NULL", rf"\1 {identity[2]}", table)
        else:
            after.append(each.text.replace("\n\t", "\n    "))
    return "\n".join([table + end, *after] if table else after)


def main() -> None:
    """Print the schema that the migrations make, from a server of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="glow-schema-") as folder:
        Path(folder).chmod(0o711)  # as root the server is another user
        server = EmbeddedServer(Path(folder), {"fsync": "off"})
        try:
            server.start()
            migrate(server.url("glow"))
            sys.stdout.write(render(server.url("glow"), find_binaries(os.environ)))
        finally:
            server.remove()


if __name__ == "__main__":
    main()
