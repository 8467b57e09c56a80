"""Whether a training file keeps to a service's rules: line by line, each problem with its field, value and remedy.

Belongs here: what a service asks beyond the shape that all share, and of the file as a whole. Does not: that shape
(datasets/lines), making lines (datasets/export), the limits themselves (capabilities).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from glow_pipelines.learning.datasets.lines import Problem, validate_row
from glow_pipelines.learning.models.types import Method, TuningCapabilities

_Found = Iterator[tuple[str, object, str]]
_MESSAGE_FIELDS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal"}


def file_problems(lines: Sequence[str], method: Method, capabilities: TuningCapabilities) -> list[Problem]:
    """Every problem of a training file; none when the service takes it. Those of the whole file are on line 0."""
    each = (line_problems(line, method, capabilities, number) for number, line in enumerate(lines, 1))
    return [*size_problems(lines, method, capabilities), *(problem for found in each for problem in found)]


def size_problems(lines: Sequence[str], method: Method, capabilities: TuningCapabilities) -> list[Problem]:
    """The problems of the file as a whole: its method, how many examples, how many bytes."""
    return [_problem(0, field, value, remedy) for field, value, remedy in _of_file(lines, method, capabilities)]


def line_problems(line: str, method: Method, capabilities: TuningCapabilities, number: int = 1) -> list[Problem]:
    """Every problem of one line, its line end aside. `number` is its place in the file, from 1."""
    if "\n" in line or "\r" in line:
        return [_problem(number, "", line, "write the example on one line: a line break in text is \\n in JSON")]
    try:
        row = json.loads(line, parse_constant=_refused_constant, object_pairs_hook=_once)
        line.encode()
    except UnicodeEncodeError:
        return [_problem(number, "", repr(line), "remove the half of a surrogate pair: it is no text in UTF-8")]
    except (ValueError, RecursionError) as error:
        return [_problem(number, "", line, f"write one JSON object a line: {error}")]
    if method == "reinforcement":
        return [_problem(number, *each) for each in _reinforcement(row, capabilities)]
    found = validate_row(row, "sft" if method == "supervised" else "preference", number)
    if isinstance(row, dict):
        found += [_problem(number, *each) for each in _of_service(row, method, capabilities)]
    return found


def _of_file(lines: Sequence[str], method: Method, capabilities: TuningCapabilities) -> _Found:
    service, mark = capabilities.provider, 3 if capabilities.byte_order_mark else 0
    if method not in capabilities.methods:
        yield "method", method, f"{service} trains by {', '.join(sorted(capabilities.methods)) or 'nothing'}"
    if len(lines) < capabilities.minimum_examples:
        yield "examples", len(lines), f"{service} trains on {capabilities.minimum_examples} at least"
    if capabilities.maximum_examples is not None and len(lines) > capabilities.maximum_examples:
        yield "examples", len(lines), f"{service} takes {capabilities.maximum_examples:,} at most"
    size = mark + sum(len(line.encode("utf-8", "surrogatepass")) + 1 for line in lines)
    if size > capabilities.maximum_file_bytes:
        yield "bytes", size, f"{service} takes {capabilities.maximum_file_bytes:,} at most"


def _of_service(row: dict[str, Any], method: Method, capabilities: TuningCapabilities) -> _Found:
    if method == "supervised":
        yield from _conversation("messages", row, capabilities)
        said = [each for each in _list(row.get("messages")) if isinstance(each, dict)]
        answers = [message for message in said if message.get("role") == "assistant"]
        if answers and all(message.get("weight", 1) == 0 for message in answers):
            yield "messages", "every weight 0", "give one answer weight 1, or nothing of the line is trained on"
        return
    given = row.get("input")
    if isinstance(given, dict):
        allowed = {"messages", "tools", "parallel_tool_calls"}
        for field in given.keys() - allowed:
            yield f"input.{field}", given[field], f"remove it; fields of an input: {', '.join(sorted(allowed))}"
        yield from _conversation("input.messages", given, capabilities)
    for field in ("preferred_output", "non_preferred_output"):
        for at, message in enumerate(_list(row.get(field))):
            if isinstance(message, dict):
                yield from _message(f"{field}[{at}]", message, capabilities)


def _reinforcement(row: object, capabilities: TuningCapabilities) -> _Found:
    """The prompt of `messages`, ending before the answer, and the fields the grader compares that answer with."""
    if not isinstance(row, dict):
        yield "", row, "write a JSON object, not a list or a bare value"
        return
    messages = _list(row.get("messages"))
    if not messages:
        yield "messages", row.get("messages"), "give a list of messages"
        return
    for at, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(message, dict):
            yield f"messages[{at}]", message, 'give {"role": ..., "content": ...}'
        elif not (isinstance(content, str) and content.strip()) and not message.get("tool_calls"):
            yield f"messages[{at}].content", content, "give text that is not blank"
    last = messages[-1].get("role") if isinstance(messages[-1], dict) else None
    if last != "user":
        yield f"messages[{len(messages) - 1}].role", last, "end with the user's message; the model answers it itself"
    yield from _conversation("messages", row, capabilities)
    references = row.keys() - {"messages", "tools", "parallel_tool_calls"}
    if not references:
        yield "", sorted(row), "add a field beside messages that the grader compares the answer with"
    for field in sorted(references):
        if row[field] is None or row[field] == "":
            yield field, row[field], "give the reference a value"


def _conversation(path: str, holder: dict[str, Any], capabilities: TuningCapabilities) -> _Found:
    rules, messages = capabilities.lines, _list(holder.get("messages"))
    for field in ("tools", "parallel_tool_calls"):
        if field in holder and not rules.tools:
            yield field, holder[field], f"remove it: {capabilities.provider} trains without tools"
    if "tools" in holder and rules.tools and not _list(holder["tools"]):
        yield "tools", holder["tools"], "give a list of tools, or leave it out"
    for at, message in enumerate(messages):
        if isinstance(message, dict):
            yield from _message(f"{path}[{at}]", message, capabilities)
    if rules.alternating:
        yield from _turns(path, [m.get("role") if isinstance(m, dict) else None for m in messages], capabilities)


def _message(path: str, message: dict[str, Any], capabilities: TuningCapabilities) -> _Found:
    rules, service, role = capabilities.lines, capabilities.provider, message.get("role")
    # A role that nobody knows is told by the shape already.
    if role in ("developer", "tool", "system", "user", "assistant") and role not in rules.roles:
        yield f"{path}.role", role, f"{service} takes {', '.join(sorted(rules.roles))}"
    for field in sorted(message.keys() - _MESSAGE_FIELDS):
        yield f"{path}.{field}", message[field], "remove it; it is no field of a message"
    if message.get("tool_calls") and not rules.tools:
        yield f"{path}.tool_calls", message["tool_calls"], f"remove it: {service} trains without tools"
    if "weight" in message:
        weight = message["weight"]
        if not rules.weights:
            yield f"{path}.weight", weight, f"remove it: {service} trains on every answer"
        elif isinstance(weight, bool) or weight not in (0, 1) or not isinstance(weight, int):
            yield f"{path}.weight", weight, "use 0 or 1"
        elif role != "assistant":
            yield f"{path}.weight", weight, "only an assistant's message has a weight"


def _turns(path: str, roles: list[object], capabilities: TuningCapabilities) -> _Found:
    start = 1 if roles[:1] == ["system"] else 0
    for at, role in enumerate(roles[start:], start):
        expected = "assistant" if (at - start) % 2 else "user"
        if role in ("system", "user", "assistant") and role != expected:
            yield f"{path}[{at}].role", role, f"{capabilities.provider} wants turns: here {expected!r} is due"
            return


def _list(value: object) -> list[Any]:
    """The value where it is a list, else nothing: that it should be one is told by the shape."""
    return value if isinstance(value, list) else []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once: of two, readers differ in which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for at, (name, _) in enumerate(pairs) if any(name == other for other, _ in pairs[:at]))
        raise ValueError(f"{twice[:40]!r} is there twice")
    return found


def _refused_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _problem(number: int, field: str, value: object, remedy: str) -> Problem:
    text = value if isinstance(value, str) else repr(value)
    return Problem(number, field, text if len(text) <= 80 else text[:79] + "…", remedy)
