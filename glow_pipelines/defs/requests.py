"""The request queue: what people asked for becomes a run, and the request tells how it went.

Belongs here: the sensor `requests`, which job serves which kind, what a request asks that nothing can do yet. Does not:
making and cancelling requests (glow_api), compare-and-set (store), reading what a run brought (request_outcomes).

The table is the truth. Every tick compares it with Dagster's runs, so that nothing rests on somebody having seen a run
end: a daemon that was down for a week, a run that was deleted or never came, all end in an outcome.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.jobs import curation, experimentation, training, turn
from glow_pipelines.defs.metadata import line
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.request_outcomes import brought, ended_as, launched
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.store.requests import Request

TAG = "glow/request"
# A whole turn for a prompt: its last asset says how far the agent has learned, retrieval included.
JOBS = {
    "prompt_optimization": turn.name,
    "dataset": curation.name,
    "training_run": training.name,
    "experiment": experimentation.name,
}
MOST_PER_TICK = 10
MOST_OPEN = 50
"""Taken and not ended: what one tick can compare with the runs well within its 60 seconds."""
PATIENCE = timedelta(minutes=2)
"""How long a run may take to come. After that it never will: the tick that asked for it died before the daemon wrote it
down, or was a test of the sensor in the UI, which starts nothing."""
MOST_TRIES = 5
ZONES = timedelta(days=1)
"""Dagster writes the birth of a run in the time zone of its database. A run older than its request by more than that
served another database, in which the number was given before."""


@dg.sensor(
    jobs=[turn, curation, training, experimentation],
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Turns requests (glow_api.request_…) into runs, in their order, and writes how the runs went.",
)
def requests(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.SensorResult | dg.SkipReason:
    """No request starts two runs: a row is taken by compare-and-set, and a run key works once."""
    under_way, ended = _compare(context.instance, services, datetime.now(UTC))
    told = f"{under_way} requests under way, {ended} ended since the last tick"
    if not services.settings.learning_enabled:
        return dg.SkipReason(f"LEARNING_ENABLED is false: requests stay queued; {told}")
    taken = _take(services, min(MOST_PER_TICK, MOST_OPEN - under_way))
    if not taken:
        return dg.SkipReason(f"no request to start; {told}")
    known = set(context.instance.get_dynamic_partitions("agent"))
    new = sorted({request.agent for request in taken} - known)
    return dg.SensorResult(
        dynamic_partitions_requests=[agents.build_add_request(new)] if new else [],
        run_requests=[
            dg.RunRequest(
                run_key=f"request-{request.request_id}",
                job_name=JOBS[request.kind],
                partition_key=request.agent,
                tags={TAG: str(request.request_id), "glow/agent": request.agent},
            )
            for request in taken
        ],
    )


def asked(context: dg.AssetExecutionContext, services: Services) -> dict[str, Any]:
    """The parameters of the request that this run serves; nothing when nobody asked."""
    request_id = context.run.tags.get(TAG)
    if request_id is None:
        return {}
    with services.store.transaction() as t:
        return t.requests.parameters(int(request_id))


def _compare(instance: dg.DagsterInstance, services: Services, now: datetime) -> tuple[int, int]:
    """Bring requests that were taken up to date with their runs; returns how many are under way and how many ended."""
    with services.store.transaction() as t:
        started = t.requests.started()
    runs = _runs(instance, started)
    ended = waiting = 0
    for request in started:
        found = launched(runs[request.request_id])
        state = ended_as(runs[request.request_id], now)
        outcome = {} if state is None else brought(instance, request.kind, found)
        with services.store.transaction() as t:
            if state is not None:
                ended += t.requests.finish(request.request_id, state, outcome, found[0].dagster_run.run_id)
            elif found:
                t.requests.assign_run(request.request_id, found[0].dagster_run.run_id)
            elif request.run_id is not None:
                gone: dict[str, object] = {
                    "run_id": request.run_id,
                    "error": "the run was deleted before it was seen to end",
                }
                ended += t.requests.finish(request.request_id, "failed", gone)
            else:
                waiting += t.requests.release(request.request_id, PATIENCE)
    return len(started) - ended - waiting, ended


def _runs(instance: dg.DagsterInstance, requests: Sequence["Request"]) -> dict[int, list[dg.RunRecord]]:
    """The runs of each request, the newest first."""
    found: dict[int, list[dg.RunRecord]] = defaultdict(list)
    made = {request.request_id: request.requested_at - ZONES for request in requests}
    if made:
        for record in instance.get_run_records(dg.RunsFilter(tags={TAG: [str(each) for each in made]})):
            request_id = int(record.dagster_run.tags[TAG])
            if record.create_timestamp >= made[request_id]:
                found[request_id].append(record)
    return found


def _take(services: Services, most: int) -> "list[Request]":
    """Take queued requests; those that nothing can do end here, saying so."""
    with services.store.transaction() as t:
        taken = t.requests.claim(max(0, most))
        refused = {request.request_id: why for request in taken if (why := _refusal(request))}
        for request_id, why in refused.items():
            t.requests.finish(request_id, "failed", why)
    return [request for request in taken if request.request_id not in refused]


def _refusal(request: "Request") -> dict[str, object] | None:
    """Why no run can do what was asked, or None."""
    if request.tries > MOST_TRIES:
        return {"error": f"no run came of it in {MOST_TRIES} tries; is the daemon running, and what does its log say?"}
    from glow_pipelines.learning.prompts.goals import Goals

    try:  # the face takes no other; rows of an earlier version may have
        Goals.of(request.parameters.get("goals"))
    except ValueError as error:
        return {"error": "not accepted", "field": "goals", "value": line(error, 200)}
    return None
