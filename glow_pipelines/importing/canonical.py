"""Rows as bytes: the same content, the same bytes, the same key, whatever file it came in and wherever it stood there.

Belongs here: canonical JSON, keys and ids by content. Does not: making rows (parsers), sending (load).
"""

import json
import re
from hashlib import blake2b
from typing import Any

from glow_pipelines.importing.records import Kind, Record, Refusal, Row, Unacceptable

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_KEY: dict[Kind, str] = {
    "execution": "execution_id",
    "feedback": "idempotency_key",
    "retrieval": "event_id",
    "annotation": "idempotency_key",
    "demonstration": "idempotency_key",
}
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SHOWN = 20_000
_DEEPEST = 32
_UNICODE = "text that is valid Unicode, without NUL"


def content_id(kind: Kind, payload: Record) -> str:
    """The id of a row that brings none: "import:" and a hash of what it says. Raises what `encode` raises."""
    return _id(kind, _encode(payload).encode())


def encode(row: Row) -> bytes:
    """A row as canonical JSON, with an id or idempotency key of its content where it brings none.

    Raises Unacceptable for NaN, infinities, NUL, lone surrogates and JSON nested deeper than Python reads.
    """
    kind, payload = row
    try:
        text = _encode(payload)
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Unacceptable("text", error.object[error.start : error.end], _UNICODE, "PT400") from error
    except ValueError as error:
        raise Unacceptable("number", "NaN or infinity", "a finite number") from error
    except RecursionError as error:
        raise Unacceptable("row", "very deep JSON", "JSON nested at most 32 deep") from error
    if data.count(b"[") + data.count(b"{") > _DEEPEST and not is_shallow(payload):
        raise Unacceptable("row", "deep JSON", f"JSON nested at most {_DEEPEST} deep")
    if "\\u0000" in text and _NUL.search(text):
        raise Unacceptable("text", "\0", _UNICODE, "PT400")
    key = _KEY[kind]
    if key in payload or not payload:
        return data
    return b'%b,"%b":"%b"}' % (data[:-1], key.encode(), _id(kind, data).encode())


def is_shallow(value: Any) -> bool:
    """Whether JSON is nested at most as deep as the functions of glow_api take it; level by level, so at any depth."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        inner = [each for outer in level for each in (outer.values() if isinstance(outer, dict) else outer)]
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return True
    return False


def evidence(refusal: Refusal) -> str:
    """The refused row as JSON that a jsonb column holds, whatever was wrong with it; long ones by their beginning."""
    try:
        text = json.dumps(refusal.row, ensure_ascii=False, allow_nan=False, default=str)
        text.encode()
        whole = len(text) <= _SHOWN and not _NUL.search(text)
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        text, whole = _shown(refusal.row), False
    return text if whole else json.dumps(_storable(text))


def _shown(row: Any) -> str:
    if isinstance(row, str):
        return row
    try:
        return json.dumps(row, default=str)
    except RecursionError:
        return "(nested too deep to show)"


def _storable(text: str) -> str:
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return cut.replace("\0", "␀").replace("\\u0000", "␀").encode("utf-8", "backslashreplace").decode()


def _id(kind: Kind, data: bytes) -> str:
    return f"import:{blake2b(data, digest_size=16, person=kind.encode()).hexdigest()}"
