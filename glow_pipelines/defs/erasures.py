"""Erasures: what their transaction leaves to the pipeline.

Belongs here: the asset `erasures`, its check, the sensor that runs it. Does not: erasing (sql/api/erasure.sql), the
tasks (erasure).
"""

import contextlib

import dagster as dg

from glow_pipelines.defs.jobs import erasure
from glow_pipelines.defs.metadata import table
from glow_pipelines.services import Services


@dg.asset(
    group_name="operations",
    kinds={"postgres"},
    owners=["team:operations"],
    deps=["learning_examples"],
    code_version="1",
    check_specs=[dg.AssetCheckSpec("erasures_finished", asset="erasures")],
    metadata={"dagster/table_name": "glow.erasures"},
)
def erasures(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Successors of revoked datasets, deleted exports, and texts taken out of files and of Dagster's own tables.

    A task may be done twice; one that fails stays open and is tried again.
    """
    from glow_pipelines.erasure import finish_erasures
    from glow_pipelines.project import NoProject, find_project

    project = None
    with contextlib.suppress(NoProject):
        project = find_project()
    found = finish_erasures(services, project)
    failed = [each for each in found if each.error is not None]
    return dg.MaterializeResult(
        metadata={
            "done": sum(each.state == "done" for each in found),
            "waiting for runs to end": sum(each.state == "waiting" for each in found),
            "tasks": table(
                ("erasure", "task", "of", "state", "error"),
                (
                    (each.task.erasure_id, each.task.kind, each.task.target, each.state, each.error or "")
                    for each in found
                ),
                empty="nothing was left to do",
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="erasures_finished",
                passed=not failed,
                description=f"{len(failed)} of {len(found)} tasks failed and stay open",
            )
        ],
    )


@dg.sensor(
    job=erasure,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Finishes erasures (glow_api.erase_subject), whatever LEARNING_ENABLED says.",
)
def open_erasures(
    context: dg.SensorEvaluationContext, services: dg.ResourceParam[Services]
) -> dg.RunRequest | dg.SkipReason:
    """A run for the tasks as they stand: the key names each with its tries, so that one that failed is tried again."""
    from glow_pipelines.erasure.finish import is_due

    with services.store.transaction() as t:
        tasks = t.erasures.tasks()
    due = [task for task in tasks if is_due(services, task)]
    if not due:
        return dg.SkipReason(f"no erasure is due; {len(tasks)} tasks wait for runs to end")
    return dg.RunRequest(run_key=",".join(f"{task.task_id}.{task.tries}" for task in due[:50]))
