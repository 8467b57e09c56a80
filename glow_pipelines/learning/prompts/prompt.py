"""What a prompt is: content, address, and how it becomes chat messages.

Belongs here: the immutable prompt and its rendering. Rendering concatenates; there is no template language, because
user text passes through it and must never be evaluated. Does not belong here: where prompts come from (operators),
whether they are good (race, gate), where they live (store).
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self, get_args

from glow_pipelines.learning.prompts.jsonable import Jsonable, jsonb_text

Role = Literal["system", "user", "assistant"]
DemonstrationLayout = Literal["turns", "inline"]


@dataclass(frozen=True)
class Rule(Jsonable):
    """One line of advice with the ids of the examples that support it; counters say how often it helped or harmed."""

    id: str
    text: str
    evidence: tuple[str, ...]
    helpful: int = 0
    harmful: int = 0


@dataclass(frozen=True)
class Demonstration(Jsonable):
    """A solved train example shown to the model."""

    example_id: str
    input: str
    output: str


@dataclass(frozen=True)
class RenderedPrompt(Jsonable):
    """Chat messages as (role, content), the closed set of answers if there is one, and the completion token limit."""

    messages: tuple[tuple[Role, str], ...]
    choices: tuple[str, ...] | None
    max_tokens: int


@dataclass(frozen=True)
class Prompt(Jsonable):
    """An immutable prompt. `choices` is the output contract: the only answers the caller accepts (None: free text).

    Raises ValueError when choices are empty or repeated, max_tokens < 1, or the layout is unknown.
    """

    instruction: str
    rules: tuple[Rule, ...] = ()
    demonstrations: tuple[Demonstration, ...] = ()
    choices: tuple[str, ...] | None = None
    max_tokens: int = 32
    input_prefix: str = ""
    demonstration_layout: DemonstrationLayout = "turns"

    def __post_init__(self) -> None:
        if self.choices is not None and (not self.choices or len(set(self.choices)) < len(self.choices)):
            raise ValueError(f"choices={self.choices!r} must be distinct and not empty; use None for free text")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens} must be >= 1")
        if self.demonstration_layout not in get_args(DemonstrationLayout):
            raise ValueError(f"demonstration_layout={self.demonstration_layout!r} must be 'turns' or 'inline'")

    def content(self) -> dict[str, Any]:
        """The prompt as JSON without what changes while the prompt does not: the rules' counters."""
        content = self.to_json()
        content["rules"] = [{key: rule[key] for key in ("id", "text", "evidence")} for rule in content["rules"]]
        return content

    @cached_property
    def sha256(self) -> str:
        """Content address: the hash of `content()` as PostgreSQL writes jsonb, so that the database can check it."""
        return hashlib.sha256(jsonb_text(self.content()).encode()).hexdigest()

    def describe(self) -> str:
        """The prompt as a person reads it, for diffs: system text, then the demonstrations as turns."""
        shown = [f"user: {self.input_prefix}{each.input}\nassistant: {each.output}" for each in self.demonstrations]
        allowed = [] if self.choices is None else [f"(answers: {', '.join(self.choices)})"]
        return "\n\n".join([self.system, *allowed, *shown])

    @property
    def system(self) -> str:
        """The system text: the instruction, then the rules as a list."""
        listed = "\n".join(f"- {rule.text}" for rule in self.rules)
        return "\n\n".join(part for part in (self.instruction, f"Rules:\n{listed}" if listed else "") if part)

    @cached_property
    def tokens(self) -> int:
        """Estimated prompt tokens without the input; see `estimate_tokens`."""
        return sum(estimate_tokens(content) + 4 for _, content in self.render("").messages)

    @cached_property
    def _head(self) -> tuple[tuple[Role, str], ...]:
        head: list[tuple[Role, str]] = [("system", self.system)] if self.system else []
        if self.demonstration_layout == "turns":
            for shown in self.demonstrations:
                head += [("user", self.input_prefix + shown.input), ("assistant", shown.output)]
        return tuple(head)

    def render(self, input: str) -> RenderedPrompt:
        """Chat messages for one input, which appears verbatim at the end of the last user message and nowhere else.

        Demonstrations are user text too, so even inline they stay in the user message, never in the system text.
        """
        shown = ""
        if self.demonstration_layout == "inline":
            shown = "".join(f"{self.input_prefix}{each.input}\n{each.output}\n\n" for each in self.demonstrations)
        last: tuple[Role, str] = ("user", shown + self.input_prefix + input)
        return RenderedPrompt((*self._head, last), self.choices, self.max_tokens)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError naming unknown fields, KeyError for a missing instruction."""
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown prompt fields {sorted(unknown)}; accepted: {[f.name for f in fields(cls)]}")
        given = dict(data, instruction=data["instruction"])
        given["rules"] = tuple(Rule(**{**rule, "evidence": tuple(rule["evidence"])}) for rule in data.get("rules", ()))
        given["demonstrations"] = tuple(Demonstration(**shown) for shown in data.get("demonstrations", ()))
        given["choices"] = None if data.get("choices") is None else tuple(data["choices"])
        return cls(**given)


def estimate_tokens(text: str) -> int:
    """A quarter of the UTF-8 bytes or the number of words, whichever is more, rounded up.

    Near byte-level BPE for European text and on the high side for most other scripts; for limits and ties, never
    billing.
    """
    return max(math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4), len(text.split()))
