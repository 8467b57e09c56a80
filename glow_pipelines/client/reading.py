"""The calls that ask something, or ask for work, each defined once for all clients.

Belongs here: names, arguments and results of the functions that answer questions and take requests. Does not: what
records (`writing`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from glow_pipelines.client.call import Call, given, one, read_request, table
from glow_pipelines.client.results import (
    Dataset,
    Effect,
    FeedbackStats,
    Issue,
    LearningStats,
    Metric,
    Reason,
    Request,
    ResolvedPrompt,
)


def resolve_prompt(
    agent: str,
    unit: str | None = None,
    *,
    session: str | None = None,
    org: str | None = None,
    execution: str | None = None,
    tenant: str | None = None,
) -> Call[ResolvedPrompt]:
    """What an agent uses for a unit (user), in a session (conversation), of an org, for an execution; in experiments
    the exposures are written before this returns. Log the execution with the same ids, the org as metadata `org_id`."""
    return Call("resolve_prompt", given(locals()), one(ResolvedPrompt))


def feedback_stats(agent: str, since: datetime | None = None, *, tenant: str | None = None) -> Call[FeedbackStats]:
    """Counts of an agent's current feedback."""
    return Call("feedback_stats", given(locals()), one(FeedbackStats))


def common_issues(
    agent: str, since: datetime | None = None, most: int | None = None, *, tenant: str | None = None
) -> Call[tuple[Issue, ...]]:
    """What users complain about, most frequent first."""
    return Call("common_issues", given(locals()), table(Issue))


def learning_stats() -> Call[LearningStats]:
    """Counts over the whole loop."""
    return Call("learning_stats", {}, one(LearningStats))


def success_metrics() -> Call[tuple[Metric, ...]]:
    """How well the loop does, one row for each metric."""
    return Call("success_metrics", {}, table(Metric))


def datasets(agent: str) -> Call[tuple[Dataset, ...]]:
    """An agent's dataset versions."""
    return Call("datasets", given(locals()), table(Dataset))


def why(dataset: str, example: str) -> Call[tuple[Reason, ...]]:
    """Why an example is in a dataset: the feedback, annotation or demonstration it came from."""
    return Call("why", given(locals()), table(Reason))


def effect_of(feedback: int) -> Call[tuple[Effect, ...]]:
    """What became of one piece of feedback."""
    return Call("effect_of", given(locals()), table(Effect))


# A request is a row that a sensor turns into a run. Made twice it is one: the open one is answered.


def request_prompt_optimization(
    agent: str, goals: Sequence[str] | None = None, reason: str | None = None
) -> Call[Request]:
    """Ask for an optimization of the agent's prompt."""
    return Call("request_prompt_optimization", given(locals()), read_request)


def request_dataset(
    agent: str, kind: str | None = None, reason: str | None = None, rule: Mapping[str, Any] | None = None
) -> Call[Request]:
    """Ask for a dataset version: of all the agent's examples, or by a rule (see docs/datasets.md)."""
    return Call("request_dataset", given(locals()), read_request)


def request_training_run(agent: str, base_model: str | None = None, reason: str | None = None) -> Call[Request]:
    """Ask for a training run."""
    return Call("request_training_run", given(locals()), read_request)


def request_status(request_id: int) -> Call[Request]:
    """How far a request is."""
    return Call("request_status", given(locals()), read_request)


def cancel_request(request_id: int, reason: str | None = None) -> Call[Request]:
    """Take back a request that no run has taken up. A second time it is refused: no retry makes it by itself."""
    return Call("cancel_request", given(locals()), read_request, repeatable=False)
