"""What the database answers, as frozen values.

Belongs here: one type for each kind of answer, and reading it. Does not: behaviour. A newer database may answer more
than a type has fields for: what is not known is passed over; what a type needs and does not get is an error.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

from glow_pipelines.client.errors import Incompatible

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AgentReceipt:
    """`prompt_version`: of the prompt given, whether it became the production one or not; None when none was given."""

    agent: str
    created: bool
    prompt_version: str | None = None


@dataclass(frozen=True, slots=True)
class Participation:
    """`kind`: what the experiment varies (prompt, model, retrieval, config). `variant`: control, treatment."""

    experiment_id: str
    kind: str
    phase: int
    variant: str


@dataclass(frozen=True, slots=True)
class ResolvedPrompt:
    """What an agent uses for a unit. `model`, `config` and `retrieval` are None where they are not decided here.

    `experiments`: those the unit takes part in; `experiment_id` and `variant` are of the one that varies the prompt,
    else of the first.
    """

    prompt_version: str
    prompt: dict[str, Any]
    experiment_id: str | None = None
    variant: str | None = None
    model: str | None = None
    config: dict[str, Any] | None = None
    config_version: str | None = None
    retrieval: str | None = None
    retrieval_parameters: dict[str, Any] | None = None
    experiments: tuple[Participation, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionReceipt:
    """`status`: accepted, replayed. `feedback_waiting`: votes that came before it and are now joined to it."""

    execution_id: str
    status: str
    feedback_waiting: int = 0


@dataclass(frozen=True, slots=True)
class FeedbackReceipt:
    """`status`: accepted, replayed (same key), unchanged (same contents), late (an older vote than the current one:
    kept, not current), withdrawn. `execution_known`: False while the execution it speaks of is not logged.
    """

    status: str
    execution_known: bool
    feedback_id: int | None = None
    supersedes: int | None = None
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True)
class RetrievalReceipt:
    """`status`: accepted, merged (added to the event of this id)."""

    event_id: str
    status: str


@dataclass(frozen=True, slots=True)
class AnnotationReceipt:
    """`status`: accepted, replayed, unchanged."""

    annotation_id: int
    status: str
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class DemonstrationReceipt:
    """`status`: accepted, replayed."""

    demonstration_id: int
    status: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of a batch that was not accepted. `message` quotes the value: it may hold what a user wrote."""

    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    function: str = ""
    row: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class FeedbackToken:
    """Lets a browser vote on one execution until `expires_at`."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FeedbackStats:
    """Counts of an agent's current feedback. `mean_rating` in stars, None without ratings."""

    agent: str
    executions: int
    executions_with_feedback: int
    waiting_for_execution: int
    thumbs_up: int
    thumbs_down: int
    corrections: int
    comments: int
    users: int
    ratings: int = 0
    mean_rating: float | None = None
    last_feedback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """What users complain about; `share` of all complaints, 0 to 1. `vocabulary`: standard, agent or other."""

    issue: str
    occurrences: int
    users: int
    share: float
    last_at: datetime
    vocabulary: str = "other"


@dataclass(frozen=True, slots=True)
class LearningStats:
    """Counts over the whole loop; `answer` has everything the database counts."""

    agents: int
    executions: int
    feedback: int
    annotations: int
    demonstrations: int
    answer: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of success as last measured, with its 95 % interval and its target."""

    metric: str
    status: str
    measured_at: datetime
    value: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset version: everything as of an instant, by a rule. `in_force`: the one in use for its kind; `agents`:
    whose examples it holds; `revoked_at`: rows of it were erased, use its `successor`."""

    dataset_id: str
    kind: str
    created_at: datetime
    as_of: datetime
    in_force: bool
    content_hash: str
    rule: dict[str, Any]
    statistics: dict[str, Any]
    agents: list[str] = field(default_factory=list)
    rows: int | None = None
    parent: str | None = None
    revoked_at: datetime | None = None
    revoked_because: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an example is in a dataset: one source row, the `kind` and role it has, and what it `said`."""

    split: str
    source: str
    rule_version: str
    reason: str
    kind: str
    source_id: str
    role: str
    quality: float | None = None
    said: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What rests on a piece of feedback: a learning example, a dataset or a prompt."""

    effect: str
    id: str
    since: datetime
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Work asked of the pipeline. `status`: queued, started, succeeded, failed, cancelled; `outcome` once it ended.

    `warnings`: of an experiment that was asked for: why it may find nothing.
    """

    request_id: int
    status: str
    requested_by: str | None = None
    run_id: str | None = None
    outcome: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def read(kind: Callable[..., _T], answer: Mapping[str, Any]) -> _T:
    """An answer as a value. Raises Incompatible when something needed is not in it."""
    wanted = _fields(kind)
    missing = [name for name, (needed, _) in wanted.items() if needed and name not in answer]
    if missing:
        raise Incompatible(f"the database answered without {', '.join(missing)}", "a database migrated with 'glow up'")
    values = {name: _value(answer[name], kinds) for name, (_, kinds) in wanted.items() if name in answer}
    return kind(**values, answer=dict(answer)) if "answer" in wanted else kind(**values)


@lru_cache
def _fields(kind: Any) -> dict[str, tuple[bool, tuple[type, ...]]]:
    """Name -> (needed, the types it may have)."""
    hints = get_type_hints(kind)
    return {
        each.name: (
            each.default is MISSING and each.default_factory is MISSING,
            get_args(hints[each.name]) or (hints[each.name],),
        )
        for each in dataclasses.fields(kind)
    }


def _value(value: Any, kinds: tuple[type, ...]) -> Any:
    """JSON has no instants and SQL's numeric is Decimal: what the field says it is, it is."""
    if datetime in kinds and isinstance(value, str):
        return datetime.fromisoformat(value)
    if float in kinds and value is not None:
        return float(value)
    if isinstance(value, list) and dataclasses.is_dataclass(kinds[0]):
        return tuple(read(kinds[0], each) for each in value)
    return value
