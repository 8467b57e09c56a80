"""The functions of schema glow_api as the catalog of a migrated database has them.

Belongs here: what a function is called, takes, answers, and who may call it. Does not: what its answers look like
(`reference_calls`), the page (`reference`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from glow_pipelines.database.errors import MigrationError
from glow_pipelines.database.sql_files import read_api

# Functions that run as their owner are the ones for callers; the others are called by those (sql/api/00_schema.sql).
_FUNCTIONS = """
select p.proname, coalesce(obj_description(p.oid, 'pg_proc'), ''), p.proretset, format_type(p.prorettype, null),
       array(select a.grantee::regrole::text from aclexplode(p.proacl) a
              where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE' order by 1),
       (select jsonb_agg(jsonb_build_array(u.name, format_type(u.type, null), coalesce(u.mode, 'i'),
                                           pg_get_function_arg_default(p.oid, u.n::integer)) order by u.n)
          from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
               with ordinality as u(name, type, mode, n))
  from pg_proc p where p.pronamespace = 'glow_api'::regnamespace and p.prosecdef order by p.oid
"""
_CREATED = re.compile(r"^create function glow_api\.(\w+)\(", re.MULTILINE)
_ROLE = re.compile(r"^--   (glow_\w+) +(.+)$", re.MULTILINE)
_SHORT = {"timestamp with time zone": "timestamptz", "double precision": "float8"}


@dataclass(frozen=True)
class Argument:
    """A named value a function takes or, as a column, answers; `default` is SQL, None where it must be given."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True)
class Function:
    """`callers`: the roles it is granted to, none where only the owner may call; `columns`: of the table it answers."""

    name: str
    noun: str
    comment: str
    returns: str
    arguments: tuple[Argument, ...]
    columns: tuple[Argument, ...]
    callers: tuple[str, ...]


@dataclass(frozen=True)
class Noun:
    """A file of sql/api: its name, and the first sentence of its first comment."""

    name: str
    about: str


def read_functions(connection: psycopg.Connection, folder: Path) -> tuple[Function, ...]:
    """What callers may call, in the order of the files of `folder`/api.

    Raises MigrationError for a function that is written in none of them.
    """
    order = {
        name: (file.name, place) for file in read_api(folder) for place, name in enumerate(_CREATED.findall(file.text))
    }
    functions = []
    for name, comment, is_set, returns, callers, raw in connection.execute(_FUNCTIONS).fetchall():
        if name not in order:
            raise MigrationError(f"glow_api.{name} is in the database and in no file of {folder / 'api'}: migrate anew")
        values = [(mode, _argument(argument, type_, default)) for argument, type_, mode, default in raw or ()]
        taken = tuple(each for mode, each in values if mode == "i")
        columns = tuple(each for mode, each in values if mode != "i")
        noun = order[name][0].removesuffix(".sql").lstrip("0123456789_")
        functions.append(
            Function(name, noun, comment, "table" if is_set else _short(returns), taken, columns, tuple(callers))
        )
    return tuple(sorted(functions, key=lambda function: order[function.name]))


def read_nouns(folder: Path) -> tuple[Noun, ...]:
    """One for each file of `folder`/api, in order."""
    nouns = []
    for file in read_api(folder):
        opening = " ".join(
            line.removeprefix("--").strip() for line in re.findall(r"\A(?:--.*\n)+", file.text)[0].splitlines()
        )
        nouns.append(
            Noun(file.name.removesuffix(".sql").lstrip("0123456789_"), re.split(r"(?<=\.) ", opening)[0].strip())
        )
    return tuple(nouns)


def read_roles(folder: Path) -> Mapping[str, str]:
    """Role → what it is for, from the head of the file that grants."""
    return {
        name: text
        for file in read_api(folder)
        if file.name == "zz_privileges.sql"
        for name, text in _ROLE.findall(file.text)
    }


def _argument(name: str, type_: str, default: Any) -> Argument:
    plain = default and re.sub(r"::[a-z ]+(\[\])?$", "", default)
    return Argument(name, _short(type_), "null" if plain == "NULL" else plain)


def _short(type_: str) -> str:
    return _SHORT.get(type_, type_)
