"""The calls about an agent's prompts: its versions, what was in force when, why a prompt is as it is, and going back.

Belongs here: names, arguments and results of these functions. Does not: serving a prompt (`reading.resolve_prompt`),
asking for a better one (`reading`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.client.call import Call, given, one, table


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A prompt that cannot change. `operator`: what made it of `parent`; `tokens`: estimated, without the input."""

    prompt_version: str
    aliases: list[str]
    operator: str
    created_at: datetime
    reason: str = ""
    rules: int = 0
    demonstrations: int = 0
    parent: str | None = None
    tokens: int | None = None
    operator_model: str | None = None
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PromptMove:
    """A move of an alias. `kind`: move, rollback; without `prompt_version` the alias was taken back."""

    move_id: int
    alias: str
    revision: int
    kind: str
    moved_by: str
    reason: str
    moved_at: datetime
    prompt_version: str | None = None
    previous: str | None = None
    gate_id: str | None = None
    experiment_id: str | None = None


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A part of a prompt (instruction, rule, demonstration) and one row it came from, with what that row `said`.

    `origin`: learned, inherited (from `origin_version`), written by a person, rewritten by a template; None where
    nothing is known to be behind the part: then `traced` is False.
    """

    part: str
    part_id: str
    traced: bool
    content: str | None = None
    origin: str | None = None
    origin_version: str | None = None
    role: str | None = None
    kind: str | None = None
    source_id: str | None = None
    source_role: str | None = None
    example_id: str | None = None
    said: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """The prompt that is in force again, and the one that was taken back."""

    prompt_version: str
    rolled_back: str
    status: str


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that happened to an agent, in a title and what it is about."""

    notification_id: int
    agent_name: str
    kind: str
    title: str
    body: dict[str, Any]
    created_at: datetime


def prompts(agent: str, most: int | None = None) -> Call[tuple[PromptVersion, ...]]:
    """An agent's prompt versions, the newest first."""
    return Call("prompts", given(locals()), table(PromptVersion))


def prompt_history(agent: str, most: int | None = None) -> Call[tuple[PromptMove, ...]]:
    """Every move of an agent's aliases, the newest first: who, why, and the gate and experiment behind it."""
    return Call("prompt_history", given(locals()), table(PromptMove))


def prompt_lineage(agent: str, prompt_version: str | None = None) -> Call[tuple[PromptSource, ...]]:
    """Every part of a prompt (by default that in production) with every row it came from."""
    return Call("prompt_lineage", given(locals()), table(PromptSource))


def rollback_prompt(agent: str, reason: str, prompt_version: str | None = None) -> Call[Rollback]:
    """Put the prompt in force again that was before, or another that once was. A second time it is refused."""
    return Call("rollback_prompt", given(locals()), one(Rollback), repeatable=False)


def notifications(
    agent: str | None = None, since: datetime | None = None, most: int | None = None
) -> Call[tuple[Notification, ...]]:
    """What happened that a person may want to know, of an agent or of all of them, the newest first."""
    return Call("notifications", given(locals()), table(Notification))
