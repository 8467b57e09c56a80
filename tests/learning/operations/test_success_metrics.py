"""Success metrics: the charter's twelve, met or missed only when sure, and honest words otherwise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.intervals import Interval
from glow_pipelines.learning.operations import SUCCESS_METRICS, OperationCounts, measure, measure_all, shown
from glow_pipelines.learning.operations.readings import percentile_95, relative_change, share

CHARTER = {
    "feedback_collection_rate": ("above", 0.20, "share"),
    "annotation_throughput": ("above", 50, "per day"),
    "dataset_growth": ("above", 100, "per week"),
    "experiment_completion": ("above", 0.80, "share"),
    "prompt_improvement": ("above", 0.05, "points"),
    "retrieval_improvement": ("above", 0.10, "relative"),
    "positive_feedback": ("above", 0.15, "relative"),
    "correction_rate": ("below", 0.10, "share"),
    "api_latency_p95": ("below", 200, "ms"),
    "job_success_rate": ("above", 0.99, "share"),
    "approved_annotations": ("above", 0.90, "share"),
    "experiment_validity": ("above", 0.95, "share"),
}


def test_the_table_is_the_charters() -> None:
    assert {m.name: (m.direction, m.target, m.unit) for m in SUCCESS_METRICS} == CHARTER
    assert all(metric.how and metric.description for metric in SUCCESS_METRICS)


def test_an_empty_system_has_not_enough_data_for_anything_but_growth() -> None:
    found = {m.metric: m for m in measure_all(OperationCounts())}
    assert found.pop("dataset_growth").status == "missed"  # no examples in a week is a fact
    assert {m.status for m in found.values()} == {"not_enough_data"}
    assert all(m.value is None and m.detail for m in found.values())


def votes(now: int, up: int, before: int, up_before: int) -> OperationCounts:
    return OperationCounts(votes=now, votes_up=up, baseline_votes=before, baseline_votes_up=up_before)


GAIN = Interval(0.22, 0.15, 0.29, 0.95, "paired-bootstrap")


@pytest.mark.parametrize(
    ("name", "counts", "status"),
    [
        ("feedback_collection_rate", OperationCounts(executions=1000, executions_with_feedback=300), "met"),
        ("feedback_collection_rate", OperationCounts(executions=1000, executions_with_feedback=100), "missed"),
        ("feedback_collection_rate", OperationCounts(executions=1000, executions_with_feedback=210), "not_enough_data"),
        ("annotation_throughput", OperationCounts(annotations=420, annotation_days=7), "met"),
        ("annotation_throughput", OperationCounts(annotations=350, annotation_days=7), "missed"),
        ("annotation_throughput", OperationCounts(annotations=420, annotation_days=3), "not_enough_data"),
        ("dataset_growth", OperationCounts(new_examples=101), "met"),
        ("experiment_completion", OperationCounts(experiments_concluded=40, experiments_decided=39), "met"),
        ("experiment_completion", OperationCounts(experiments_concluded=3, experiments_decided=3), "not_enough_data"),
        ("prompt_improvement", OperationCounts(prompt_improvement=GAIN), "met"),
        ("prompt_improvement", OperationCounts(prompt_improvement=Interval(0.02, 0, 0.04, 0.95, "x")), "missed"),
        ("retrieval_improvement", OperationCounts(retrieval_improvement=GAIN), "met"),
        ("positive_feedback", votes(900, 720, 900, 450), "met"),
        ("positive_feedback", votes(900, 450, 900, 450), "missed"),
        ("positive_feedback", votes(9, 8, 9, 2), "not_enough_data"),
        ("correction_rate", OperationCounts(executions_with_feedback=500, executions_corrected=20), "met"),
        ("correction_rate", OperationCounts(executions_with_feedback=500, executions_corrected=100), "missed"),
        ("api_latency_p95", OperationCounts(api_latencies_ms=(20.0,) * 200), "met"),
        ("api_latency_p95", OperationCounts(api_latencies_ms=(20.0,) * 40), "not_enough_data"),
        ("api_latency_p95", OperationCounts(api_latencies_ms=(500.0,) * 40), "missed"),
        ("job_success_rate", OperationCounts(runs_finished=381, runs_succeeded=381), "met"),
        ("job_success_rate", OperationCounts(runs_finished=380, runs_succeeded=380), "not_enough_data"),
        ("approved_annotations", OperationCounts(annotations=300, annotations_approved=290), "met"),
        ("experiment_validity", OperationCounts(experiments_decided=80, experiments_valid=80), "met"),
        ("experiment_validity", OperationCounts(experiments_decided=80, experiments_valid=60), "missed"),
    ],
)  # fmt: skip
def test_met_and_missed_only_when_sure(name: str, counts: OperationCounts, status: str) -> None:
    assert measure(name, counts).status == status


def test_details_are_sentences_with_figures() -> None:
    met = measure("feedback_collection_rate", OperationCounts(executions=1000, executions_with_feedback=300))
    assert met.detail == "30.0 % (27.2 % to 32.9 %): 300 of 1,000 executions; target above 20.0 %"
    unsure = measure("feedback_collection_rate", OperationCounts(executions=10, executions_with_feedback=3))
    assert unsure.detail.endswith("target above 20.0 % lies inside the interval")
    assert measure("annotation_throughput", OperationCounts(annotations=420, annotation_days=7)).detail.startswith(
        "60 per"
    )


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_shares_stay_inside_their_interval(part: int, rest: int) -> None:
    reading = share(part, part + rest, "things")
    if reading.value is not None:
        assert reading.low is not None
        assert reading.high is not None
        assert 0 <= reading.low <= reading.value <= reading.high <= 1


def test_more_of_the_same_never_turns_met_into_missed() -> None:
    for n in (10, 100, 1000, 10_000):
        counts = OperationCounts(executions=10 * n, executions_with_feedback=3 * n)
        assert measure("feedback_collection_rate", counts).status != "missed"


def test_relative_change_covers_the_truth_nineteen_times_in_twenty() -> None:
    rng, covered = np.random.default_rng(2), 0
    for _ in range(1000):
        reading = relative_change(int(rng.binomial(400, 0.6)), 400, int(rng.binomial(300, 0.5)), 300)
        assert reading.low is not None
        assert reading.high is not None
        covered += reading.low <= 0.2 <= reading.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_percentile_interval_covers_the_truth() -> None:
    rng, covered = np.random.default_rng(3), 0
    truth = -math.log(0.05)  # 95th percentile of the exponential distribution
    for _ in range(1000):
        reading = percentile_95(rng.exponential(size=300).tolist())
        assert reading.low is not None
        assert reading.high is not None
        covered += reading.low <= truth <= reading.high
    assert covered / 1000 >= 0.93


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        measure("happiness", OperationCounts())


def test_shown() -> None:
    assert [shown(0.229, "share"), shown(0.061, "points"), shown(41.2, "ms"), shown(None, "ms")] == [
        "22.9 %",
        "+6.1 points",
        "41.2 ms",
        "?",
    ]
