"""The calls of experts and of those who ask them, each defined once for all clients.

Belongs here: names, arguments and results of the functions of the review queue. Does not: the judgement itself, which
is `writing.submit_annotation`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from glow_pipelines.client.call import Call, Rows, given, one, table
from glow_pipelines.client.results import AnnotationReceipt, read
from glow_pipelines.client.review_results import (
    ComparisonReceipt,
    Disagreement,
    ReviewItem,
    ReviewPolicy,
    ReviewQueue,
    ReviewReceipt,
    WaitingReviews,
)

# A login bound to a person is its own reviewer; another must say for whom it speaks.


def annotation_queue(
    filters: Mapping[str, Any] | None = None, *, reviewer: str | None = None, tenant: str | None = None
) -> Call[ReviewQueue]:
    """What a reviewer holds and what waits for them; with {"state": "adjudicate"} also what reviewers disagreed on."""
    return Call("annotation_queue", given(locals()), _queue)


def claim_annotation(
    filters: Mapping[str, Any] | None = None,
    n: int | None = None,
    lease: timedelta | None = None,
    *,
    reviewer: str | None = None,
    tenant: str | None = None,
) -> Call[tuple[ReviewItem, ...]]:
    """Lease up to n items. Not repeated by itself when the answer is lost: `annotation_queue` tells what is held."""
    return Call("claim_annotation", given(locals()), table(ReviewItem), repeatable=False)


def skip(
    item_id: int, reason: str | None = None, *, reviewer: str | None = None, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """Not now: the item comes again when nothing else waits."""
    return Call("skip", given(locals()), one(ReviewReceipt))


def decline(
    item_id: int, reason: str | None = None, *, reviewer: str | None = None, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """Not for me: the item never comes again."""
    return Call("decline", given(locals()), one(ReviewReceipt))


def release(
    item_id: int, reason: str | None = None, *, reviewer: str | None = None, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """Give an item back before its lease ends. A second time it is refused: no retry makes it by itself."""
    return Call("release", given(locals()), one(ReviewReceipt), repeatable=False)


def extend_lease(
    item_id: int, lease: timedelta | None = None, *, reviewer: str | None = None, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """More time for an item, from now on."""
    return Call("extend_lease", given(locals()), one(ReviewReceipt))


def submit_comparison(
    item_id: int,
    preferred: str,
    *,
    notes: str | None = None,
    idempotency_key: str | None = None,
    reviewer: str | None = None,
    tenant: str | None = None,
) -> Call[ComparisonReceipt]:
    """Say which of two answers is better, as they were shown: first, second, tie or neither."""
    return Call("submit_comparison", given(locals()), one(ComparisonReceipt), keyed=True)


def adjudicate(
    verdict: str,
    *,
    item_id: int | None = None,
    execution_id: str | None = None,
    output: str | None = None,
    notes: str | None = None,
    idempotency_key: str | None = None,
    reviewer: str | None = None,
    tenant: str | None = None,
) -> Call[AnnotationReceipt]:
    """Decide where reviewers disagreed; not by one of them."""
    return Call("adjudicate", given(locals()), one(AnnotationReceipt), keyed=True)


def set_review_policy(
    agent: str,
    *,
    reviews: int | None = None,
    most_reviews: int | None = None,
    blind: bool | None = None,
    lease: timedelta | None = None,
    control_share: float | None = None,
    gold_share: float | None = None,
) -> Call[ReviewPolicy]:
    """Say how an agent's items are reviewed; what is left out stays as it is."""
    return Call("set_review_policy", given(locals()), one(ReviewPolicy))


def request_review(
    execution_id: str, reason: str | None = None, reviews: int | None = None, *, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """Ask for reviews of an execution, before everything that waits."""
    return Call("request_review", given(locals()), one(ReviewReceipt))


def request_comparison(
    execution_id: str, alternative: str, reason: str | None = None, *, tenant: str | None = None
) -> Call[ReviewReceipt]:
    """Ask which is better: an execution's output or another answer."""
    return Call("request_comparison", given(locals()), one(ReviewReceipt))


def set_gold(
    execution_id: str,
    verdict: str,
    *,
    output: str | None = None,
    notes: str | None = None,
    tenant: str | None = None,
) -> Call[ReviewReceipt]:
    """Make an execution a test of reviewers, with its right answer."""
    return Call("set_gold", given(locals()), one(ReviewReceipt))


def unset_gold(execution_id: str, *, tenant: str | None = None) -> Call[ReviewReceipt]:
    """End the use of an execution as a test."""
    return Call("unset_gold", given(locals()), one(ReviewReceipt))


def _queue(function: str, rows: Rows) -> ReviewQueue:
    answer = rows[0][function]
    return ReviewQueue(
        answer["reviewer"],
        tuple(read(ReviewItem, each) for each in answer["held"]),
        tuple(read(WaitingReviews, each) for each in answer["waiting"]),
        tuple(read(Disagreement, each) for each in answer.get("adjudications", ())),
    )
