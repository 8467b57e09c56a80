"""An agent whose examples were learned from votes, corrections, experts and a demonstration, and the store over it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from glow_pipelines.cli import main
from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.learning.prompts.types import Candidate, Prompt
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.curation import curate
from glow_pipelines.store import Store
from tests.incremental.reading import settle

AGENT = "coder"
PROMPT = Prompt("Which account is it?", choices=("travel", "meals"))


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent(
            AGENT, "", {"metric": "label", "choices": ["travel", "meals"]}, PROMPT.content(), (1.0, 0.0, 0.0)
        )
        yield client


@pytest.fixture
def store(client: GlowClient, database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def admin(store: Store, database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def learned(client: GlowClient, store: Store, database_url: str) -> dict[str, str]:
    """Input → id of the example that was learned of it: an annotation, a user's correction, an expert's own example."""
    for n, (said, user) in enumerate(
        (("Taxi to the fair", "u1"), ("Lunch with a client", "u2"), ("Train to Bern", "u3"))
    ):
        client.log_execution(f"e{n}", AGENT, said, "meals", user_id=user)
    client.submit_annotation("e0", "eve", "correct", output="travel")
    client.submit_feedback(AGENT, "e2", "u3", thumbs=-1, correction="travel")
    client.submit_annotation("e2", "eve", "correct", output="travel")
    client.submit_demonstration(AGENT, "ann", "Flight to Rome", "travel")
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    settle(database_url)
    curate(services)
    services.store.close()
    with store.transaction() as t:
        rows = t.connection.execute(
            "select input, example_id from glow.learning_examples where superseded_at is null and status = 'approved'"
        ).fetchall()
    return {row["input"]: row["example_id"] for row in rows}


@pytest.fixture
def add(store: Store) -> Callable[..., str]:
    """Writes a prompt made of another; its version."""

    def written(prompt: Prompt, parent: str = PROMPT.sha256, operator: str = "clarify", **more: object) -> str:
        made = replace(Candidate(prompt, operator, parent), **more)  # type: ignore[arg-type]
        with store.transaction() as t:
            t.prompts.add(AGENT, made)
        return prompt.sha256

    return written


@pytest.fixture
def worded(add: Callable[..., str]) -> Callable[[str], str]:
    """Writes a prompt with this instruction; its version."""
    return lambda instruction: add(replace(PROMPT, instruction=instruction))


@pytest.fixture
def glow(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `glow prompt …`."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "240")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["prompt", *map(str, arguments)])

    return run
