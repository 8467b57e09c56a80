"""What runs by the clock.

Belongs here: schedules. Does not: what runs on news (sensors), what a run does (jobs).
"""

import dagster as dg

from glow_pipelines.defs.jobs import calibration as calibration_job
from glow_pipelines.defs.jobs import experimentation, retrieval_training, turn, watch
from glow_pipelines.defs.jobs import upkeep as upkeep_job
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

_SETTINGS = Settings.from_environment()


@dg.schedule(
    job=turn,
    cron_schedule=_SETTINGS.learning_optimization_schedule,
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night (LEARNING_OPTIMIZATION_SCHEDULE), a turn for each agent with news.",
)
def nightly(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Agents with news; quiet agents cost nothing, and those that only run an experiment get `decisions`."""
    settings = services.settings
    if not (settings.learning_enabled and settings.learning_auto_optimize):
        return dg.SkipReason("LEARNING_ENABLED or LEARNING_AUTO_OPTIMIZE is false")
    return _asked(context, _with_news(context, services)) or dg.SkipReason(
        f"no agent has {settings.learning_min_feedback_count} new feedback rows"
    )


@dg.schedule(
    job=experimentation,
    cron_schedule=_SETTINGS.learning_optimization_schedule,
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night, the daily look at experiments of agents that get no turn: it may decide them.",
)
def decisions(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """The turn ends with the same look, so agents with news are left to it, unless their turns do not get that far: one
    that fails night after night must not let an experiment run on. A look of a day is one row, made twice or not."""
    settings = services.settings
    if not settings.learning_enabled:
        return dg.SkipReason("LEARNING_ENABLED is false: nothing new is decided, guardrails go on")
    with services.store.transaction() as t:
        active, overdue = set(t.experiments.running_agents()), set(t.experiments.overdue_agents())
    if settings.learning_auto_optimize:
        active -= _with_news(context, services) - overdue
    _make_known(context, active)
    return _asked(context, active) or dg.SkipReason("no agent without a turn runs an experiment")


@dg.schedule(
    job=watch,
    cron_schedule="0 * * * *",
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour, guardrails and rollouts of what is on users, whatever LEARNING_ENABLED says.",
)
def watching(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Without the tag of the agent: a harm must not wait for hours behind that agent's turn (dagster.yaml)."""
    with services.store.transaction() as t:
        active = set(t.experiments.running_agents())
    _make_known(context, active)
    tick = f"{context.scheduled_execution_time:%Y-%m-%dT%H}"
    return [
        dg.RunRequest(run_key=f"{agent}@{tick}", partition_key=agent, tags={"glow/watched": agent})
        for agent in sorted(active)
    ] or dg.SkipReason("no agent has users in an experiment or a rollout")


@dg.schedule(
    job=retrieval_training,
    cron_schedule="0 */6 * * *",
    execution_timezone=_SETTINGS.time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every six hours, retrieval of agents with new searches, votes on answers or changed documents.",
)
def retrieving(
    context: dg.ScheduleEvaluationContext, services: dg.ResourceParam[Services]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Without RAG_LEARNING_ENABLED documents are indexed all the same: switching learning off must not hide them."""
    settings = services.settings
    with services.store.transaction() as t:
        active = {row["agent"] for row in t.retrieval_index.unindexed()}
        if settings.learning_enabled and settings.rag_learning_enabled:
            active |= set(t.retrieval_signals.behind(t.feedback.horizon()))
    _make_known(context, active)
    tick = f"{context.scheduled_execution_time:%Y-%m-%dT%H}"
    return [
        dg.RunRequest(run_key=f"retrieval-{agent}@{tick}", partition_key=agent, tags={"glow/agent": agent})
        for agent in sorted(active)
    ] or dg.SkipReason("no agent has new searches or changed documents")


def _with_news(context: dg.ScheduleEvaluationContext, services: Services) -> set[str]:
    known = set(context.instance.get_dynamic_partitions("agent"))
    with services.store.transaction() as t:
        learned = {name: t.operations.watermark("turn", name) for name in known}
        news = t.feedback.arrivals(learned, services.settings.learning_min_feedback_count, most=1000)
    return known & {each.agent for each in news}


def _make_known(context: dg.ScheduleEvaluationContext, agents: set[str]) -> None:
    """Experiments outlive Dagster's tables: an agent that a new instance never heard of is watched all the same."""
    if missing := sorted(agents - set(context.instance.get_dynamic_partitions("agent"))):
        context.instance.add_dynamic_partitions("agent", missing)


def _asked(context: dg.ScheduleEvaluationContext, agents: set[str]) -> list[dg.RunRequest]:
    tick = context.scheduled_execution_time.date().isoformat()
    return [
        dg.RunRequest(run_key=f"{agent}@{tick}", partition_key=agent, tags={"glow/agent": agent})
        for agent in sorted(agents)
    ]


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
