"""The rows this noun is made of.

Belongs here: `AnnotationRow`, `ComparisonRow`, `GoldReview`. Does not belong here: anything over many rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Verdict = Literal["approve", "correct", "reject"]
Preference = Literal["first", "second", "tie", "neither"]


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """One expert's judgement of one execution; `output` is the right answer when the verdict is `correct`.

    An adjudication decides where reviewers disagreed: it beats every review of its execution.
    """

    id: int
    execution_id: str
    agent: str
    reviewer: str
    verdict: Verdict
    output: str | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    notes: str | None = None
    role: Literal["review", "adjudication"] = "review"


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """Which of two answers to the input of an execution one expert prefers; `first` and `second` as they were shown."""

    id: int
    execution_id: str
    agent: str
    reviewer: str
    first: str
    second: str
    preferred: Preference


@dataclass(frozen=True, slots=True)
class GoldReview:
    """What a reviewer said of an execution whose right answer, `gold_verdict` and `gold_output`, was known."""

    id: int
    execution_id: str
    agent: str
    reviewer: str
    verdict: Verdict
    output: str | None
    gold_verdict: Verdict
    gold_output: str | None
    recorded_at: datetime
