"""The rows this noun is made of.

Belongs here: `ExecutionRow`, `FeedbackRow` and what one row says. Does not belong here: anything over many rows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """One run of an agent. `input` and `output` are hostile text: data, never code."""

    id: str
    agent: str
    input: str
    output: str
    user_id: str | None = None
    conversation_id: str | None = None
    prompt_version: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One current vote of a user on an execution. `user_id` None is an anonymous user: heard, never counted twice."""

    id: int
    agent: str
    execution_id: str
    user_id: str | None
    kind: str
    thumbs: Literal[-1, 1] | None
    rating: int | None
    issues: tuple[str, ...]
    comment: str | None
    correction: str | None
    conversation_id: str | None
    recorded_at: datetime


def sentiment(row: FeedbackRow) -> int | None:
    """+1 for, -1 against, 0 neither, None when the row holds no vote. Thumbs win over stars; 3 stars are neither.

    A correction without a vote is None: what it says about the output is for the reader to decide.
    """
    if row.thumbs is not None:
        return 1 if row.thumbs > 0 else -1
    if row.rating is None:
        return None
    return (row.rating > 3) - (row.rating < 3)
