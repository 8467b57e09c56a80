"""How a request went, read off its runs.

Belongs here: the state a run leaves its request in, and the outcome. Does not: when a request is looked at (requests).

An outcome holds names and numbers that are ours. A failure tells the step and the class of the error: what an error
says may quote what users said.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from glow_pipelines.store.requests import Ended, Kind

RETRY_WITHIN = timedelta(minutes=10)
"""How long a failed run that Dagster means to run again may wait for that."""
ENDED: "dict[dg.DagsterRunStatus, Ended]" = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}
# Of which asset an outcome tells what: metadata -> name in the outcome.
TOLD: "dict[Kind, tuple[str, Mapping[str, str]]]" = {
    "prompt_optimization": (
        "prompt_gate",
        {"verdict": "verdict", "difference": "difference", "interval": "interval", "state": "reason"},
    ),
    "dataset": ("training_dataset", {"dataset": "dataset_id", "dagster/partition_row_count": "rows"}),
    "experiment": ("experiment", {"experiment": "experiment_id", "decision": "decision", "plan": "plan"}),
    "training_run": ("fine_tuned_model", {"state": "training_state", "run": "run_key"}),
}
_WRAPPER = "DagsterExecutionStepExecutionError"


def launched(runs: Sequence[dg.RunRecord]) -> list[dg.RunRecord]:
    """Without those that are only written down: the daemon launches such a run when it is asked for its key again."""
    return [run for run in runs if run.dagster_run.status != dg.DagsterRunStatus.NOT_STARTED]


def ended_as(runs: Sequence[dg.RunRecord], now: datetime) -> "Ended | None":
    """The state their request ends in, or None while a run is under way or to come. `runs`: the newest first."""
    found = launched(runs)
    if not found:
        return None
    run = found[0]
    again = run.dagster_run.is_complete_and_waiting_to_retry or run is not runs[0]
    if again and run.end_time is not None and now.timestamp() - run.end_time < RETRY_WITHIN.total_seconds():
        return None
    return ENDED.get(run.dagster_run.status)


def brought(instance: dg.DagsterInstance, kind: "Kind", runs: Sequence[dg.RunRecord]) -> dict[str, object]:
    """The outcome of a request whose newest launched run, the first of `runs`, has ended.

    A retry runs only the steps that were left: what came of the request may stand in an earlier run.
    """
    newest = runs[0]
    outcome: dict[str, object] = {"run_id": newest.dagster_run.run_id, "seconds": _seconds(runs)}
    if newest.dagster_run.status == dg.DagsterRunStatus.SUCCESS:
        return outcome | _gained(instance, kind, runs)
    if newest.dagster_run.status == dg.DagsterRunStatus.FAILURE:
        return outcome | _failure(instance, newest.dagster_run)
    return outcome | {"reason": "the run was ended in Dagster"}


def _seconds(runs: Sequence[dg.RunRecord]) -> float | None:
    begins = [run.start_time for run in runs if run.start_time is not None]
    ends = [run.end_time for run in runs if run.end_time is not None]
    return round(max(ends) - min(begins), 1) if begins and ends else None


def _gained(instance: dg.DagsterInstance, kind: "Kind", runs: Sequence[dg.RunRecord]) -> dict[str, object]:
    asset, names = TOLD[kind]
    for run in runs:
        for event in _events(instance, run.dagster_run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
            if event.asset_key == dg.AssetKey(asset):
                metadata = event.step_materialization_data.materialization.metadata
                told = {names[key]: value.value for key, value in metadata.items() if key in names}
                return {"rows": 0} if told.get("rows") == 0 else told  # a version without rows is not written
    return {}


def _failure(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, object]:
    for event in _events(instance, run.run_id, dg.DagsterEventType.STEP_FAILURE):
        error = event.step_failure_data.error
        while error is not None and error.cls_name == _WRAPPER and error.cause is not None:
            error = error.cause
        checks = [
            f"{each.asset_check_evaluation_data.asset_key.to_user_string()}.{each.asset_check_evaluation_data.check_name}"
            for each in _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            if _blocks(each)
        ]
        told = {"step": event.step_key, "error": None if error is None else error.cls_name}
        return told | ({"checks": checks} if checks else {})
    # No step failed: the process died, or never began.
    return {"error": run.tags.get("dagster/failure_reason", "the run ended without a failing step").lower()}


def _blocks(event: Any) -> bool:
    found = event.asset_check_evaluation_data
    return not found.passed and found.severity == dg.AssetCheckSeverity.ERROR


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> Iterator[Any]:
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        if record.event_log_entry.dagster_event is not None:
            yield record.event_log_entry.dagster_event
