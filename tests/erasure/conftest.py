"""The company of these tests after one turn, made once: every test has a copy of its databases and files. For small
tests a database with one agent."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from glow_pipelines.database import connect
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from tests.api.calling import register
from tests.api.logins import Logins
from tests.erasure.world import KnowingModel, World, expose, fill, make_instance, my_cases, plant_files
from tests.openai_server import OpenAIServer

Run = Callable[..., None]


@pytest.fixture(scope="module")
def run(postgres: Any) -> Run:
    def statement(text: str, **names: str) -> None:
        with connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(text).format(**{name: sql.Identifier(each) for name, each in names.items()}))

    return statement


def _world(postgres: Any, name: str, folder: Path, server: OpenAIServer) -> World:
    home, project = folder / "home", folder / "project"
    environment = server.environment() | {
        "DATABASE_URL": postgres.url(name),
        "GLOW_DAGSTER_DATABASE_URL": postgres.url(f"{name}_dagster"),
        "GLOW_HOME": str(home),
        "GLOW_OPTIMIZATION_MAX_CALLS": "1500",
    }
    return World(postgres.url(name), postgres.url(f"{name}_dagster"), home, project, environment)


@pytest.fixture(scope="module")
def lived(
    postgres: Any, template_database: str, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, World, OpenAIServer]]:
    """The company after a turn: name of its database, the world, the model."""
    name = f"glow_test_{uuid4().hex[:12]}"
    run("create database {name} template {template}", name=name, template=template_database)
    run("create database {name}", name=f"{name}_dagster")
    with OpenAIServer(KnowingModel(my_cases())) as server, pytest.MonkeyPatch.context() as patch:
        world = _world(postgres, name, tmp_path_factory.mktemp("lived"), server)
        for key, value in world.environment.items():
            patch.setenv(key, value)
        world.home.mkdir()
        make_instance(world.project, world.home, world.dagster_url)
        fill(world)
        world.turn()
        expose(world)
        plant_files(world)
        yield name, world, server
    for each in (name, f"{name}_dagster"):
        run("drop database {name} with (force)", name=each)


@pytest.fixture
def world(
    postgres: Any, run: Run, lived: tuple[str, World, OpenAIServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A copy of the company for one test."""
    source, original, server = lived
    name = f"glow_test_{uuid4().hex[:12]}"
    for suffix in ("", "_dagster"):
        run("create database {name} template {template}", name=f"{name}{suffix}", template=f"{source}{suffix}")
    world = _world(postgres, name, tmp_path, server)
    for key, value in world.environment.items():
        monkeypatch.setenv(key, value)
    shutil.copytree(original.home, world.home)
    shutil.copytree(original.project, world.project)
    shutil.rmtree(world.project)
    make_instance(world.project, world.home, world.dagster_url)
    for report in original.project.glob("report.*"):
        shutil.copy(report, world.project)
    monkeypatch.chdir(world.project)
    assert os.environ["GLOW_HOME"] == str(world.home)
    yield world
    for suffix in ("", "_dagster"):
        run("drop database {name} with (force)", name=f"{name}{suffix}")


@pytest.fixture
def logins(database_url: str) -> Iterator[Logins]:
    with Logins(database_url) as logins:
        register(logins.admin)
        yield logins


@pytest.fixture
def admin(logins: Logins) -> psycopg.Connection:
    return logins.admin


@pytest.fixture
def services(database_url: str, tmp_path: Any) -> Iterator[Services]:
    environment = {
        "DATABASE_URL": database_url,
        "GLOW_HOME": str(tmp_path / "home"),
        "GLOW_DAGSTER_DATABASE_URL": database_url + "_none",
        "FINE_TUNING_MIN_EXAMPLES": "10",
        "GLOW_PARAPHRASES": "false",
    }
    services = Services(Settings.from_environment(environment))
    yield services
    services.store.close()
