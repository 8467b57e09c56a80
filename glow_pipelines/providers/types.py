"""What goes to a chat model and what comes back. Values only: no wire format, no cache, no model.

A request is data from users: nothing here interprets a message's content.
"""

from dataclasses import dataclass
from typing import Literal

from glow_pipelines.errors import Actionable

Role = Literal["system", "user", "assistant"]


class ProviderError(Actionable):
    """A provider did not answer, or not with what was asked.

    `retryable`: the same request may succeed later (it was retried here already); else the request, the key or the
    configuration must change. `status` is the HTTP status, None when there was no HTTP answer or it was not the cause.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class TooLongError(ProviderError):
    """The request is longer than the model can hold. Nothing was answered, nor will be."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. A last turn of the assistant is a beginning for the model to continue, where the endpoint can."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. `choices`: the answer must be exactly one of these labels.

    `max_tokens` limits a free answer; a label is never cut by it. `seed` matters at `temperature` > 0 only.
    Raises ValueError for values no model could honour.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 64
    temperature: float = 0.0
    choices: tuple[str, ...] | None = None
    seed: int | None = 0

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("messages: () has no message; give at least one")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens: {self.max_tokens}; give a whole number of at least 1")
        if not 0.0 <= self.temperature <= 2.0:
            raise ValueError(f"temperature: {self.temperature}; give a number from 0 to 2")
        if self.choices is not None:
            _check_choices(self.choices)


@dataclass(frozen=True, slots=True)
class Usage:
    """What answers cost: `seconds` is wall time summed over calls (waiting for retries included), money in US dollars.

    `Usage()` is zero; usages add up with `+`, so `sum(usages, Usage())` works.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost_usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """`text`, and what getting it cost now: nothing (`Usage()`) when `cached`. `first` is what it cost when it was
    fresh, None for a fresh one."""

    text: str
    usage: Usage
    cached: bool
    first: Usage | None = None

    @property
    def worth(self) -> Usage:
        """What it cost when it was fresh."""
        return self.first or self.usage


def _check_choices(choices: tuple[str, ...]) -> None:
    if not choices or len(set(choices)) != len(choices):
        raise ValueError(f"choices: {choices!r}; give one or more labels, each once")
    for label in choices:
        # Servers trim answers, so such a label could never come back as it was given; NUL ends C strings.
        if not label or label != label.strip() or "\0" in label:
            raise ValueError(f"choices: {label!r}; a label is not empty, has no blanks around it and no NUL in it")
