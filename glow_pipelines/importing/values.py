"""Values as the fields of a row take them.

Belongs here: conversion of one value. Does not: which value goes where (parsers, mapping), ranges that the SQL
functions check anyway.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from glow_pipelines.importing.messages import as_text
from glow_pipelines.importing.records import Form, Unacceptable

Convert = Callable[[str, Any], Any]
# Seconds, milliseconds, microseconds, nanoseconds: from 1973 on, their orders of magnitude do not meet.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0, 1.0))
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0*)?")


def identifier(field: str, value: Any) -> str:
    """Ids are text; numbers, as which many databases export them, are taken."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unacceptable(field, value, "a text or a whole number")


def text(field: str, value: Any) -> str:
    return value if isinstance(value, str) else as_text(value)


def integer(field: str, value: Any) -> int:
    if isinstance(value, bool):
        raise Unacceptable(field, value, "a whole number")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(float(value)) if "." in value else int(value)
    raise Unacceptable(field, value, "a whole number")


def number(field: str, value: Any) -> float | int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        found: float | int = value
    else:
        try:
            found = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise Unacceptable(field, value, "a number") from error
    if isinstance(found, float) and not math.isfinite(found):
        raise Unacceptable(field, value, "a finite number")
    return found


def boolean(field: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Unacceptable(field, value, "true or false")


def structure(field: str, value: Any) -> Any:
    """An object or array; in a table it stands as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Unacceptable(field, value, "JSON") from error
    return value


def texts(field: str, value: Any, separator: str = ";") -> list[Any]:
    """Several texts: an array, JSON text of one, or texts between separators."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            value = structure(field, value)
        else:
            value = [part.strip() for part in value.split(separator) if part.strip()]
    return value if isinstance(value, list) else [identifier(field, value)]


def instant(field: str, value: Any, form: str | None = None, zone: tzinfo = UTC) -> str:
    """A moment as ISO 8601 with zone: from ISO text, by `form` (strptime), or a number since 1970."""
    try:
        if isinstance(value, datetime):
            found = value
        elif form is not None:
            found = datetime.strptime(str(value), form)  # noqa: DTZ007 - the zone is put in below
        elif isinstance(value, str) and not value[4:5].isdigit():  # "1712011200000" would be a moment of the year 1712
            found = datetime.fromisoformat(value.removesuffix(" UTC"))
        else:
            found = since_1970(float(value))
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise Unacceptable(field, value, form or "ISO 8601, or a number since 1970") from error
    return (found if found.tzinfo else found.replace(tzinfo=zone)).isoformat()


def since_1970(value: float) -> datetime:
    """Seconds, milliseconds, microseconds or nanoseconds, told apart by their size."""
    unit = next((per_second for least, per_second in _UNITS if abs(value) >= least), 1.0)  # NaN is no moment below
    return datetime.fromtimestamp(value / unit, UTC)


def scaled(field: str, value: Any, low: float, high: float) -> float:
    """A number of the scale from `low` to `high` on ours from 1 to 5, of which both ends meet."""
    found = number(field, value)
    if not min(low, high) <= found <= max(low, high):
        raise Unacceptable(field, value, f"a number from {low:g} to {high:g}")
    return round(1 + 4 * (found - low) / (high - low), 4)


def stars(value: float) -> int:
    """The nearest whole star; halves go up, as people round."""
    return math.floor(value + 0.5)


CONVERT: dict[Form, Convert] = {
    "id": identifier,
    "text": text,
    "integer": integer,
    "number": number,
    "object": structure,
    "texts": texts,
    "instant": instant,
    "hits": structure,
    "boolean": boolean,
}
