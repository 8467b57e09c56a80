"""The charter's success metrics: one table of what is aimed at, and one rule for when it is reached.

Counting belongs to store/operations.py, history to its table, alerts to defs.
"""

from glow_pipelines.learning.operations.readings import estimate, pace, percentile_95, relative_change, share
from glow_pipelines.learning.operations.types import Measurement, OperationCounts, Reading, Status, SuccessMetric, Unit

_WILSON = "95 % Wilson interval"

SUCCESS_METRICS: tuple[SuccessMetric, ...] = (
    SuccessMetric(
        "feedback_collection_rate", "executions that got feedback", 0.20, "above", "share",
        f"executions with feedback / all executions; {_WILSON}",
        lambda c: share(c.executions_with_feedback, c.executions, "executions"),
    ),
    SuccessMetric(
        "annotation_throughput", "expert annotations per day", 50, "above", "per day",
        "annotations / days they span, from 7 days on; a count, so no interval",
        lambda c: pace(c.annotations, c.annotation_days, 1, 7, "annotations"),
    ),
    SuccessMetric(
        "dataset_growth", "approved learning examples per week", 100, "above", "per week",
        "examples approved in the last 7 days; a count, so no interval",
        lambda c: pace(c.new_examples, c.new_examples_days, 7, 7, "new examples"),
    ),
    SuccessMetric(
        "experiment_completion", "concluded experiments that found a winner", 0.80, "above", "share",
        f"experiments decided for either side / experiments concluded; {_WILSON}",
        lambda c: share(c.experiments_decided, c.experiments_concluded, "concluded experiments"),
    ),
    SuccessMetric(
        "prompt_improvement", "accuracy gained by prompt optimization", 0.05, "above", "points",
        "accuracy after minus before on sealed test items; the gate's own interval",
        lambda c: estimate(c.prompt_improvement, "sealed test of an optimized prompt"),
    ),
    SuccessMetric(
        "retrieval_improvement", "relevance gained by retrieval training", 0.10, "above", "relative",
        "ranking quality after / before - 1 on held-out questions; the evaluation's own interval",
        lambda c: estimate(c.retrieval_improvement, "held-out evaluation of retrieval"),
    ),
    SuccessMetric(
        "positive_feedback", "growth of the share of thumbs up", 0.15, "above", "relative",
        "share of thumbs up now / before anything learned - 1; 95 % interval of the log ratio. Not yet corrected for "
        "who chooses to vote or for several votes of one user: the truth is less sure than the interval",
        lambda c: relative_change(c.votes_up, c.votes, c.baseline_votes_up, c.baseline_votes),
    ),
    SuccessMetric(
        "correction_rate", "judged outputs that needed a correction", 0.10, "below", "share",
        f"executions with a correction / executions with feedback (nobody judged the others); {_WILSON}",
        lambda c: share(c.executions_corrected, c.executions_with_feedback, "executions with feedback"),
    ),
    SuccessMetric(
        "api_latency_p95", "time within which 95 % of the API functions answer", 200, "below", "ms",
        "95th percentile of measured calls; 95 % order-statistics interval",
        lambda c: percentile_95(c.api_latencies_ms),
    ),
    SuccessMetric(
        "job_success_rate", "pipeline runs that succeeded", 0.99, "above", "share",
        f"runs succeeded / runs finished; {_WILSON}",
        lambda c: share(c.runs_succeeded, c.runs_finished, "finished runs"),
    ),
    SuccessMetric(
        "approved_annotations", "annotations that approve their example", 0.90, "above", "share",
        f"annotations not rejecting / annotations; {_WILSON}",
        lambda c: share(c.annotations_approved, c.annotations, "annotations"),
    ),
    SuccessMetric(
        "experiment_validity", "decided experiments that were valid", 0.95, "above", "share",
        f"decisions at the confidence threshold with a sound sample ratio / decisions; {_WILSON}",
        lambda c: share(c.experiments_valid, c.experiments_decided, "decided experiments"),
    ),
)  # fmt: skip
_BY_NAME = {metric.name: metric for metric in SUCCESS_METRICS}


def measure(name: str, counts: OperationCounts) -> Measurement:
    """The metric of this name on these counts. Raises KeyError for a name that is not in SUCCESS_METRICS."""
    metric = _BY_NAME[name]
    reading = metric.read(counts)
    status = _status(metric, reading)
    return Measurement(
        metric.name, metric.target, reading.value, reading.low, reading.high, status, _detail(metric, reading, status)
    )


def measure_all(counts: OperationCounts) -> tuple[Measurement, ...]:
    """Every metric, in the charter's order."""
    return tuple(measure(metric.name, counts) for metric in SUCCESS_METRICS)


def shown(value: float | None, unit: Unit) -> str:
    """A value as people read it: 22.9 %, +6.1 points, 41 ms; a question mark where there is none."""
    if value is None:
        return "?"
    match unit:
        case "share":
            return f"{100 * value:.1f} %"
        case "points":
            return f"{100 * value:+.1f} points"
        case "relative":
            return f"{100 * value:+.1f} %"
        case "per day" | "per week" | "ms":
            return f"{value:,.4g} {unit}"


def _status(metric: SuccessMetric, reading: Reading) -> Status:
    sign = 1 if metric.direction == "above" else -1
    worst, best = (reading.low, reading.high) if sign > 0 else (reading.high, reading.low)
    if reading.value is None:
        return "not_enough_data"
    if worst is not None and sign * worst > sign * metric.target:
        return "met"
    if best is not None and sign * best <= sign * metric.target:
        return "missed"
    return "not_enough_data"


def _detail(metric: SuccessMetric, reading: Reading, status: Status) -> str:
    if reading.value is None:
        return reading.evidence
    limits = f" ({shown(reading.low, metric.unit)} to {shown(reading.high, metric.unit)})"
    text = f"{shown(reading.value, metric.unit)}{limits if reading.low != reading.high else ''}: {reading.evidence}"
    aim = f"target {metric.direction} {shown(metric.target, metric.unit)}"
    return f"{text}; {aim}" + (" lies inside the interval" if status == "not_enough_data" else "")
