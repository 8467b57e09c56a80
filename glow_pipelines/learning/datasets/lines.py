"""Whether a JSONL line is what a tuning service accepts, and if not, what to do about it.

Belongs here: the shape of OpenAI's chat SFT and preference lines, and of triplets for retrieval. Does not belong here:
making them (export).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

_ROLES = ("system", "developer", "user", "assistant", "tool")
LineKind = Literal["sft", "preference", "retrieval"]
_FIELDS: dict[str, tuple[str, ...]] = {
    "sft": ("messages", "tools", "parallel_tool_calls"),
    "preference": ("input", "preferred_output", "non_preferred_output"),
    "retrieval": ("query", "positive", "negative"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong on a line: the field by path, its value (cut at 80 characters), and what to do."""

    line: int
    field: str
    value: str
    remedy: str


def validate_line(line: str, kind: LineKind, number: int = 1) -> list[Problem]:
    """Every problem of one line; none when it may be sent. `number` is the line's place, from 1."""
    try:
        row = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return [Problem(number, "", _cut(line), f"write one JSON object a line: {error}")]
    return validate_row(row, kind, number)


def validate_row(row: object, kind: LineKind, number: int = 1) -> list[Problem]:
    """The same of a line that is read already."""
    return [Problem(number, field, _cut(value), remedy) for field, value, remedy in _problems(row, kind)]


def problems_of_block(block: bytes, kind: LineKind, number: int = 1) -> Iterator[Problem]:
    """The problems of a block of whole lines, the first of which is line `number`.

    One expression passes at once all lines of the form we write, a tenth of the time of reading JSON; the others, which
    may still be fine, are for `validate_line`.
    """
    at, passes = 0, _OURS[kind].match
    while at < len(block):
        found = passes(block, at)
        end = at if found is None else found.end()
        number += block.count(b"\n", at, end)
        if end == len(block):
            return
        at = block.find(b"\n", end) + 1 or len(block)
        yield from validate_line(block[end:at].removesuffix(b"\n").decode("utf-8", "replace"), kind, number)
        number += 1


# A JSON string that does not begin with a space of any script (UTF-8), an escape or its end: it is not blank.
_SPACE = rb'[ "\\]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80'
_TEXT = rb'"(?!' + _SPACE + rb')(?:[^"\\\x00-\x1f]++|\\(?:["\\bfnrt]|u00[01][0-9a-f]|u2028|u2029|u0085))*+"'
_SAID = rb'\{"content":' + _TEXT + rb',"role":"'
_ASKED = rb'"messages":\[' + _SAID + rb'(?:system"\},' + _SAID + rb')?+user"\}'
_OURS: dict[LineKind, re.Pattern[bytes]] = {
    "sft": re.compile(rb"(?:\{" + _ASKED + rb"," + _SAID + rb'assistant"\}\]\}\n)*+'),
    "preference": re.compile(
        rb'(?:\{"input":\{' + _ASKED + rb'\]\},"non_preferred_output":\[\{"content":(?P<worse>' + _TEXT + rb")"
        rb',"role":"assistant"\}\],"preferred_output":\[\{"content":(?!(?P=worse))'
        + _TEXT
        + rb',"role":"assistant"\}\]\}\n)*+'
    ),
    "retrieval": re.compile(
        rb"(?:\{(?:"
        + rb'"negative":(?P<worse>'
        + _TEXT
        + rb'),"positive":(?!(?P=worse))'
        + rb'|"positive":)'
        + _TEXT
        + rb',"query":'
        + _TEXT
        + rb"\}\n)*+"
    ),
}
Found = Iterator[tuple[str, object, str]]


def _problems(row: object, kind: LineKind) -> Found:
    if not isinstance(row, dict):
        yield "", row, "write a JSON object, not a list or a bare value"
        return
    for field in row.keys() - set(_FIELDS[kind]):
        yield field, row[field], f"remove it; fields of a {kind} line: {', '.join(_FIELDS[kind])}"
    if kind == "sft":
        yield from _messages("messages", row.get("messages"), answered=True)
        return
    if kind == "retrieval":
        yield from _triplet(row)
        return
    given = row.get("input")
    if isinstance(given, dict):
        yield from _messages("input.messages", given.get("messages"), answered=False)
    else:
        yield "input", given, 'give {"messages": [...]}'
    outputs = []
    for field in ("preferred_output", "non_preferred_output"):
        output = row.get(field)
        if not isinstance(output, list) or len(output) != 1 or not isinstance(output[0], dict):
            yield field, output, "give a list of one assistant message"
        elif output[0].get("role") != "assistant":
            yield f"{field}[0].role", output[0].get("role"), "make it 'assistant'"
        else:
            yield from _content(f"{field}[0]", output[0])
            outputs.append(output[0].get("content"))
    if len(outputs) == 2 and outputs[0] == outputs[1]:
        yield "non_preferred_output", outputs[1], "it equals preferred_output: leave the pair out"


def _triplet(row: dict[str, object]) -> Found:
    texts = {field: row[field] for field in _FIELDS["retrieval"] if field in row}
    for field in ("query", "positive"):
        texts.setdefault(field, None)
    for field, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            yield field, text, "give text that is not blank" + (", or leave it out" if field == "negative" else "")
    if texts.get("negative") is not None and texts.get("negative") == texts["positive"]:
        yield "negative", texts["negative"], "it equals positive: leave it out"


def _messages(path: str, messages: object, *, answered: bool) -> Found:
    if not isinstance(messages, list) or not messages:
        yield path, messages, "give a list of messages"
        return
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    for at, (message, role) in enumerate(zip(messages, roles, strict=True)):
        if not isinstance(message, dict):
            yield f"{path}[{at}]", message, 'give {"role": ..., "content": ...}'
        elif role not in _ROLES:
            yield f"{path}[{at}].role", role, f"use one of {', '.join(_ROLES)}"
        elif not (role == "assistant" and message.get("tool_calls")):
            yield from _content(f"{path}[{at}]", message)
    if "user" not in roles:
        yield path, roles, "add the user's message"
    if answered and roles[-1] != "assistant":
        yield f"{path}[{len(roles) - 1}].role", roles[-1], "end with the assistant's answer"
    if not answered and roles[-1] == "assistant":
        yield f"{path}[{len(roles) - 1}].role", roles[-1], "end with the user's message; answers are the two outputs"


def _content(path: str, message: dict[str, object]) -> Found:
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        yield f"{path}.content", content, "give text that is not blank"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _cut(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
