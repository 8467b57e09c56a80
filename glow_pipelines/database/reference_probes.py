"""What a value must look like, found out by sending wrong ones and reading what the database says of them.

Belongs here: wrong values for each type, and the hints they bring up. Does not: calling (`reference_calls`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import psycopg

from glow_pipelines.database.reference_calls import call, is_ours
from glow_pipelines.database.reference_catalog import Argument, Function
from glow_pipelines.database.reference_examples import Example

Forms = Mapping[str, tuple[str, ...]]
_HIT = {"rank": 0, "chunk_id": "", "score": "x", "leg": "x", "propensity": 0, "explicit": 2, "shown": 1}


def accepted_forms(connection: psycopg.Connection, function: Function, base: Example) -> tuple[Forms, tuple[str, ...]]:
    """Argument → what the database says is accepted, and what it did not refuse as it should.

    Each call is the base with one wrong value, and is rolled back. An argument is missing where none of its wrong
    values was refused on its account. The second part names values that brought up an error of PostgreSQL, not ours.
    """
    forms: dict[str, tuple[str, ...]] = {}
    flaws: list[str] = []
    for argument in function.arguments:
        hints: dict[str, None] = {}
        for value in _wrong(argument):
            try:
                hints |= dict.fromkeys(_hints(connection, function, base, argument.name, value))
            except psycopg.Error as error:
                shown = f"{function.name}({argument.name} => {str(value)[:40]!r})"
                flaws.append(f"{shown}: {error.sqlstate} {error.diag.message_primary}")
        if hints:
            forms[argument.name] = tuple(hints)
    return forms, tuple(flaws)


def _hints(connection: psycopg.Connection, function: Function, base: Example, name: str, value: Any) -> list[str]:
    try:
        with connection.transaction(force_rollback=True):
            answer = call(connection, function, base.role, {**base.arguments, name: value})
    except psycopg.Error as error:
        if not is_ours(error):
            raise
        field, _, part = (error.diag.message_primary or "").partition(": ")[0].partition(".")
        hint = error.diag.message_hint or ""
        return [f"{part}: {hint}" if part in _HIT else hint] if field == name and hint else []
    results = answer if isinstance(answer, list) else []
    return [row["hint"] for row in results if isinstance(row, dict) and row.get("status") == "refused"]


def _wrong(argument: Argument) -> list[Any]:
    """Values of the type, most of them wrong; null too, where the argument must be given."""
    values: dict[str, list[Any]] = {
        "text": ["", "a\x01", *("x" * size for size in (201, 2001, 10_001, 1_000_001))],
        "text[]": [[""], ["x"] * 101],
        "integer": [-1, 0, 2, 6, 100_000],
        "bigint": [0],
        "numeric": [-1, 1_000_000, Decimal("NaN")],
        "float8": [-1, 1_000_000],
        "interval": ["-1 second", "1 second", "1 year"],
        "numeric[]": [[Decimal(1)]],
        "jsonb": [1, [], {}, {"x": 1}, _nested(40), {"x": "x" * 100_001}],
    }
    special: dict[str, list[Any]] = {
        "rows": [[1], [{"?": 1}], [{}] * 10_001],
        "hits": [[{}], *([{"rank": 1, "chunk_id": "c", key: value}] for key, value in _HIT.items())],
    }
    missing = [None] if argument.default is None else []
    return missing + values.get(argument.type, []) + special.get(argument.name, [])


def _nested(depth: int) -> Any:
    return {"x": _nested(depth - 1)} if depth else {}
