"""When two JSON values are equal, though one is written as text and the other is not.

Belongs here: the table of what may stand for what. Does not belong here: objects and arrays by path (fields).

| type    | taken for it                                                                                   |
|---------|------------------------------------------------------------------------------------------------|
| text    | text (NFKC, case and runs of blanks aside); a number or boolean as JSON writes it              |
| number  | a number; text that holds exactly one (`1,234.50 EUR`)                                         |
| integer | as number, without a fraction: 5.0 and "5" are 5                                               |
| boolean | true, false; the texts true, false, yes, no; not 1 and 0, which are numbers                    |
| date    | 2024-03-01, and a time behind it is dropped; not 03/01/2024, which is two dates                |
| any     | what the target's own JSON type says; null and a missing field are the same                    |
"""

import math
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from glow_pipelines.learning.prompts.metrics.number import Convention, parse_number
from glow_pipelines.learning.prompts.metrics.text import normalize

Kind = Literal["any", "text", "number", "integer", "boolean", "date"]
MISSING = None
"""A field that is not there is one that is null: models write either."""


def equal(said: Any, right: Any, kind: Kind, tolerance: float, convention: Convention) -> bool:
    """Whether two values mean the same. `tolerance` is relative to the right number."""
    if said is None or right is None:
        return said is None and right is None
    if kind == "any":
        kind = _kind_of(right)
    if kind in ("number", "integer"):
        one, other = _number(said, convention), _number(right, convention)
        if one is None or other is None:
            return False
        if kind == "integer":
            return one == other and one == one.to_integral_value()
        return abs(one - other) <= Decimal(repr(tolerance)) * abs(other)
    if kind == "boolean":
        flag = _boolean(right)
        return flag is not None and _boolean(said) == flag
    if kind == "date":
        day = _date(right)
        return day is not None and _date(said) == day
    if isinstance(said, dict | list) or isinstance(right, dict | list):
        return _nested(said, right, tolerance, convention)
    return normalize(_text(said)) == normalize(_text(right))


def _nested(said: Any, right: Any, tolerance: float, convention: Convention) -> bool:
    if isinstance(said, dict) and isinstance(right, dict):
        names = said.keys() | right.keys()
        return all(equal(said.get(each), right.get(each), "any", tolerance, convention) for each in names)
    if isinstance(said, list) and isinstance(right, list) and len(said) == len(right):
        return all(equal(one, other, "any", tolerance, convention) for one, other in zip(said, right, strict=True))
    return False


def _kind_of(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


def _number(value: Any, convention: Convention) -> Decimal | None:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int | float):
        return Decimal(repr(value)) if abs(value) < 1e100 else None
    found = parse_number(value, convention) if isinstance(value, str) else None
    return None if found is None else found.value


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return (
        {"true": True, "yes": True, "false": False, "no": False}.get(normalize(value))
        if isinstance(value, str)
        else None
    )


def _date(value: Any) -> date | None:
    if not isinstance(value, str):
        return None
    day = value.strip()[:10]
    if len(value.strip()) > 10 and value.strip()[10] not in "T ":
        return None
    try:
        return date.fromisoformat(day) if len(day) == 10 else None
    except ValueError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)
