"""How many tokens a training line has: by a tokenizer where one is at hand, else by an estimate that says so.

Belongs here: what of a line counts, and the estimate. Does not: finding a tokenizer (providers/tuning/tokenizers).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


def estimated_tokens(text: str) -> int:
    """Tokens of a text without its tokenizer: a third of its UTF-8 bytes, rather too many than too few."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 3)


@dataclass(frozen=True)
class TokenCounter:
    """Counts the tokens of a text. `name` tells how; `exact` is False for an estimate.

    `per_message` are the tokens a chat template puts around a message, its role included; `per_line` those around all.
    """

    name: str
    count: Callable[[str], int]
    exact: bool
    per_message: int = 5
    per_line: int = 3

    def line(self, text: str) -> int:
        """Tokens of one line of a training file, of every message in it. What cannot be read counts as plain text."""
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            return self.count(text)
        if not isinstance(row, dict):
            return self.count(text)
        said = list(_texts(row))
        return self.per_line + sum(self.count(each) + self.per_message for each in said)


ESTIMATE = TokenCounter("estimate (a third of the bytes)", estimated_tokens, exact=False)


def _texts(row: dict[str, Any]) -> Iterator[str]:
    """What a model reads of a line: the text of its messages, calls and tools as JSON. A preference trains on both
    answers, and its prompt is read with each."""
    given = row["input"] if isinstance(row.get("input"), dict) else row
    asked = [*_messages(given), *_tools(given)]
    answers = [list(_messages({"messages": row.get(name)})) for name in ("preferred_output", "non_preferred_output")]
    if given is row:
        yield from asked
        return
    for answer in answers:
        yield from asked
        yield from answer


def _messages(holder: dict[str, Any]) -> Iterator[str]:
    messages = holder.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        content, calls = message.get("content"), message.get("tool_calls")
        text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
        yield text + (json.dumps(calls) if calls else "")


def _tools(holder: dict[str, Any]) -> Iterator[str]:
    if tools := holder.get("tools"):
        yield json.dumps(tools)
