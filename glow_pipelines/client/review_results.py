"""What the database answers to experts and to those who ask them, as frozen values.

Belongs here: one type for each kind of answer about reviews. Does not: behaviour, reading answers (results).
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What a reviewer holds until `lease_until`. A judgement has an `output`, a comparison `first` and `second`.

    `context`: votes, reasons and other reviews, where reviews are not blind.
    """

    item_id: int
    kind: str
    agent: str
    execution_id: str
    input: str
    lease_until: datetime
    output: str | None = None
    first: str | None = None
    second: str | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WaitingReviews:
    """Items of one agent and kind that this reviewer could claim; `skipped`: those they put off."""

    agent: str
    kind: str
    items: int
    skipped: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item on which reviewers disagreed, with what was said of it and by nobody's name."""

    item_id: int
    kind: str
    agent: str
    execution_id: str
    entered_at: datetime
    input: str
    output: str
    alternative: str | None = None
    answers: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """What a reviewer holds and what waits for them; `adjudications` only where they were asked for."""

    reviewer: str
    held: tuple[ReviewItem, ...]
    waiting: tuple[WaitingReviews, ...]
    adjudications: tuple[Disagreement, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewReceipt:
    """`status`: skipped, declined, released, extended; of what engineers ask for: accepted, unchanged, withdrawn."""

    item_id: int | None
    status: str
    lease_until: datetime | None = None
    reviews: int | None = None
    annotation_id: int | None = None


@dataclass(frozen=True, slots=True)
class ComparisonReceipt:
    """`status`: accepted, replayed, unchanged."""

    comparison_id: int
    status: str
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """How an agent's items are reviewed. `lease`: as the database writes intervals."""

    agent: str
    reviews: int
    most_reviews: int
    blind: bool
    lease: str
    control_share: float
    gold_share: float
