"""How an endpoint is made to answer with one of some labels, and how its answer is read.

Two dialects: a grammar (llama.cpp's GBNF) or a JSON schema (OpenAI's structured output). Does not call anything.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from glow_pipelines.providers.types import ProviderError

StructuredOutput = Literal["grammar", "json_schema"]
_JSON_ROOM = 64  # tokens for the braces, the key and the blanks some models put around them


def parameters(choices: Sequence[str], dialect: StructuredOutput) -> dict[str, Any]:
    """Arguments for `chat.completions.create` that allow only these labels."""
    if dialect == "grammar":
        return {"extra_body": {"grammar": grammar(choices)}}
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    }


def grammar(choices: Sequence[str]) -> str:
    r"""GBNF that derives exactly the labels, such as `root ::= "a" | "b\"c"`."""
    return "root ::= " + " | ".join(f'"{_escape(label)}"' for label in choices)


def room(choices: Sequence[str], dialect: StructuredOutput) -> int:
    """Tokens within which every label ends: a token is at least one byte, and one more token ends the answer."""
    longest = max(len(label.encode()) for label in choices)
    if dialect == "grammar":
        return longest + 1
    return max(len(json.dumps(label)) for label in choices) + _JSON_ROOM


def read(text: str, choices: Sequence[str], dialect: StructuredOutput) -> str:
    """The label in the answer. Raises ProviderError, not retryable, when it is none of them."""
    label: Any = text
    if dialect == "json_schema":
        try:
            label = json.loads(text)["answer"]
        except (ValueError, TypeError, LookupError):
            label = None
    if label not in choices:
        raise ProviderError(
            f"the answer {text[:200]!r} is none of the labels {list(choices)!r}: the endpoint does not enforce "
            f"structured output by {dialect}; try the other of grammar and json_schema",
            retryable=False,
        )
    return str(label)


def _escape(label: str) -> str:
    return "".join(_escaped(character) for character in label)


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"
