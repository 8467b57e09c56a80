"""What runs by the clock.

Belongs here: schedules. Does not: what runs on news (sensors), what a run does (jobs).
"""

import dagster as dg

from glow_pipelines.defs.jobs import calibration as calibration_job
from glow_pipelines.defs.jobs import turn
from glow_pipelines.defs.jobs import upkeep as upkeep_job
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

_SETTINGS = Settings.from_environment()


@dg.schedule(
    job=turn,
    cron_schedule=_SETTINGS.learning_optimization_schedule,
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night (LEARNING_OPTIMIZATION_SCHEDULE), a turn for each agent with news or an experiment.",
)
def nightly(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Agents with news, and those whose experiment is due for its daily look; quiet agents cost nothing."""
    settings = services.settings
    if not (settings.learning_enabled and settings.learning_auto_optimize):
        return dg.SkipReason("LEARNING_ENABLED or LEARNING_AUTO_OPTIMIZE is false")
    known = set(context.instance.get_dynamic_partitions("agent"))
    with services.store.transaction() as t:
        learned = {name: t.operations.watermark("turn", name) for name in known}
        ready = {each.agent for each in t.feedback.arrivals(learned, settings.learning_min_feedback_count, most=1000)}
        watched = set(t.experiments.running_agents())
    tick = context.scheduled_execution_time.date().isoformat()
    return [
        dg.RunRequest(run_key=f"{agent}@{tick}", partition_key=agent, tags={"glow/agent": agent})
        for agent in sorted(known & (ready | watched))
    ] or dg.SkipReason(
        f"no agent has {settings.learning_min_feedback_count} new feedback rows, none runs an experiment"
    )


upkeep = dg.ScheduleDefinition(
    name="upkeep",
    job=upkeep_job,
    cron_schedule="30 1 * * *",  # before the night's turns, and whatever LEARNING_ENABLED says
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: months ahead, retention.",
)

calibration = dg.ScheduleDefinition(
    name="calibration",
    job=calibration_job,
    cron_schedule="0 6 * * 1",
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Monday at six: the report on last week's reviewers, and judges against experts.",
)
