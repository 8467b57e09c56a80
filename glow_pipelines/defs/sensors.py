"""What runs on news.

Belongs here: sensors. Does not: the clock (schedules), what a run does (jobs), counting (store).
"""

import json

import dagster as dg

from glow_pipelines.defs.jobs import retrieval_training, turn
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services


@dg.sensor(
    job=turn,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A turn for an agent with LEARNING_MIN_FEEDBACK_COUNT new feedback rows.",
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
    if not ready:
        return dg.SkipReason(f"no agent has {settings.learning_min_feedback_count} new feedback rows")
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


@dg.sensor(
    job=retrieval_training,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains the retrieval of an agent with RAG_EMBEDDING_UPDATE_THRESHOLD new searches; indexes documents "
    "of an agent as soon as they change.",
)
def retrieval_threshold(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.SensorResult | dg.SkipReason:
    """The cursor holds, per agent, the transaction up to which searches have been acted on.

    Changed documents are asked for once: what could not be indexed is tried again by the schedule, not every minute.
    Indexing bears no tag of the agent, for new documents must not wait for hours behind its turn (dagster.yaml).
    """
    settings = services.settings
    acted: dict[str, str] = json.loads(context.cursor or "{}")
    with services.store.transaction() as t:
        changed = t.retrieval_index.unindexed()
        horizon = t.feedback.horizon()
        ready: list[str] = []
        if settings.learning_enabled and settings.rag_learning_enabled:
            learned = {
                agent.name: t.operations.watermark("retrieval_training", agent.name) for agent in t.feedback.agents()
            }
            since = {name: max(learned[name], acted.get(name, "0"), key=int) for name in learned}
            ready = t.retrieval.search_arrivals(since, horizon, settings.rag_embedding_update_threshold)
    waiting = [row for row in changed if row["agent"] not in ready]
    if not ready and not waiting:
        return dg.SkipReason(
            f"no agent has {settings.rag_embedding_update_threshold} new searches or changed documents"
        )
    known = set(context.instance.get_dynamic_partitions("agent"))
    new = sorted({*ready, *(row["agent"] for row in waiting)} - known)
    return dg.SensorResult(
        dynamic_partitions_requests=[agents.build_add_request(new)] if new else [],
        run_requests=[
            *(
                dg.RunRequest(run_key=f"retrieval-{agent}@{horizon}", partition_key=agent, tags={"glow/agent": agent})
                for agent in ready
            ),
            *(
                dg.RunRequest(
                    run_key=f"index-{row['agent']}@{row['newest']}/{row['documents']}",
                    partition_key=row["agent"],
                    asset_selection=[dg.AssetKey("retrieval_index")],
                    tags={"glow/indexed": row["agent"]},
                )
                for row in waiting
            ),
        ],
        cursor=json.dumps(acted | dict.fromkeys(ready, horizon)),
    )
