"""The row this noun is made of.

Belongs here: `AnnotationRow`. Does not belong here: anything over many rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["approve", "correct", "reject"]


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """One expert's judgement of one execution; `output` is the right answer when the verdict is `correct`."""

    id: int
    execution_id: str
    agent: str
    reviewer: str
    verdict: Verdict
    output: str | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    notes: str | None = None
