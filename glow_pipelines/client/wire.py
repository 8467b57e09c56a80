"""Values on their way to the database: as arguments of one call, or as JSON for a row of a batch.

Belongs here: what turns Python values into what psycopg or JSON carries, unambiguously. Does not: which values are
accepted; the functions decide, but for what no JSON of Postgres can hold (NUL, half a surrogate pair, NaN).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from glow_pipelines.client.errors import InvalidValue

_INTEGER_BITS = 31
_JSON_ARRAYS = frozenset({"documents", "goals", "hits", "rows"})
"""Lists that are jsonb; other lists are SQL arrays, and an empty one does not tell."""


def plain(value: object) -> object:
    """A value as given by the caller, in types JSON knows; an instant without a zone is this machine's local time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.astimezone()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(each) for each in value]
    return value


def encode(value: object) -> str:
    """JSON that Postgres can store. Raises InvalidValue."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default)
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"a text holds {error.object[error.start : error.end]!r}", "valid Unicode") from error
    except RecursionError as error:
        raise InvalidValue("a JSON value is nested too deep", "at most some hundred levels") from error
    except (TypeError, ValueError) as error:
        raise InvalidValue(
            f"a value is not JSON: {error}", "texts, finite numbers, booleans, lists and objects"
        ) from error
    # An escaped backslash before u0000 is text that is fine: only the second look is exact.
    if "\\u0000" in text and _holds_nul(value):
        raise InvalidValue("a text holds '\\x00'", "text without NUL characters")
    return text


def decode(text: str) -> dict[str, Any]:
    """What `encode` made of an object."""
    row: dict[str, Any] = json.loads(text)
    return row


def argument(name: str, value: object) -> object:
    """A plain value as psycopg is to send it as the argument of this name."""
    if isinstance(value, Mapping) or name in _JSON_ARRAYS:
        return Jsonb(value, dumps=encode)
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return Decimal(str(value))  # the functions take numeric, and there is no way from float8 to it unasked
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        return str(value)  # as text it is "out of range"; as bigint, the function "does not exist"
    return value


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(each) for key, each in value.items())
    return isinstance(value, list | tuple) and any(_holds_nul(each) for each in value)
