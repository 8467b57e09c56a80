"""The row that the quality of reviewers is measured on.

Belongs here: `Judgement` and what one of them says. Does not belong here: anything over many of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from glow_pipelines.learning.annotations.rows import Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reviewer's current judgement of one item (an execution).

    `answer` is the answer it says is right, where an agent's answers come from a closed list; else None, and None for a
    rejection. `content` is equal for items with the same input and output, so that a repeat is seen; None: unknown.
    """

    item: str
    reviewer: str
    verdict: Verdict
    recorded_at: datetime
    answer: str | None = None
    domain: str | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    content: str | None = None

    @property
    def label(self) -> str:
        """What people agree on or not: the answer where it is one of a list, else the verdict."""
        return self.label_of(self.verdict, self.answer)

    @staticmethod
    def label_of(verdict: Verdict, answer: str | None) -> str:
        """The label of a verdict and an answer; an answer called "reject" is not the verdict of that name."""
        return verdict if answer is None else f"={answer}"
