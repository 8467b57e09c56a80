"""What a file becomes: rows for the database, refusals with their reason, and what is passed over.

Belongs here: those three, and the fields of each kind of row. Does not: how a format is read (parsers), how a value is
converted (values).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Kind = Literal["execution", "feedback", "retrieval", "annotation", "demonstration"]
Form = Literal["id", "text", "integer", "number", "object", "texts", "instant", "hits", "boolean"]
Record: TypeAlias = dict[str, Any]

FIELDS: dict[Kind, dict[str, Form]] = {
    "execution": {
        "execution_id": "id",
        "agent": "id",
        "input": "text",
        "output": "text",
        "user_id": "id",
        "conversation_id": "id",
        "channel": "id",
        "prompt_version": "id",
        "model": "id",
        "latency_ms": "integer",
        "prompt_tokens": "integer",
        "completion_tokens": "integer",
        "cost_usd": "number",
        "started_at": "instant",
        "metadata": "object",
        "tenant": "id",
    },
    "feedback": {
        "agent": "id",
        "execution_id": "id",
        "user_id": "id",
        "thumbs": "integer",
        "rating": "integer",
        "dimensions": "object",
        "issues": "texts",
        "comment": "text",
        "correction": "text",
        "withdrawn": "boolean",
        "channel": "id",
        "conversation_id": "id",
        "idempotency_key": "id",
        "occurred_at": "instant",
        "tenant": "id",
    },
    "retrieval": {
        "event_id": "id",
        "agent": "id",
        "query": "text",
        "hits": "hits",
        "execution_id": "id",
        "policy": "id",
        "configuration": "id",
        "model": "id",
        "index_number": "integer",
        "latency_ms": "integer",
        "user_id": "id",
        "conversation_id": "id",
        "occurred_at": "instant",
        "tenant": "id",
    },
    "annotation": {
        "execution_id": "id",
        "reviewer": "id",
        "verdict": "id",
        "output": "text",
        "dimensions": "object",
        "notes": "text",
        "idempotency_key": "id",
        "tenant": "id",
    },
    "demonstration": {
        "agent": "id",
        "expert": "id",
        "input": "text",
        "output": "text",
        "notes": "text",
        "idempotency_key": "id",
        "tenant": "id",
    },
}
"""The arguments of the batch functions of glow_api, less `sent_at`: a file has no clock of its own."""

KINDS: tuple[Kind, ...] = tuple(FIELDS)
FORMATS = ("jsonl", "csv", "parquet", "openai", "langfuse", "mlflow", "phoenix", "otel")
SAYS = ("thumbs", "rating", "dimensions", "issues", "comment", "correction")
"""The fields of which feedback must have one."""


class Row(NamedTuple):
    """One row for the database. A tuple and no dataclass: made for every row of a file, at a third of the cost."""

    kind: Kind
    payload: Record


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not imported: what is wrong with it in the words of the SQL functions, and the row itself.

    `kind` is "" when the record could not be read so far; `row` is the record, or the text of a line that is none.
    """

    kind: str
    code: str
    field: str
    message: str
    hint: str | None
    row: Any


@dataclass(frozen=True, slots=True)
class Passed:
    """A record of which nothing is kept, by design: `reason` says why, the same words for all alike."""

    reason: str


class Unacceptable(ValueError):
    """A value no row can be made of: the field, the value, the accepted form."""

    def __init__(self, field: str, value: object, accepted: str, code: str = "PT422") -> None:
        shown = "a missing value" if value is None else repr(value if isinstance(value, str) else str(value))[:82]
        super().__init__(f"{field}: {shown} is not accepted")
        self.field, self.accepted, self.code = field, accepted, code

    def refusal(self, row: object, kind: str = "") -> Refusal:
        return Refusal(kind, self.code, self.field, str(self), self.accepted, row)


Result: TypeAlias = Row | Refusal | Passed
Parser: TypeAlias = Callable[[Record], Iterable[Result]]
"""Makes the results of one record. Raises Unacceptable when nothing at all can be made of it."""


@dataclass(frozen=True)
class Options:
    """What the command line says about every row. `scale`: the lowest and highest value of a vendor's number scores."""

    agent: str | None = None
    tenant: str | None = None
    kind: Kind | None = None
    scale: tuple[float, float] | None = None
