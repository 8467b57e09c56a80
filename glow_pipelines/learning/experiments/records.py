"""Frozen dataclasses as JSON and back, bit for bit: plans, looks, statistics and ramps are stored and replayed.

Belongs here: the one translation, driven by the type annotations. Does not: what the records mean.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

SCALARS = (str, int, bool)


class Record:
    """What a frozen dataclass inherits to get `to_json` and `from_json`."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` turns into an equal record. Raises ValueError for NaN and infinities."""
        encoded: dict[str, Any] = encode(self)
        return encoded

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The record of a JSON object; missing fields take their default, unknown ones are refused."""
        record: Self = decode(cls, value, cls.__name__)
        return record


def encode(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists. −0.0 becomes 0.0: PostgreSQL's jsonb knows no negative zero."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): encode(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [encode(each) for each in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}; leave it out (None) instead")
        return float(value) + 0.0
    if value is None or isinstance(value, SCALARS):
        return value
    raise ValueError(f"cannot keep a {type(value).__name__} as JSON")


def decode(kind: Any, value: Any, where: str = "value") -> Any:
    """`value` read as the annotated type `kind`. An integer where a float belongs is a float: jsonb writes 1e22 so."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where}: a list is needed, got {value!r:.80}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(decode(arguments[0], each, f"{where}[{i}]") for i, each in enumerate(value))
        if len(value) != len(arguments):
            raise ValueError(f"{where}: {len(arguments)} values are needed, got {len(value)}")
        pairs = zip(arguments, value, strict=True)
        return tuple(decode(each, one, f"{where}[{i}]") for i, (each, one) in enumerate(pairs))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: an object is needed, got {value!r:.80}")
        return {name: decode(arguments[1], each, f"{where}.{name}") for name, each in value.items()}
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{where}: one of {', '.join(map(str, arguments))} is needed, got {value!r:.80}")
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind in SCALARS and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{where}: a {getattr(kind, '__name__', kind)} is needed, got {value!r:.80}")


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    # Two dataclasses in a union are told apart by their fields.
    fitting = [k for k in kinds if _is_fitting(k, value)]
    return decode((fitting or list(kinds))[0], value, where)


def _is_fitting(kind: Any, value: Any) -> bool:
    if not (isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping)):
        return False
    known: Any = kind
    return set(value) == set(_hints(known))


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: an object is needed, got {value!r:.80}")
    hints = _hints(kind)
    if unknown := sorted(set(value) - set(hints)):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(hints)}")
    try:
        return kind(**{name: decode(hints[name], each, f"{where}.{name}") for name, each in value.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
