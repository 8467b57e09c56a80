"""When datasets are built without anybody asking.

Belongs here: the weekly schedule, and the sensor on newly approved examples. Does not: what a build does (datasets),
requests (requests), whole turns (schedules, sensors).
"""

import json

import dagster as dg

from glow_pipelines.defs.datasets import KIND_TAG
from glow_pipelines.defs.jobs import curation
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

_SETTINGS = Settings.from_environment()


@dg.schedule(
    job=curation,
    cron_schedule="0 3 * * 0",
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday, a dataset version of each kind that an agent has approved examples for.",
)
def weekly_datasets(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """A run for every agent and kind; a version that would hold the same rows is not written again."""
    if not services.settings.learning_enabled:
        return dg.SkipReason("LEARNING_ENABLED is false")
    known = set(context.instance.get_dynamic_partitions("agent"))
    with services.store.transaction() as t:
        kinds = t.datasets.kinds_to_build()
    tick = context.scheduled_execution_time.date().isoformat()
    return [
        dg.RunRequest(
            run_key=f"{agent}@{kind}@{tick}",
            partition_key=agent,
            tags={"glow/agent": agent, KIND_TAG: kind},
        )
        for agent in sorted(known & kinds.keys())
        for kind in kinds[agent]
    ] or dg.SkipReason("no agent has approved examples")


@dg.sensor(
    job=curation,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A dataset version for an agent with GLOW_DATASET_MIN_NEW_EXAMPLES newly approved examples.",
)
def approved_examples(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.SensorResult | dg.SkipReason:
    """The cursor holds, per agent, the newest example acted on: a build that was refused is not asked for again until
    there is more."""
    settings = services.settings
    if not settings.learning_enabled:
        return dg.SkipReason("LEARNING_ENABLED is false")
    acted: dict[str, int] = json.loads(context.cursor or "{}")
    with services.store.transaction() as t:
        ready = t.datasets.new_examples(acted, settings.dataset_min_new_examples)
    if not ready:
        return dg.SkipReason(f"no agent has {settings.dataset_min_new_examples} newly approved examples")
    new = sorted(ready.keys() - set(context.instance.get_dynamic_partitions("agent")))
    return dg.SensorResult(
        dynamic_partitions_requests=[agents.build_add_request(new)] if new else [],
        run_requests=[
            dg.RunRequest(run_key=f"{agent}@example-{newest}", partition_key=agent, tags={"glow/agent": agent})
            for agent, newest in sorted(ready.items())
        ],
        cursor=json.dumps(acted | ready),
    )
