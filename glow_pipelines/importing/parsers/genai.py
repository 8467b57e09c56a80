"""OTLP JSON read into GenAI spans: the same few facts, wherever an instrumentation put them.

Belongs here: OTLP's value types, and the places where prompts and answers stand. Does not: rows (otel).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from glow_pipelines.importing.messages import are_messages, is_message
from glow_pipelines.importing.parsers.pieces import objects, parsed
from glow_pipelines.importing.records import Record

Key = tuple[str, str]
_SCALARS = ("stringValue", "boolValue", "doubleValue", "bytesValue")
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


@dataclass(slots=True)
class Span:
    """A span, or the log records of one: `key` is trace and span id, times are nanoseconds since 1970, 0 when unknown.

    Filled while it is read, which is why it is not frozen.
    """

    key: Key
    parent: str = ""
    started: int = 0
    ended: int = 0
    attributes: Record = field(default_factory=dict)
    inputs: list[Record] = field(default_factory=list)
    outputs: list[Record] = field(default_factory=list)
    evaluations: list[Record] = field(default_factory=list)

    @property
    def has_content(self) -> bool:
        return bool(self.inputs and self.outputs)


def read(record: Record) -> dict[Key, Span] | None:
    """All spans of an OTLP object, log records among them by the span they name; None when it is none."""
    if not ("resourceSpans" in record or "resourceLogs" in record):
        return None
    spans: dict[Key, Span] = {}
    for resource, each in _each(record, "resourceSpans", ("scopeSpans", "instrumentationLibrarySpans"), "spans"):
        span = Span((str(each.get("traceId", "")), str(each.get("spanId", ""))), str(each.get("parentSpanId") or ""))
        span.started, span.ended = (
            _nanoseconds(each.get("startTimeUnixNano")),
            _nanoseconds(each.get("endTimeUnixNano")),
        )
        span.attributes = resource | _attributes(each.get("attributes"))
        _contents(span, span.attributes)
        for event in objects(each.get("events")):
            _event(span, str(event.get("name", "")), _attributes(event.get("attributes")), event.get("timeUnixNano"))
        spans[span.key] = span
    for resource, log in _each(record, "resourceLogs", ("scopeLogs",), "logRecords"):
        attributes = _attributes(log.get("attributes"))
        key = (str(log.get("traceId", "")), str(log.get("spanId", "")))
        span = spans.setdefault(key, Span(key, attributes=dict(resource)))
        name = str(log.get("eventName") or attributes.get("event.name") or "")
        body = _value(log.get("body"))
        if name == "gen_ai.client.inference.operation.details":
            span.attributes |= attributes
        at = log.get("timeUnixNano") or log.get("observedTimeUnixNano")
        span.started = span.started or _nanoseconds(at)
        _event(span, name, attributes | (body if isinstance(body, dict) else {"content": body}), at)
    return spans


def _event(span: Span, name: str, said: Record, at: Any) -> None:
    """What an event of a span, or a log record, adds: a message, an answer, or an evaluation."""
    content = parsed(said.get("gen_ai.event.content"))
    if isinstance(content, dict):
        said = said | content
    if name == "gen_ai.evaluation.result":
        span.evaluations.append(said | {"at": _nanoseconds(at) or None})
    elif name in ("gen_ai.client.inference.operation.details", "gen_ai.content.prompt", "gen_ai.content.completion"):
        _contents(span, said)
    elif name == "gen_ai.choice":
        span.outputs.append(_message(said.get("message", said), "assistant"))
    elif name in _ROLES:
        span.inputs.append(_message(said, _ROLES[name]))


def _contents(span: Span, attributes: Record) -> None:
    """Messages in attributes: today's, the numbered ones before them, and the single text before those."""
    for name, old, into in (("input", "prompt", span.inputs), ("output", "completion", span.outputs)):
        if into:
            continue
        messages = parsed(attributes.get(f"gen_ai.{name}.messages"))
        if are_messages(messages):
            into.extend(messages)
        elif numbered := list(_numbered(attributes, f"gen_ai.{old}.")):
            into.extend(numbered)
        elif (single := parsed(attributes.get(f"gen_ai.{old}"))) is not None:
            into.extend(
                single if are_messages(single) else [_message(single, "user" if name == "input" else "assistant")]
            )
    instructions = parsed(attributes.get("gen_ai.system_instructions"))
    if instructions and not any(each["role"] == "system" for each in span.inputs) and span.inputs:
        span.inputs.insert(
            0, {"role": "system", "parts": instructions if isinstance(instructions, list) else [instructions]}
        )


def _numbered(attributes: Record, prefix: str) -> Iterator[Record]:
    number = 0
    while (
        content := attributes.get(f"{prefix}{number}.content")
    ) is not None or f"{prefix}{number}.role" in attributes:
        role = attributes.get(f"{prefix}{number}.role")
        default = "user" if prefix == "gen_ai.prompt." else "assistant"
        found = parsed(content)
        yield {"role": str(role or default), "content": found if isinstance(found, list) else content or ""}
        number += 1


def _message(said: Any, role: str) -> Record:
    """An event's content as a message: text, parts, or a message already."""
    said = parsed(said)
    if is_message(said):
        return dict(said)
    if not isinstance(said, dict):
        return {"role": role, "content": said if isinstance(said, str | list) else str(said)}
    content = parsed(said.get("content", ""))
    calls = {"tool_calls": said["tool_calls"]} if said.get("tool_calls") else {}
    written = content if isinstance(content, str | list) else said.get("content")
    if isinstance(written, dict):  # {"text": …}, or an object the agent was given
        written = [written]
    return {"role": str(said.get("role") or role), "content": "" if written is None else written} | calls


def _each(record: Record, top: str, scopes: tuple[str, ...], inner: str) -> Iterator[tuple[Record, Record]]:
    """Attributes of the resource, and each span or log record below it."""
    for resource in objects(record.get(top)):
        about = resource.get("resource")
        service = _attributes(about.get("attributes") if isinstance(about, dict) else None)
        named: Record = {name: service[name] for name in ("service.name", "gen_ai.agent.name") if name in service}
        for name in scopes:
            for scope in objects(resource.get(name)):
                for each in objects(scope.get(inner)):
                    yield named, each


def _attributes(pairs: Any) -> Record:
    return {str(each.get("key")): _value(each.get("value")) for each in objects(pairs)}


def _value(value: Any) -> Any:
    """OTLP's AnyValue as JSON has it; 64-bit integers are texts there."""
    if not isinstance(value, dict):
        return value
    if "intValue" in value:
        return _nanoseconds(value["intValue"])
    for name in _SCALARS:
        if name in value:
            return value[name]
    if isinstance(inner := value.get("arrayValue"), dict):
        return [_value(each) for each in inner.get("values") or ()]
    if isinstance(inner := value.get("kvlistValue"), dict):
        return _attributes(inner.get("values"))
    return None


def _nanoseconds(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
