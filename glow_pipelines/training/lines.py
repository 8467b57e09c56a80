"""Lines of a training file as training reads them.

Belongs here: JSON into messages, and which of them are learned. Does not: tokens (tokens), a service's rules for a file
(learning/models), which checks lines long before a job exists.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.folder import Method

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Conversation:
    """Messages in their order; `learned`: places of the assistant's messages that are learned."""

    messages: tuple[Message, ...]
    learned: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """A line. Supervised: `answers` is one conversation. Preference: the better one, then the worse."""

    line: int
    answers: tuple[Conversation, ...]

    @property
    def texts(self) -> Iterator[str]:
        return (message["content"] for each in self.answers for message in each.messages)


def read_examples(path: Path, method: Method) -> list[Example]:
    """Every line of the file. Raises CannotTrain naming the first line that is none of the method's."""
    found = []
    # Not splitlines(): a line separator within a text is no end of a line of JSON.
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answers = _supervised(row) if method == "supervised" else _preference(row)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise CannotTrain(f"{path.name}, line {number}: no line of {method} training: {error}") from error
        found.append(Example(number, answers))
    return found


def _supervised(row: Mapping[str, Any]) -> tuple[Conversation, ...]:
    messages = tuple(_message(each) for each in row["messages"])
    learned = tuple(
        place
        for place, (message, told) in enumerate(zip(messages, row["messages"], strict=True))
        if message["role"] == "assistant" and told.get("weight", 1)
    )
    if not learned or messages[-1]["role"] != "assistant":
        raise ValueError("the last message must be the assistant's, and one at least have a weight other than 0")
    return (Conversation(messages, learned),)


def _preference(row: Mapping[str, Any]) -> tuple[Conversation, ...]:
    asked = [_message(each) for each in row["input"]["messages"]]
    outputs = [_message(each) for each in (*row["preferred_output"], *row["non_preferred_output"])]
    if len(outputs) != 2 or any(each["role"] != "assistant" for each in outputs):
        raise ValueError("preferred_output and non_preferred_output hold one message of the assistant each")
    return tuple(Conversation((*asked, output), (len(asked),)) for output in outputs)


def _message(row: Mapping[str, Any]) -> Message:
    if not isinstance(row["content"], str) or row["role"] not in ("system", "user", "assistant"):
        raise ValueError("messages are of system, user or assistant, with a text as content; tools are not trained")
    return {"role": row["role"], "content": row["content"]}
