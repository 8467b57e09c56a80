"""What goes into the success metrics and what comes out: counts, the definition of a metric, a measurement.

Values only; counting belongs to the store, the list of metrics and their reading to success_metrics.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.intervals import Interval

Status = Literal["met", "missed", "not_enough_data"]
Direction = Literal["above", "below"]
Unit = Literal["share", "points", "relative", "per day", "per week", "ms"]


@dataclass(frozen=True)
class OperationCounts:
    """Everything the success metrics are made of; what is not counted yet stays at its default and says so.

    `executions_corrected` are among `executions_with_feedback`. `annotation_days` and `new_examples_days` are the days
    those counts span. `experiments_decided` are concluded with a winner, `experiments_valid` are decided ones whose
    confidence reached the threshold with a sound sample ratio. `baseline_*` votes were cast before anything learned.
    `prompt_improvement` is an accuracy difference (0.05 = 5 points), `retrieval_improvement` a relative one.
    """

    executions: int = 0
    executions_with_feedback: int = 0
    executions_corrected: int = 0
    annotations: int = 0
    annotations_approved: int = 0
    annotation_days: float = 0
    new_examples: int = 0
    new_examples_days: float = 7
    experiments_concluded: int = 0
    experiments_decided: int = 0
    experiments_valid: int = 0
    votes: int = 0
    votes_up: int = 0
    baseline_votes: int = 0
    baseline_votes_up: int = 0
    prompt_improvement: Interval | None = None
    retrieval_improvement: Interval | None = None
    api_latencies_ms: tuple[float, ...] = ()
    runs_finished: int = 0
    runs_succeeded: int = 0


@dataclass(frozen=True)
class Reading:
    """A value with its 95 % limits (None: no limit on that side yet) and the evidence in words; value None: no data."""

    value: float | None
    low: float | None
    high: float | None
    evidence: str


@dataclass(frozen=True)
class SuccessMetric:
    """One figure of the charter. `target` is in `unit` (shares as fractions); the value is to lie `direction` of it."""

    name: str
    description: str
    target: float
    direction: Direction
    unit: Unit
    how: str
    read: Callable[[OperationCounts], Reading]


@dataclass(frozen=True)
class Measurement:
    """A metric as measured: `met` or `missed` only where the whole interval is on that side of the target."""

    metric: str
    target: float
    value: float | None
    low: float | None
    high: float | None
    status: Status
    detail: str
