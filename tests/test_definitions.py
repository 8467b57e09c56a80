"""What Dagster loads: complete, without a warning, fast, touching neither network nor database; listed for review.

Belongs here: the definitions as a whole. Does not: what an asset does when it runs.
`python tests/test_definitions.py` prints the listing that tests/golden/definitions.txt holds (`make golden`).
"""

import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import time
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml  # type: ignore[import-untyped]

from glow_pipelines.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

ROOT = Path(__file__).parents[1]
HEAVY = {"numpy", "scipy", "pandas", "openai", "psycopg", "psycopg2", "sqlalchemy"}
# CPU beyond `import dagster`; measured 0.3 s.
MOST_SECONDS = 1.5


def listing(defs: "dg.Definitions") -> Iterator[str]:
    """Everything defined, one thing a line, in a stable order."""
    graph, repository = defs.resolve_asset_graph(), defs.get_repository_def()
    yield "assets"
    for node in sorted(graph.asset_nodes, key=lambda node: node.key):
        partitions = getattr(node.partitions_def, "name", None) or "none"
        outside = ", external" if node.is_external else ""
        yield f"  {node.key.to_user_string()}  ({node.group_name}{outside})"
        yield f"    kinds: {', '.join(sorted(node.kinds))}; partitions: {partitions}; owners: {', '.join(node.owners)}"
        yield f"    from: {', '.join(sorted(key.to_user_string() for key in node.parent_keys)) or 'the apps'}"
        checks = sorted(node.check_keys, key=lambda key: key.name)
        blocks = {key: " (blocking)" if graph.get_check_spec(key).blocking else "" for key in checks}
        yield f"    checks: {', '.join(f'{key.name}{blocks[key]}' for key in checks)}"
    yield "jobs"
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            yield f"  {job.name}: {len(list(job.asset_layer.executable_asset_keys))} assets"
    yield "schedules"
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        when, status = f"{schedule.cron_schedule} {schedule.execution_timezone}", schedule.default_status.value
        yield f"  {schedule.name}: {schedule.job_name} at {when}, {status.lower()}"
    yield "sensors"
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        jobs = ", ".join(target.job_name for target in sensor.targets) or "no job"
        status = sensor.default_status.value.lower()
        yield f"  {sensor.name}: {jobs}, every {sensor.minimum_interval_seconds} s, {status}"
    yield "resources"
    yield from (f"  {name}" for name in sorted(defs.resources or {}))


def gaps(defs: "dg.Definitions") -> Iterator[str]:
    """What an asset should have and lacks."""
    for node in defs.resolve_asset_graph().asset_nodes:
        has = {
            "description": node.description,
            "group": node.group_name != "default",
            "owner": node.owners,
            "kind": node.kinds,
            "check": node.check_keys,
        }
        yield from (f"{node.key.to_user_string()} has no {name}" for name, value in has.items() if not value)


def load() -> dict[str, Any]:
    """Load the definitions as a code location does, in this process, which must be fresh; tells what that took."""
    import dagster as dg

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("loading the definitions opened a connection")

    socket.socket.connect = socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    for setting in fields(Settings):  # of the developer; they would change the listing
        os.environ.pop(setting.metadata["variable"], None)
    warnings.simplefilter("error")
    # dagster 1.13.27 warns about its own ScheduleDefinition.environment_vars once per load.
    warnings.filterwarnings("ignore", ".*environment_vars.*", DeprecationWarning)
    began = time.process_time()
    # One by one first: load_from_defs_folder silences the warnings about preview and beta features.
    package = importlib.import_module("glow_pipelines.defs")
    for module in pkgutil.walk_packages(package.__path__, "glow_pipelines.defs."):
        importlib.import_module(module.name)
    loaded = importlib.import_module("glow_pipelines.definitions").defs()
    assert isinstance(loaded, dg.Definitions)
    dg.Definitions.validate_loadable(loaded)
    seconds = time.process_time() - began
    return {
        "listing": "\n".join(listing(loaded)) + "\n",
        "gaps": sorted(gaps(loaded)),
        "heavy": sorted(HEAVY & sys.modules.keys()),
        "seconds": seconds,
    }


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    """What `load` tells of a process of its own."""
    command = [sys.executable, __file__, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


def test_the_definitions_are_those_of_the_golden_listing(loaded: dict[str, Any]) -> None:
    golden = (ROOT / "tests/golden/definitions.txt").read_text("utf-8")
    assert loaded["listing"] == golden, "intended? then `make golden`, and the difference is for the reviewer"


def test_every_asset_has_description_group_owner_kinds_and_a_check(loaded: dict[str, Any]) -> None:
    assert loaded["gaps"] == []


def test_loading_is_light(loaded: dict[str, Any]) -> None:
    assert loaded["heavy"] == []
    assert loaded["seconds"] < MOST_SECONDS


def test_the_code_location_has_one_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["dg"]["project"]
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert location["python_module"]["location_name"] == project["code_location_name"]
    assert location["python_module"]["module_name"] == project["code_location_target_module"]


def test_dg_finds_nothing_wrong(database_url: str, tmp_path: Path) -> None:
    from glow_pipelines.database import urls  # here: it loads what `load` must find unloaded

    environ = {
        "GLOW_DAGSTER_DATABASE_URL": urls.for_dagster(database_url, str(urls.parse(database_url).database)),
        "GLOW_HOME": str(tmp_path),
        "HOME": str(tmp_path),  # no settings of the user's
        "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",  # no look at the network
    }
    command = [str(Path(sys.executable).with_name("dg")), "check", "defs"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environ, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


if __name__ == "__main__":
    told = load()
    sys.stdout.write(json.dumps(told) if "--json" in sys.argv else told["listing"])
