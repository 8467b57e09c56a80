"""The project folder and the environment its processes share.

Belongs here: finding dagster.yaml, reading .env, what `glow` exports to the processes it starts. Does not: settings
themselves (settings.py), starting anything (services.py, cli.py).
"""

import contextlib
import os
from collections.abc import MutableMapping
from pathlib import Path

from glow_pipelines.errors import Actionable
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings

DEMO_LOCK = "demo.lock"
"""File in GLOW_HOME that a running demo holds a lock on."""


UP_LOCK = "up.lock"
"""The same for `glow up`."""


class NoProject(Actionable):
    """No dagster.yaml here or above."""


def find_project(start: Path | None = None) -> Path:
    """The folder with dagster.yaml at or above `start` (default: the working directory). Raises NoProject."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").is_file() and (folder / "workspace.yaml").is_file():
            return folder
    raise NoProject(f"no dagster.yaml and workspace.yaml in {here} or above: run glow in the project's folder")


def load_dotenv(project: Path, environ: MutableMapping[str, str] = os.environ) -> None:
    """Read `.env` beside dagster.yaml; what the environment already says wins."""
    from dotenv import dotenv_values

    for name, value in dotenv_values(project / ".env").items():
        if value is not None:
            environ.setdefault(name, value)


def open_services() -> Services:
    """Services by the environment and the project's .env, if there is a project."""
    with contextlib.suppress(NoProject):
        load_dotenv(find_project())
    return Services(Settings.from_environment())


def export(services: Services, project: Path, environ: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """Put into the environment what Dagster's processes need, and return it. Starts the embedded database.

    Not its URL: with DATABASE_URL set, `glow stop` and `glow reset` would take it for somebody else's.
    """
    home = services.settings.home
    home.mkdir(parents=True, exist_ok=True)
    exported = {
        "DAGSTER_HOME": str(project),
        "GLOW_HOME": str(home.resolve()),
        "GLOW_DAGSTER_DATABASE_URL": services.dagster_url,
    }
    environ.update(exported)
    return exported
