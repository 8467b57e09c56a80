"""A mapping file: which column or path of a record becomes which field of which row.

Belongs here: reading and checking the TOML file, applying it to a record. Does not: converting values (values).
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from glow_pipelines.errors import Actionable
from glow_pipelines.importing import values
from glow_pipelines.importing.canonical import content_id
from glow_pipelines.importing.parsers.pieces import dig
from glow_pipelines.importing.parsers.plain import completed
from glow_pipelines.importing.records import (
    FIELDS,
    KINDS,
    SAYS,
    Form,
    Kind,
    Options,
    Passed,
    Record,
    Result,
    Row,
    Unacceptable,
)

_ANY: tuple[str, ...] = ("path", "constant", "default", "values")
_OPTIONS: dict[Form, tuple[str, ...]] = {
    "integer": ("scale",),
    "number": ("scale",),
    "instant": ("time", "zone"),
    "texts": ("separator",),
}


class MappingError(Actionable):
    """The mapping file cannot be used: the message names the key and the accepted form."""


@dataclass(frozen=True)
class Field:
    """Where a field comes from. `name` may lead into an object: "dimensions.accuracy"."""

    name: str
    form: Form
    paths: tuple[str, ...] = ()
    constant: Any = None
    default: Any = None
    values: Mapping[str, Any] | None = None
    scale: tuple[float, float] | None = None
    time: str | None = None
    zone: tzinfo = UTC
    separator: str = ";"

    def of(self, record: Record) -> Any:
        """The field's value in a record, None when it has none. Raises Unacceptable."""
        if self.constant is not None:
            return self.constant
        found = next((value for path in self.paths if (value := dig(record, path)) not in (None, "")), None)
        if found is None:
            return self.default
        if self.values is not None:
            return self._mapped(found)
        if self.scale is not None:
            stars = values.scaled(self.name, found, *self.scale)
            return values.stars(stars) if self.form == "integer" else stars
        match self.form:
            case "instant":
                return values.instant(self.name, found, self.time, self.zone)
            case "texts":
                return values.texts(self.name, found, self.separator)
        return values.CONVERT[self.form](self.name, found)

    def _mapped(self, found: Any) -> Any:
        assert self.values is not None
        word = found if isinstance(found, str) else values.text(self.name, found)
        for key in (word, word.strip(), word.strip().casefold()):
            if key in self.values:
                return self.values[key]
        if self.default is not None:
            return self.default
        raise Unacceptable(self.name, found, f"one of {', '.join(self.values)}, or a default in the mapping file")


@dataclass(frozen=True)
class RowMapping:
    """One row of each record; with `when`, only of records that have a value at that path."""

    kind: Kind
    fields: tuple[Field, ...]
    when: str | None = None


class MappedRecords:
    """Parser of records by a mapping."""

    def __init__(self, rows: tuple[RowMapping, ...], options: Options) -> None:
        self._rows, self._options = rows, options

    def __call__(self, record: Record) -> Iterable[Result]:
        results: list[Result] = []
        execution_id: str | None = None
        for mapping in self._rows:
            if mapping.when is not None and dig(record, mapping.when) in (None, ""):
                continue
            try:
                row = Row(mapping.kind, completed(mapping.kind, _payload(mapping, record), self._options))
            except Unacceptable as error:
                results.append(error.refusal(record, mapping.kind))
                continue
            if row.kind == "execution":
                execution_id = row.payload.get("execution_id") or content_id(*row)
            elif execution_id is not None and "execution_id" in FIELDS[row.kind]:
                row.payload.setdefault("execution_id", execution_id)
            if row.kind == "feedback" and not row.payload.keys() & {*SAYS, "withdrawn"}:
                continue
            results.append(row)
        return results or [Passed("record of which the mapping makes nothing")]


def read_mapping(path: Path) -> str:
    """The text of a mapping file. Raises MappingError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"cannot read the mapping file {path}: {error}") from error


def parse_mapping(text: str) -> tuple[RowMapping, ...]:
    """The rows of a mapping file's text. Raises MappingError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"the mapping file is no TOML: {error}") from error
    rows = content.pop("row", None)
    if content or not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        extra = f"; unknown: {', '.join(content)}" if content else ""
        raise MappingError(
            f"mapping: a [[row]] with kind and fields for each row that a record gives is accepted{extra}"
        )
    return tuple(_row(f"row {number}", row) for number, row in enumerate(rows, 1))


def _payload(mapping: RowMapping, record: Record) -> Record:
    payload: Record = {}
    for field in mapping.fields:
        value = field.of(record)
        if value is None:
            continue
        outer, _, inner = field.name.partition(".")
        if inner:
            payload.setdefault(outer, {})[inner] = value
        else:
            payload[outer] = value
    return payload


def _row(where: str, row: Mapping[str, Any]) -> RowMapping:
    kind, fields, when = row.get("kind"), row.get("fields"), row.get("when")
    unknown = row.keys() - {"kind", "fields", "when"}
    if kind not in KINDS:
        raise MappingError(f"{where}: kind = {kind!r} is not accepted: {', '.join(KINDS)}")
    if unknown or not isinstance(fields, dict) or not fields or not isinstance(when, str | None):
        raise MappingError(f"{where}: kind, [row.fields] and, if wanted, when (a path) are accepted")
    return RowMapping(kind, tuple(_field(f"{where} ({kind})", kind, *item) for item in _flattened(kind, fields)), when)


def _flattened(kind: Kind, fields: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """`dimensions.accuracy = "a"` is a table to TOML: its entries are fields of their own, unless they are options."""
    for name, given in fields.items():
        if FIELDS[kind].get(name) == "object" and isinstance(given, dict) and not given.keys() & set(_ANY):
            yield from ((f"{name}.{inner}", each) for inner, each in given.items())
        else:
            yield name, given


def _field(where: str, kind: Kind, name: str, given: Any) -> Field:
    outer, _, inner = name.partition(".")
    form = FIELDS[kind].get(outer)
    if form is None or (inner and form != "object"):
        raise MappingError(f"{where}: no field {name!r}; accepted: {', '.join(FIELDS[kind])}")
    if inner:
        form = "number" if outer == "dimensions" else "text"
    where = f"{where}, {name}"
    if isinstance(given, str | list):
        given = {"path": given}
    if not isinstance(given, dict):
        raise MappingError(f"{where}: a path in quotes is accepted, or a table; a fixed value is {{ constant = … }}")
    allowed = (*_ANY, *_OPTIONS.get(form, ()))
    if unknown := given.keys() - set(allowed):
        raise MappingError(f"{where}: {', '.join(sorted(unknown))} is not accepted here; {', '.join(allowed)} is")
    paths = given.get("path", ())
    paths = (paths,) if isinstance(paths, str) else tuple(paths)
    if not all(isinstance(path, str) and path for path in paths) or bool(paths) == ("constant" in given):
        raise MappingError(f"{where}: either a path (or several, of which the first with a value counts) or a constant")
    return Field(
        name,
        form,
        paths,
        given.get("constant"),
        given.get("default"),
        _values(where, given.get("values")),
        _scale(where, given.get("scale")),
        given.get("time"),
        _zone(where, given.get("zone", "UTC")),
        str(given.get("separator", ";")),
    )


def _values(where: str, given: Any) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, dict):
        return given
    raise MappingError(f'{where}: values = {{ "👍" = 1, "👎" = -1 }} is the accepted form')


def _scale(where: str, given: Any) -> tuple[float, float] | None:
    if given is None:
        return None
    if (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(n, int | float) for n in given)
        and given[0] != given[1]
    ):
        return float(given[0]), float(given[1])
    raise MappingError(f"{where}: scale = [0, 1] is the accepted form: the values that become 1 and 5")


def _zone(where: str, given: Any) -> tzinfo:
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise MappingError(f"{where}: zone = {given!r} is no time zone; e.g. UTC or Europe/Berlin") from error
