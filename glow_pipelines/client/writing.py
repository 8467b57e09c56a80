"""The calls that record something, each defined once: clients, batches and the writer share these definitions.

Belongs here: names, arguments and results of the functions that write. Does not: questions (`reading`), checks.
The arguments have the names of the SQL functions'; each function's reference is its comment in the database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from glow_pipelines.client.call import Call, given, one
from glow_pipelines.client.results import (
    AgentReceipt,
    AnnotationReceipt,
    DemonstrationReceipt,
    ExecutionReceipt,
    FeedbackReceipt,
    FeedbackToken,
    RetrievalReceipt,
)

# `locals()` at the head of a function is its arguments by name: spelled out, every name would stand three times.


def register_agent(
    agent: str,
    description: str = "",
    evaluation: Mapping[str, Any] | None = None,
    prompt: Mapping[str, Any] | None = None,
    split_shares: Sequence[float] | None = None,
    *,
    issues: Sequence[str] | None = None,
    tenant: str | None = None,
) -> Call[AgentReceipt]:
    """Make an agent known, with its first prompt. Safe to call again."""
    arguments = given(locals())
    if split_shares is not None:
        arguments["split_shares"] = [Decimal(str(share)) for share in split_shares]
    return Call("register_agent", arguments, one(AgentReceipt))


def log_execution(
    execution_id: str,
    agent: str,
    input: str,
    output: str,
    *,
    user_id: str | None = None,
    conversation_id: str | None = None,
    channel: str | None = None,
    prompt_version: str | None = None,
    model: str | None = None,
    latency_ms: int | None = None,
    prompt_tokens: int | None = None,
    completion_tokens: int | None = None,
    cost_usd: float | None = None,
    started_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    tenant: str | None = None,
) -> Call[ExecutionReceipt]:
    """Record one run of an agent. The id is yours: the same one with the same contents is the same run."""
    return Call("log_execution", given(locals()), one(ExecutionReceipt), instant="started_at")


def submit_feedback(
    agent: str,
    execution_id: str,
    user_id: str,
    *,
    thumbs: int | None = None,
    rating: int | None = None,
    dimensions: Mapping[str, float] | None = None,
    issues: Sequence[str] = (),
    comment: str | None = None,
    correction: str | None = None,
    channel: str | None = None,
    conversation_id: str | None = None,
    idempotency_key: str | None = None,
    occurred_at: datetime | None = None,
    tenant: str | None = None,
) -> Call[FeedbackReceipt]:
    """Record what a user said of an execution; a changed vote supersedes the one before."""
    return Call("submit_feedback", given(locals()), one(FeedbackReceipt), instant="occurred_at", keyed=True)


def withdraw_feedback(
    agent: str,
    execution_id: str,
    user_id: str,
    *,
    kind: str | None = None,
    idempotency_key: str | None = None,
    occurred_at: datetime | None = None,
    tenant: str | None = None,
) -> Call[FeedbackReceipt]:
    """Take back a user's vote, or the lone correction with kind "correction"; the history stays."""
    return Call("withdraw_feedback", given(locals()), one(FeedbackReceipt), instant="occurred_at", keyed=True)


def log_retrieval(
    event_id: str,
    agent: str,
    query: str,
    hits: Sequence[Mapping[str, Any]],
    *,
    execution_id: str | None = None,
    policy: str | None = None,
    configuration: str | None = None,
    model: str | None = None,
    index_number: int | None = None,
    latency_ms: int | None = None,
    user_id: str | None = None,
    conversation_id: str | None = None,
    occurred_at: datetime | None = None,
    tenant: str | None = None,
) -> Call[RetrievalReceipt]:
    """Record a search; again with the same id, add what the user did with its hits."""
    return Call("log_retrieval", given(locals()), one(RetrievalReceipt), instant="occurred_at")


def submit_annotation(
    execution_id: str,
    reviewer: str,
    verdict: str,
    *,
    output: str | None = None,
    dimensions: Mapping[str, float] | None = None,
    notes: str | None = None,
    idempotency_key: str | None = None,
    tenant: str | None = None,
    item_id: int | None = None,
) -> Call[AnnotationReceipt]:
    """Record an expert's judgement: approve, correct (with the right output) or reject. `item_id`: as claimed."""
    return Call("submit_annotation", given(locals()), one(AnnotationReceipt), keyed=True)


def submit_demonstration(
    agent: str,
    expert: str,
    input: str,
    output: str,
    *,
    notes: str | None = None,
    idempotency_key: str | None = None,
    tenant: str | None = None,
) -> Call[DemonstrationReceipt]:
    """Record an expert's own example."""
    return Call("submit_demonstration", given(locals()), one(DemonstrationReceipt), keyed=True)


def issue_feedback_token(
    agent: str, execution_id: str, user_id: str, *, valid_seconds: int | None = None, tenant: str | None = None
) -> Call[FeedbackToken]:
    """A signed token with which a browser may vote on this one execution for this one user."""
    return Call("issue_feedback_token", given(locals()), one(FeedbackToken))


def submit_feedback_with_token(
    token: str,
    *,
    thumbs: int | None = None,
    rating: int | None = None,
    dimensions: Mapping[str, float] | None = None,
    issues: Sequence[str] = (),
    comment: str | None = None,
    correction: str | None = None,
    channel: str | None = None,
    idempotency_key: str | None = None,
    withdrawn: bool | None = None,
    kind: str | None = None,
) -> Call[FeedbackReceipt]:
    """Record, or take back, what the user of the token said."""
    return Call("submit_feedback_with_token", given(locals()), one(FeedbackReceipt), keyed=True)
