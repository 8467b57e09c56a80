"""`glow demo`: from nothing to a report.

Belongs here: the steps in order, their times, what the terminal shows. Does not: any of the steps.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from glow_pipelines.client import GlowClient
from glow_pipelines.database import ensure_database, migrate
from glow_pipelines.demo.company import AGENTS
from glow_pipelines.demo.figures import Figures, collect
from glow_pipelines.demo.html import write_html
from glow_pipelines.demo.replay import Replay, Weeks
from glow_pipelines.demo.report import print_report
from glow_pipelines.files import exclusive
from glow_pipelines.project import DEMO_LOCK, export
from glow_pipelines.services import Services


class Clock:
    """Seconds of each named step, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began


def run_demo(services: Services, project: Path, weeks: Weeks, console: Console) -> Figures:
    """Replay the weeks, run one turn, write report.html and report.json into the project, print the report.

    Killed anywhere and started again, it continues: every event and answer is known by its content.
    """
    services.settings.home.mkdir(parents=True, exist_ok=True)
    with exclusive(services.settings.home / DEMO_LOCK):  # two demos at once would count each other's runs as dead
        return _run(services, project, weeks, console)


def _run(services: Services, project: Path, weeks: Weeks, console: Console) -> Figures:
    clock = Clock()
    bars = Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bars:
        with clock.step("start services"):
            export(services, project)
            ensure_database(services.database_url)
            migrate(services.database_url)
            ensure_database(services.dagster_url)
            _ = services.chat
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=of)

        with clock.step("replay"), GlowClient(services.database_url) as client:
            replay = Replay(services, client, weeks, progress)
            replay.register()
            replay.run()
        with clock.step("turn"):
            from glow_pipelines.demo.turn import run_turn

            run_turn([agent.name for agent in AGENTS], lambda agent, done, of: progress(f"turn of {agent}", done, of))
    with clock.step("report"):
        figures = collect(services, clock.seconds, weeks.seed, weeks.null)
    figures["seconds"] = {name: round(value, 1) for name, value in clock.seconds.items()}
    (project / "report.json").write_text(json.dumps(figures, indent=1, default=str) + "\n", encoding="utf-8")
    (project / "report.html").write_text(write_html(figures), encoding="utf-8")
    print_report(figures, console)
    return figures
