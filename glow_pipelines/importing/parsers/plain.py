"""Records that already carry the names of our arguments.

Belongs here: which kinds of row such a record gives. Does not: records with other names (mapping).
"""

from collections.abc import Iterable
from itertools import islice

from glow_pipelines.importing.canonical import content_id
from glow_pipelines.importing.records import FIELDS, KINDS, SAYS, Kind, Options, Record, Result, Row, Unacceptable
from glow_pipelines.importing.values import CONVERT, Convert

_REMEMBERED = 1000  # sets of columns; hostile files have a new one in every line
_CONVERTERS: dict[Kind, dict[str, Convert]] = {
    kind: {name: CONVERT[form] for name, form in fields.items()} for kind, fields in FIELDS.items()
}
_TEXTS: dict[Kind, frozenset[str]] = {
    kind: frozenset(name for name, form in fields.items() if form in ("id", "text")) for kind, fields in FIELDS.items()
}


class PlainRecords:
    """Parser of such records: the kind is given, or stands in a column `kind`, or is seen by the columns."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: dict[tuple[str, ...], tuple[Kind, ...]] = {}

    def __call__(self, record: Record) -> Iterable[Result]:
        kinds = self._kinds(record)
        if len(kinds) == 2 and all(record.get(name) is None for name in SAYS):
            kinds = kinds[:1]
        rows = [Row(kind, fill(kind, record, self._options)) for kind in kinds]
        if rows[-1].kind == "feedback" and record.get("kind") in ("vote", "correction"):
            rows[-1].payload["kind"] = record["kind"]  # which of the two a withdrawal means
        if len(rows) == 2 and "execution_id" not in rows[0].payload:
            rows[1].payload["execution_id"] = content_id(*rows[0])
        return rows

    def _kinds(self, record: Record) -> tuple[Kind, ...]:
        if self._options.kind:
            return (self._options.kind,)
        if (named := record.get("kind")) in KINDS:
            return (named,)
        columns = tuple(record)
        if (kinds := self._seen.get(columns)) is None:
            kinds = self._seen[columns] = kinds_of(record)
            for oldest in list(islice(self._seen, max(0, len(self._seen) - _REMEMBERED))):
                del self._seen[oldest]
        return kinds


def kinds_of(columns: Iterable[str]) -> tuple[Kind, ...]:
    """The rows that a record of these columns gives. Raises Unacceptable when they are none we know."""
    names = set(columns)
    if {"query", "hits"} <= names:
        return ("retrieval",)
    if {"reviewer", "verdict"} <= names:
        return ("annotation",)
    if {"expert", "input", "output"} <= names:
        return ("demonstration",)
    if {"input", "output"} <= names:
        return ("execution", "feedback") if names & set(SAYS) else ("execution",)
    if names & {*SAYS, "withdrawn"}:
        return ("feedback",)
    raise Unacceptable(
        "columns", ", ".join(sorted(names)), "columns named as arguments of glow_api, --kind or --mapping"
    )


def fill(kind: Kind, record: Record, options: Options) -> Record:
    """The fields of a kind that a record has, converted; agent and tenant from the options where it has none."""
    payload: Record = {}
    converters, texts = _CONVERTERS[kind], _TEXTS[kind]
    for name, value in record.items():
        if type(value) is str and name in texts:  # most values are: 1 µs a row
            payload[name] = value
        elif value is not None and (convert := converters.get(name)) is not None:
            payload[name] = convert(name, value)
    return completed(kind, payload, options)


def completed(kind: Kind, payload: Record, options: Options) -> Record:
    """Put the agent and tenant of the options where a row has none."""
    if options.agent is not None and kind != "annotation":
        payload.setdefault("agent", options.agent)
    if options.tenant is not None:
        payload.setdefault("tenant", options.tenant)
    return payload
