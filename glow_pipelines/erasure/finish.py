"""Finishing erasures: the tasks that the transaction left.

Belongs here: which task is done by what, in which order, and how far it is. Does not: doing it (rebuild, files, store).
Everything may be done twice, so a process that dies leaves its task to the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glow_pipelines.erasure.files import delete_exports, scrub_files, sqlite_files
from glow_pipelines.erasure.leaves import text_without_traces, without_traces
from glow_pipelines.erasure.rebuild import rebuild
from glow_pipelines.erasure.traces import Traces
from glow_pipelines.services import Services
from glow_pipelines.store.erasure import ErasureTask, TaskState
from glow_pipelines.store.foreign import ForeignTexts


@dataclass(frozen=True)
class Finished:
    """What became of a task; `error` is the class of what it failed with, and nothing of what that said."""

    task: ErasureTask
    state: TaskState
    outcome: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def finish_erasures(services: Services, project: Path | None = None) -> list[Finished]:
    """Do every open task once. `project` is the folder with the reports of the demo, where there is one."""
    with services.store.transaction() as t:
        tasks = t.erasures.tasks()
    found = [_finish(services, project, task) for task in tasks]
    with services.store.transaction() as t:
        for erasure_id in sorted({task.erasure_id for task in tasks}):
            t.erasures.finish(erasure_id)
    return found


def is_due(services: Services, task: ErasureTask) -> bool:
    """Whether doing a task now would bring it further: one that waits for runs to end is due when they have."""
    return task.state == "open" or not _busy(_stores(services), task)


def _stores(services: Services) -> list[ForeignTexts]:
    """Where Dagster keeps what it knows."""
    files = sqlite_files(services.settings.home)
    return [ForeignTexts(services.dagster_url), *(ForeignTexts(f"sqlite:///{path}") for path in files)]


def _busy(stores: list[ForeignTexts], task: ErasureTask) -> int:
    return sum(each.running_since_before(task.erased_at) for each in stores)


def _finish(services: Services, project: Path | None, task: ErasureTask) -> Finished:
    state: TaskState = "done"
    try:
        if task.kind == "exports":
            outcome = _exports(services, task)
        elif task.kind == "rebuild":
            successor = rebuild(services, task.target, in_force=bool(task.outcome.get("in_force")))
            outcome = {"successor": successor}
        else:
            state, outcome = _scrub(services, project, task)
    except Exception as error:  # the others shall be done all the same; the caller fails with all errors
        with services.store.transaction() as t:
            t.erasures.settle(task.task_id, task.state, {"error": type(error).__name__})
        return Finished(task, task.state, error=type(error).__name__)
    with services.store.transaction() as t:
        t.erasures.settle(task.task_id, state, outcome | {"error": None})
    return Finished(task, state, outcome)


def _exports(services: Services, task: ErasureTask) -> dict[str, Any]:
    with services.store.transaction() as t:
        paths = t.erasures.exports(task.target)
    files = delete_exports(services.settings.home, task.target, paths)
    with services.store.transaction() as t:
        for path in paths:
            t.erasures.export_erased(task.target, path)
    return {"files": files}


def _scrub(services: Services, project: Path | None, task: ErasureTask) -> tuple[TaskState, dict[str, Any]]:
    """Our tables by content, Dagster's, and files. Done when no run is left that had begun before the erasure."""
    settings = services.settings
    stores = _stores(services)
    busy = _busy(stores, task)  # before, not after: what ends meanwhile has written meanwhile
    with services.store.transaction() as t:
        late = t.erasures.erase_late(task.erasure_id)
        traces = Traces(*t.erasures.probes(task.erasure_id))
    with services.store.transaction() as t:
        swept = t.erasures.sweep(task.erasure_id, lambda value: without_traces(value, traces))
    dagster: dict[str, int] = {}
    for each in stores:
        for table, rows in each.change(lambda text: text_without_traces(text, traces)).items():
            dagster[table] = dagster.get(table, 0) + rows
    files = scrub_files(settings.home, project, traces)
    with services.store.transaction() as t:
        t.erasures.forget_statistics()
    for each in stores:
        each.forget_statistics()
    outcome = {"late": late, "swept": swept, "dagster": dagster, "files": files, "runs that may still write": busy}
    return ("waiting" if busy else "done"), outcome
