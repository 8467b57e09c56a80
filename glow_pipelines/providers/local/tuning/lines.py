"""Whether a training file can be trained on, line by line, by OpenAI's forms.

Belongs here: the form of a line. Does not: whether training on it does any good, tokens.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LEAST_EXAMPLES = 10
_ROLES = ("system", "developer", "user", "assistant")


class BadLine(ValueError):
    """The file cannot be trained on; the message names the line."""


def check_file(path: Path, method: str, least: int = LEAST_EXAMPLES) -> int:
    """The number of examples. Raises BadLine."""
    check, count = _CHECKS[method], 0
    try:
        # Not splitlines(): a line separator within a text is no end of a line of JSON.
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLine("the file is gone, or no UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            check(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise BadLine(f"line {number}: {error}") from error
        count += 1
    if count < least:
        raise BadLine(f"{count} examples; at least {least} are needed")
    return count


def _supervised(row: Any) -> None:
    messages = _messages(_object(row, "the line").get("messages"), "messages")
    if messages[-1]["role"] != "assistant":
        raise ValueError("messages: the last one must be the assistant's")
    weights = [message.get("weight", 1) for message in messages if message["role"] == "assistant"]
    if any(type(weight) is not int or weight not in (0, 1) for weight in weights) or not any(weights):
        raise ValueError("messages: weight is 0 or 1, and 1 for at least one of the assistant's")


def _preference(row: Any) -> None:
    row = _object(row, "the line")
    if _messages(_object(row.get("input"), "input").get("messages"), "input.messages")[-1]["role"] == "assistant":
        raise ValueError("input.messages: the last one must not be the assistant's")
    for name in ("preferred_output", "non_preferred_output"):
        found = _messages(row.get(name), name)
        if len(found) != 1 or found[0]["role"] != "assistant":
            raise ValueError(f"{name}: one message of the assistant is needed")


_CHECKS: Mapping[str, Callable[[Any], None]] = {"supervised": _supervised, "dpo": _preference}


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: an object is needed")
    return value


def _messages(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name}: an array of messages is needed")
    for place, message in enumerate(value):
        message = _object(message, f"{name}[{place}]")
        if message.get("role") not in _ROLES:
            raise ValueError(f"{name}[{place}].role: {str(message.get('role'))[:40]!r}; use {', '.join(_ROLES)}")
        if not isinstance(message.get("content"), str):
            raise ValueError(f"{name}[{place}].content: a text is needed")
    return value
