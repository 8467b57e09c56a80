"""Really making the calls of the reference, each by a login that has the one role it needs.

Belongs here: calling, what was answered, and writing a call as a person would. Does not: which calls
(`reference_examples`), wrong values (`reference_probes`), the page (`reference`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from glow_pipelines.database.reference_catalog import Function
from glow_pipelines.database.reference_examples import CONFIRM, EXAMPLES, STAGED, TOKEN, Example

INSTANT = "2026-11-22T14:00:00+00:00"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?")
# What is another each time -> what stands for it.
_ISSUED = {"token": TOKEN, "confirm": CONFIRM}
_CAST = re.compile(r"::\w+(\[\])?$")


@dataclass(frozen=True)
class Answer:
    """What came of an example: JSON (the rows of a table as an array), instants and tokens replaced; or a refusal."""

    example: Example
    value: Any = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None


def tell(connection: psycopg.Connection, functions: Mapping[str, Function]) -> Iterator[tuple[Example, Answer]]:
    """Make the calls of EXAMPLES one by one: each as it was made, with a real token, and what came of it.

    Call within a transaction that is rolled back: this makes a login for each role, and a file on its way in. The user
    of the connection must be a superuser. Raises psycopg.Error for an error that is none of ours.
    """
    for role in dict.fromkeys(example.role for example in EXAMPLES):
        names = {"login": sql.Identifier(_login(role)), "role": sql.Identifier(role)}
        connection.execute(sql.SQL("create role {login} login in role {role}").format(**names))
    for each in STAGED:
        connection.execute(each.encode())
    issued: dict[str, str] = {}
    for example in EXAMPLES:
        made = replace(example, arguments=_with_issued(example.arguments, issued))
        try:
            with connection.transaction():
                value = call(connection, functions[example.function], example.role, made.arguments)
        except psycopg.Error as error:
            if not is_ours(error):
                raise
            yield made, Answer(example, None, error.sqlstate, error.diag.message_primary, error.diag.message_hint)
        else:
            if isinstance(value, dict):
                issued |= {_ISSUED[name]: value[name] for name in _ISSUED.keys() & value.keys()}
            yield made, Answer(example, _fixed(value))


def is_ours(error: psycopg.Error) -> bool:
    """Whether a function of ours refused something, rather than PostgreSQL."""
    return (error.sqlstate or "").startswith("PT")


def call(connection: psycopg.Connection, function: Function, role: str, arguments: Mapping[str, Any]) -> Any:
    """What a function answers to a login of a role: JSON, or the rows of a table as a list of objects."""
    connection.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(_login(role))))
    rows = connection.execute(
        sql.SQL("select to_jsonb(r) from glow_api.{}({}) r").format(
            sql.Identifier(function.name), _named(function, arguments)
        )
    ).fetchall()
    connection.execute("reset session authorization")
    return [row for (row,) in rows] if function.returns == "table" else rows[0][0]


def _named(function: Function, arguments: Mapping[str, Any]) -> sql.Composed:
    types = {argument.name: argument.type for argument in function.arguments}
    return sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), _literal(value, types[name]))
        for name, value in arguments.items()
    )


def _literal(value: Any, type_: str) -> sql.Literal:
    return sql.Literal(Jsonb(value) if type_ == "jsonb" and value is not None else value)


def statement(function: Function, arguments: Mapping[str, Any]) -> str:
    """A call as a person would type it, on one line or, when that is long, with an argument on each."""
    types = {argument.name: argument.type for argument in function.arguments}
    parts = [f"{name} => {_typed(value, types[name])}" for name, value in arguments.items()]
    start = f"{'select * from' if function.returns == 'table' else 'select'} glow_api.{function.name}("
    short = f"{start}{', '.join(parts)});"
    return short if len(short) <= 110 else f"{start}\n  " + ",\n  ".join(parts) + ");"


def _typed(value: Any, type_: str) -> str:
    if type_ == "jsonb" and isinstance(value, list) and len(json.dumps(value)) > 90:
        rows = ",\n    ".join(_typed(row, type_)[1:-1] for row in value)
        return f"'[\n    {rows}]'"
    return _CAST.sub("", _literal(value, type_).as_string()).strip()


def _with_issued(arguments: Mapping[str, Any], issued: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: issued.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}


def _login(role: str) -> str:
    return role.replace("glow_", "reference_", 1)


def _fixed(value: Any, name: str = "") -> Any:
    """The same with what is different each time replaced."""
    if isinstance(value, dict):
        return {key: _fixed(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_fixed(each) for each in value]
    if isinstance(value, str):
        return _ISSUED.get(name) or _INSTANT.sub(INSTANT, value)
    return value
