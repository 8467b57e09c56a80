"""One way from our frozen dataclasses to plain JSON values. Reading back is each type's own `from_json`."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def jsonable(value: object) -> Any:
    """Dataclasses become objects, tuples become arrays, NaN and infinities become null (JSON has no word for them).

    Raises TypeError for anything else, naming its type.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}; use dataclasses, tuples, mappings, text and numbers")


def jsonb_text(value: Any) -> str:
    """Plain JSON data exactly as PostgreSQL's jsonb writes it: keys by length, then bytes; one blank after `,` and `:`.

    Holds for objects, arrays, text, whole numbers, booleans and null, which is all a prompt is made of.
    """
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {jsonb_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(jsonb_text(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


class Jsonable:
    """Mixin: `to_json()` gives the value as plain JSON data (a dict), ready for a jsonb column or a report."""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = jsonable(self)
        return data
