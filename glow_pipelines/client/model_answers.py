"""What was asked of a model and what it answered, read off the objects of the openai client by their attributes.

Belongs here: both APIs, whole answers and streamed ones, as pure reading. Does not: logging (`openai`), passing streams
on (`model_streams`). The openai package is not needed: anything of the same shape is read.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """`output`: the text, or the tools called as JSON. Token counts are None where the model does not tell."""

    output: str
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Collector(Protocol):
    """Puts a streamed answer together."""

    def add(self, chunk: Any) -> None: ...

    def answer(self) -> ModelAnswer: ...


@dataclass(frozen=True, slots=True)
class ModelApi:
    """How one API of the openai client is read. `asked`: the argument that holds the question."""

    asked: str
    answer: Callable[[Any], ModelAnswer]
    collector: Callable[[], Collector]


def question(asked: Any) -> str:
    """The last thing the user said: of messages the last of role user, or else the last."""
    if isinstance(asked, str):
        return asked
    messages = [message for message in asked or () if isinstance(message, Mapping) and "content" in message]
    users = [message for message in messages if message.get("role") == "user"]
    return _text((users or messages)[-1]["content"]) if messages else ""


def chat_answer(completion: Any) -> ModelAnswer:
    """Of a ChatCompletion: its first choice."""
    choice = completion.choices[0] if completion.choices else None
    message = choice.message if choice else None
    tools = [(call.function.name, call.function.arguments) for call in getattr(message, "tool_calls", None) or ()
             if getattr(call, "function", None)]  # fmt: skip
    output = (message.content or getattr(message, "refusal", None) or "") if message else ""
    finish = choice.finish_reason if choice else None
    return _chat(output, tools, completion.model, completion.usage, completion.id, finish)


def response_answer(response: Any) -> ModelAnswer:
    """Of a Response: its text, or the functions it calls."""
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    usage = response.usage
    return ModelAnswer(
        response.output_text or _tools(calls),
        response.model,
        getattr(usage, "input_tokens", None),
        getattr(usage, "output_tokens", None),
        {"response_id": response.id, "finish_reason": response.status},
    )


class ChatChunks:
    """Of ChatCompletionChunks: their first choices, joined. Tokens are told with stream_options include_usage only."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tools: dict[int, list[str]] = {}
        self._usage: Any = None
        self._model: str | None = None
        self._id: str | None = None
        self._finish: str | None = None

    def add(self, chunk: Any) -> None:
        self._model, self._id = chunk.model or self._model, chunk.id or self._id
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index:
                continue
            self._texts.append(choice.delta.content or getattr(choice.delta, "refusal", None) or "")
            self._finish = choice.finish_reason or self._finish
            for call in choice.delta.tool_calls or ():
                tool = self._tools.setdefault(call.index, ["", ""])
                tool[0] += call.function.name or ""
                tool[1] += call.function.arguments or ""

    def answer(self) -> ModelAnswer:
        tools = [(name, arguments) for name, arguments in self._tools.values()]
        return _chat("".join(self._texts), tools, self._model, self._usage, self._id, self._finish)


class ResponseEvents:
    """Of the events of a Response: the last one has all of it; before that, the text so far."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._whole: ModelAnswer | None = None

    def add(self, chunk: Any) -> None:
        if chunk.type == "response.output_text.delta":
            self._texts.append(chunk.delta)
        elif chunk.type in ("response.completed", "response.incomplete", "response.failed"):
            self._whole = response_answer(chunk.response)

    def answer(self) -> ModelAnswer:
        return self._whole or ModelAnswer("".join(self._texts))


CHAT = ModelApi("messages", chat_answer, ChatChunks)
RESPONSES = ModelApi("input", response_answer, ResponseEvents)


def _chat(
    output: str,
    tools: list[tuple[str, str]],
    model: str | None,
    usage: Any,
    completion_id: str | None,
    finish: str | None,
) -> ModelAnswer:
    return ModelAnswer(
        output or _tools(tools),
        model,
        getattr(usage, "prompt_tokens", None),
        getattr(usage, "completion_tokens", None),
        {"response_id": completion_id, "finish_reason": finish},
    )


def _tools(calls: list[tuple[str, str]]) -> str:
    return json.dumps([{"name": name, "arguments": arguments} for name, arguments in calls]) if calls else ""


def _text(content: Any) -> str:
    """Of a message: a text, or parts of which some are texts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(
        part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )
