"""An agent with enough approved examples for a whole optimization, in a database that is copied for each test.

Belongs here: fixtures. `ScriptedModel` answers right on a quarter of the items, on three quarters when it is shown
every label, so that a few-shot prompt truly is better.
"""

from collections.abc import Callable, Iterator
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.database.urls import with_database
from glow_pipelines.demo.company import CODER, cases
from glow_pipelines.learning.prompts.types import Prompt
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from tests.openai_server import OpenAIServer, ScriptedModel
from tests.waiting import until_readable

EXAMPLES = 280
LABELS = tuple(sorted({case.right[0] for case in cases(CODER)}))
INCUMBENT = Prompt("Which account is it?", choices=LABELS, max_tokens=8)
CALLS = "600"


def _run(url: str, statement: sql.Composed) -> None:
    with connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def _copy(url: str, source: str) -> str:
    name = f"glow_copy_{uuid4().hex}"
    _run(url, sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(source)))
    return with_database(url, name)


def _drop(url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    _run(url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(str(name))))


@pytest.fixture(scope="session")
def learned(postgres: object, template_database: str) -> Iterator[str]:
    """The database to copy: an agent, its answers, what experts said of them, and a dataset version."""
    from glow_pipelines.defs.datasets import training_dataset
    from glow_pipelines.defs.examples import learning_examples

    url = _copy(postgres.url("postgres"), template_database)  # type: ignore[attr-defined]
    shown = sorted(cases(CODER), key=lambda case: case.id[::-1])[:EXAMPLES]
    with GlowClient(url) as client:
        evaluation = {"metric": "label", "choices": list(LABELS)}
        client.register_agent("coder", "", evaluation, INCUMBENT.content(), (0.5, 0.2, 0.3))
        version = client.resolve_prompt("coder").prompt_version
        for case in shown:
            client.log_execution(case.id, "coder", case.input, "meals", prompt_version=version)
            client.submit_annotation(case.id, "expert", "correct", output=case.right[0])
        for case in shown[:6]:
            client.submit_feedback("coder", case.id, "u1", thumbs=-1, correction=case.right[0], comment="wrong account")
    until_readable(url)
    services = Services(Settings.from_environment({"DATABASE_URL": url}))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", ["coder"])
        resources = {"services": services}
        dg.materialize([learning_examples], instance=instance, resources=resources)
        made = dg.materialize([training_dataset], instance=instance, resources=resources, partition_key="coder")
        assert made.success
    services.store.close()
    yield url
    _drop(url)


@pytest.fixture
def copies(learned: str) -> Iterator[Callable[[], str]]:
    """Makes databases that are the same."""
    made: list[str] = []

    def copy() -> str:
        source = psycopg.conninfo.conninfo_to_dict(learned)["dbname"]
        made.append(_copy(learned, str(source)))
        return made[-1]

    yield copy
    for url in made:
        _drop(url)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ScriptedModel()) as server:
        yield server


@pytest.fixture
def opened(copies: Callable[[], str], server: OpenAIServer) -> Iterator[Callable[..., Services]]:
    """Services over a copy of the database (or a given one) and the scripted model."""
    made: list[Services] = []

    def make(url: str | None = None, kind: type[Services] = Services, **environment: str) -> Services:
        named = server.environment() | {"DATABASE_URL": url or copies(), "GLOW_OPTIMIZATION_MAX_CALLS": CALLS}
        made.append(kind(Settings.from_environment(named | environment)))
        return made[-1]

    yield make
    for services in made:
        services.close()
