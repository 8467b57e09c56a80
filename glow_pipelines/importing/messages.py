"""Chat messages, and whatever else stands where an input or an output is expected, as text.

Belongs here: the shapes of messages of OpenAI, OpenTelemetry GenAI and their kin. Does not: where a format keeps them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_TURNS = {"user", "human", "assistant", "ai", "model", "tool", "function"}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A chat as an execution sees it: what was asked, the last answer (None without one), the system prompt."""

    input: str
    output: str | None
    system: str | None


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and ("content" in value or "parts" in value)


def are_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_message(each) for each in value)


def dialogue(messages: Sequence[dict[str, Any]], answered: bool = True) -> Dialogue:
    """Split messages: with `answered`, the last assistant message is the output. One question is given as it is, more
    turns as a transcript. The system prompt is the agent's, not the user's, and so is no part of the input.
    """
    system = [content(each) for each in messages if each["role"] in ("system", "developer")]
    turns = [each for each in messages if each["role"] not in ("system", "developer")]
    output = None
    if answered and turns and turns[-1]["role"] in ("assistant", "ai", "model"):
        output = content(turns[-1])
        turns = turns[:-1]
    only = turns[0] if len(turns) == 1 else None
    asked = content(only) if only else "\n\n".join(f"{_name(each['role'])}: {content(each)}" for each in turns)
    return Dialogue(asked, output, "\n\n".join(system) or None)


def content(message: dict[str, Any]) -> str:
    """What a message says; tool calls as JSON when it says nothing else."""
    said = message.get("parts") if message.get("content") is None else message["content"]
    text = said if isinstance(said, str) else "\n".join(_part(each) for each in said) if isinstance(said, list) else ""
    calls = message.get("tool_calls") or message.get("function_call")
    return text if text or not calls else _dump(calls)


def as_text(value: Any) -> str:
    """The text of an input or output however it is wrapped: messages, choices, an object of one text; else as JSON."""
    match unwrapped(value):
        case str() as found:
            return found
        case None:
            return ""
        case bool() | int() | float() as found:
            return json.dumps(found)
        case list() as found if are_messages(found):
            said = dialogue(found, answered=False)
            return said.input or said.system or ""
        case list() as found if found and all(
            isinstance(each, dict) and isinstance(each.get("text"), str) for each in found
        ):
            return "\n".join(each["text"] for each in found)
        case dict() as found if is_message(found):
            return content(found)
        case dict() as found if (
            len(texts := [each for each in found.values() if isinstance(each, str)]) == len(found) == 1
        ):
            return str(texts[0])
        case found:
            return _dump(found)


def unwrapped(value: Any) -> Any:
    """Messages out of JSON text, `{"messages": …}`, `{"choices": …}`; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return value
        found = unwrapped(inner)
        # Text that happens to be JSON stays as it was written, unless it is a wrapping we know.
        return found if found is not inner or are_messages(inner) or is_message(inner) or _wraps_one(inner) else value
    if isinstance(value, dict):
        if are_messages(value.get("messages")):
            return value["messages"]
        choices = value.get("choices")
        if (
            isinstance(choices, list)
            and choices
            and isinstance(choices[0], dict)
            and is_message(choices[0].get("message"))
        ):
            return choices[0]["message"]
    return value


def _wraps_one(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), str)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return _dump(part)
    for key in ("text", "content", "refusal"):
        if isinstance(part.get(key), str) and part.get("type") not in ("blob", "image"):
            return str(part[key])
    match part.get("type"):
        case "tool_call":
            return _dump({"name": part.get("name"), "arguments": part.get("arguments")})
        case "tool_call_response":
            return as_text(part.get("response", part.get("result")))
        case str() as named:
            return f"[{named}]"
    return _dump(part)


def _name(role: str) -> str:
    return role.capitalize() if role in _TURNS else role


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
