"""What runs on news.

Belongs here: sensors. Does not: the clock (schedules), what a run does (jobs), counting (store).
"""

import json

import dagster as dg

from glow_pipelines.defs.jobs import turn
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services


@dg.sensor(
    job=turn,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A turn for an agent with LEARNING_MIN_FEEDBACK_COUNT new feedback rows, or "
    "RAG_EMBEDDING_UPDATE_THRESHOLD new searches.",
)
def feedback_threshold(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.SensorResult | dg.SkipReason:
    """The cursor holds, per agent, the transaction up to which feedback has been acted on.

    Cursor and runs are reserved together by the daemon, and the run key names what changed, so that no tick asks twice.
    A run that fails loses nothing: assets read from their own watermarks.
    """
    settings = services.settings
    if not (settings.learning_enabled and settings.learning_auto_optimize):
        return dg.SkipReason("LEARNING_ENABLED or LEARNING_AUTO_OPTIMIZE is false")
    acted: dict[str, str] = json.loads(context.cursor or "{}")
    with services.store.transaction() as t:
        learned = {agent.name: t.operations.watermark("turn", agent.name) for agent in t.feedback.agents()}
        since = {name: max(learned[name], acted.get(name, "0"), key=int) for name in learned}
        horizon = t.feedback.horizon()
        ready = {each.agent for each in t.feedback.arrivals(since, settings.learning_min_feedback_count)}
        if settings.rag_learning_enabled:
            ready |= set(t.retrieval.search_arrivals(since, horizon, settings.rag_embedding_update_threshold))
    if not ready:
        return dg.SkipReason(
            f"no agent has {settings.learning_min_feedback_count} new feedback rows "
            f"or {settings.rag_embedding_update_threshold} new searches"
        )
    known = set(context.instance.get_dynamic_partitions("agent"))
    new = sorted(ready - known)
    return dg.SensorResult(
        dynamic_partitions_requests=[agents.build_add_request(new)] if new else [],
        run_requests=[
            dg.RunRequest(run_key=f"{agent}@{horizon}", partition_key=agent, tags={"glow/agent": agent})
            for agent in sorted(ready)
        ],
        cursor=json.dumps(acted | dict.fromkeys(ready, horizon)),
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shows arriving feedback on the asset `feedback`, which the apps write and Dagster only watches.",
)
def feedback_arrivals(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.SensorResult | dg.SkipReason:
    """Events are projections of rows: written at least once, the rows are the truth."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    with services.store.transaction() as t:
        arrived = t.feedback.arrivals(seen, threshold=1, most_rows=100_000)
    if not arrived:
        return dg.SkipReason("no new feedback")
    known = set(context.instance.get_dynamic_partitions("agent"))
    new = sorted({each.agent for each in arrived} - known)
    return dg.SensorResult(
        dynamic_partitions_requests=[agents.build_add_request(new)] if new else [],
        asset_events=[
            dg.AssetMaterialization(
                "feedback",
                partition=each.agent,
                metadata={"new rows": each.arrived, "newest row": each.last_id},
                tags={"dagster/data_version": str(each.last_id)},
            )
            for each in arrived
        ],
        cursor=json.dumps(seen | {each.agent: each.horizon for each in arrived}),
    )
