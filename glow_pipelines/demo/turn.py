"""One turn of the loop as real Dagster runs, from a terminal.

Belongs here: running the job `turn` for some agents on the project's instance. Does not: what the job does (defs).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._core.utils import make_new_run_id

from glow_pipelines.errors import Actionable

Progress = Callable[[str, int, int], None]
"""Told (agent, steps done, steps in all)."""


TRIGGER = {"glow/trigger": "demo"}


def reap_dead_runs(instance: dg.DagsterInstance) -> int:
    """End the runs that a killed demo left behind; only for a caller who knows that no demo is running.

    Dagster cannot see that they are dead, and they would hold the places of two runs for ever. Returns how many.
    """
    unfinished = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    dead = instance.get_runs(filters=dg.RunsFilter(tags=TRIGGER, statuses=unfinished))
    for run in dead:
        instance.report_run_failed(run, "the process of this run was killed")
    return len(dead)


class TurnFailed(Actionable):
    """A run did not succeed; the message names the agent and the failed steps."""


def run_turn(agents: Sequence[str], progress: Progress) -> dict[str, str]:
    """Run the job once per agent on the instance of DAGSTER_HOME; returns agent -> run id. Raises TurnFailed."""
    from glow_pipelines.definitions import defs

    job = defs().resolve_job_def("turn")
    runs = {}
    with dg.DagsterInstance.get() as instance:
        reap_dead_runs(instance)
        known = instance.get_dynamic_partitions("agent")
        instance.add_dynamic_partitions("agent", [agent for agent in agents if agent not in known])
        for agent in agents:
            run_id = make_new_run_id()
            steps = len(job.nodes)
            with _watched(instance, run_id, partial(progress, agent), steps):
                result = job.execute_in_process(
                    instance=instance,
                    partition_key=agent,
                    run_id=run_id,
                    tags={"glow/agent": agent, **TRIGGER},
                    run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
                    raise_on_error=False,
                )
            progress(agent, steps, steps)
            if not result.success:
                failed = [str(event.step_key) for event in result.all_events if event.is_step_failure]
                raise TurnFailed(f"{agent}: run {run_id} failed in {', '.join(failed)}; `glow up` shows its log")
            runs[agent] = run_id
    return runs


@contextmanager
def _watched(instance: dg.DagsterInstance, run_id: str, told: Callable[[int, int], None], steps: int) -> Iterator[None]:
    """Tell how many steps have succeeded, once a second."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            if instance.has_run(run_id):
                told(instance.get_run_stats(run_id).steps_succeeded, steps)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
