"""`glow up`: webserver and daemon beside the embedded services, as one thing that starts and stops together.

Belongs here: the processes and their end. Does not: the services (services.py), Dagster's configuration (dagster.yaml).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from glow_pipelines.database import ensure_database, migrate
from glow_pipelines.errors import Actionable
from glow_pipelines.files import exclusive, is_held
from glow_pipelines.project import DEMO_LOCK, UP_LOCK, export
from glow_pipelines.services import Services

READY_SECONDS = 180.0
STOP_SECONDS = 20.0


class UpFailed(Actionable):
    """Dagster's processes did not come up."""


def run_up(
    services: Services, project: Path, port: int, console: Console, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Run until Ctrl-C, SIGTERM, or the end of a child. The embedded services stay when they ran before."""
    began_models = services.uses_local_models and not services.local_models.status().running
    began_database = services.settings.database_url is None and not services.embedded_server.status().running
    with contextlib.ExitStack() as stack:
        # Before anything starts: a terminal that closes meanwhile must leave nothing behind.
        stack.enter_context(_terminated_as_interrupt())
        services.settings.home.mkdir(parents=True, exist_ok=True)
        stack.enter_context(exclusive(services.settings.home / UP_LOCK))
        if began_database:
            stack.callback(services.embedded_server.stop)
        with console.status("database"):
            export(services, project)
            ensure_database(services.database_url)
            migrate(services.database_url)
            ensure_database(services.dagster_url)
        if services.uses_local_models:
            if began_models:
                stack.callback(services.local_models.stop)
            with console.status("models"):
                services.local_models.start()
        with console.status("Dagster's own tables"):
            _prepare_instance(project, reap=not is_held(services.settings.home / DEMO_LOCK))
        port = free_port(port)
        url = f"http://127.0.0.1:{port}"
        workspace = ["-w", str(project / "workspace.yaml")]
        web = stack.enter_context(
            _child(["dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *workspace], project)
        )
        daemon = stack.enter_context(_child(["dagster._daemon", "run", *workspace], project))
        try:
            with console.status("Dagster"):
                _wait_until(lambda: _serves(url), (web, daemon), sleep)
            console.print(f"Dagster UI  {url}\nDatabase    {_masked(services)}\nCtrl-C stops everything.")
            while web.poll() is None and daemon.poll() is None:
                sleep(0.5)
            console.print("A Dagster process ended by itself; stopping the others.")
        except KeyboardInterrupt:
            console.print("Stopping.")


def free_port(wanted: int) -> int:
    """The wanted port, or one the system gives when that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _prepare_instance(project: Path, reap: bool) -> None:
    """Create Dagster's tables once (webserver and daemon would race for it), and end the runs of a killed demo."""
    then = "; from glow_pipelines.demo.turn import reap_dead_runs; reap_dead_runs(instance)" if reap else ""
    code = f"import dagster; instance = dagster.DagsterInstance.get(){then}; instance.dispose()"
    subprocess.run([sys.executable, "-c", code], cwd=project, env=os.environ, check=True)


@contextlib.contextmanager
def _child(arguments: list[str], project: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python module in a process group of its own: Dagster's code servers outlive a parent that is just killed."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=project, env=os.environ, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _terminated_as_interrupt() -> Iterator[None]:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # Also SIGINT: a shell starts background commands with it ignored.
    before = [(number, signal.signal(number, interrupt)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _wait_until(
    ready: Callable[[], bool], children: tuple["subprocess.Popen[bytes]", ...], sleep: Callable[[float], None]
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if any(child.poll() is not None for child in children) or time.monotonic() > deadline:
            raise UpFailed("Dagster did not start; its messages are above")
        sleep(0.3)


def _serves(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{url}/server_info", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _masked(services: Services) -> str:
    from glow_pipelines.database import urls

    return urls.mask(services.database_url)
