"""`glow demo` from nothing to a report: a real PostgreSQL, real Dagster runs, the real wire to a scripted model.

What the outcome is worth with the real model the demo itself measures; here it is what must hold whatever the model.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from glow_pipelines.database.urls import with_database
from tests.openai_server import OpenAIServer, ScriptedModel

ROOT = Path(__file__).parents[2]
AGENTS = {"expense-coder", "support-triage", "tax-helpdesk"}
# What must not depend on when, or how often, a turn was begun.
# Without how long answers took, and what the gate notes of it: that is measured.
STATE = """
select 'example', example_id, status, split, source from glow.learning_examples where superseded_at is null
union all select 'dataset', agent, kind, content_hash, '' from glow.training_datasets
union all select 'prompt', agent, prompt_version, operator, '' from glow.prompt_versions
union all select 'gate', agent, gate_id, verdict, (evidence - '{seconds,notes}'::text[])::text from glow.prompt_gates
union all select 'alias', agent, alias, prompt_version, revision::text from glow.prompt_aliases
union all select 'retrieval', agent, alias, configuration, revision::text from glow.retrieval_aliases
union all select 'experiment', agent, experiment_id, state, '' from glow.learning_experiments
union all select 'pair', agent, pair_id, split, '' from glow.embedding_training_pairs
union all select 'run', agent, run_key, state, '' from glow.training_runs
union all select 'spend', agent, group_key, gate_id, '' from glow.test_spends
union all select 'move', agent, alias, prompt_version, revision::text from glow.prompt_alias_history
union all select 'answer', agent, prompt_version, example_id, output from glow.evaluations
union all select 'execution', agent, execution_id, output, '' from glow.executions
union all select 'feedback', execution_id, user_id, coalesce(thumbs::text, ''), coalesce(correction, '')
  from glow.agent_feedback
order by 1, 2, 3, 4, 5
"""


@dataclass
class Company:
    """One demo in a folder and database of its own."""

    folder: Path
    database_url: str

    def start(self, server: OpenAIServer, *options: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GLOW_")}
        environment |= server.environment() | {
            "DATABASE_URL": self.database_url,
            "GLOW_DAGSTER_DATABASE_URL": with_database(self.database_url, self.dagster_database),
            "GLOW_HOME": str(self.folder / "home"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "glow_pipelines.cli", "demo", *options],
            cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    @property
    def dagster_database(self) -> str:
        return self.database_url.rpartition("/")[2] + "_dagster"

    def run(self, server: OpenAIServer, *options: str) -> dict[str, Any]:
        process = self.start(server, *options)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output[-4000:]
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    def state(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(STATE).fetchall()


@pytest.fixture
def company(tmp_path: Path, make_database: Callable[[], str]) -> Iterator[Callable[[], Company]]:
    made: list[Company] = []

    def make() -> Company:
        folder = tmp_path / f"company-{len(made)}"
        folder.mkdir()
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, folder)
        made.append(Company(folder, make_database()))
        return made[-1]

    yield make
    for each in made:
        with psycopg.connect(with_database(each.database_url, "postgres"), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{each.dagster_database}" with (force)')


def gates(company: Company) -> list[str]:
    with psycopg.connect(company.database_url) as connection:
        return [verdict for (verdict,) in connection.execute("select verdict from glow.prompt_gates").fetchall()]


def test_a_better_prompt_is_found_gated_and_put_to_users(company: Callable[[], Company]) -> None:
    here = company()
    with OpenAIServer(ScriptedModel()) as server:
        report = here.run(server)
    coder = next(each for each in report["prompts"] if each["agent"] == "expense-coder")
    assert coder["state"] == "finalist"
    assert coder["gate"]["difference"]["low"] > 0
    assert coder["experiment"]["state"] == "running"
    found = report["retrieval"]
    assert found["difference"]["gain"]["low"] > 0, (
        "learned retrieval beats the untuned hybrid on questions nobody asked"
    )
    assert (found["pipeline_gate"]["verdict"], found["experiment"]["state"]) == ("ship", "running")
    with psycopg.connect(here.database_url) as connection:
        # Every demonstration comes from train, and every test item of the gate from test.
        leaked = connection.execute(
            """
            select l.source_id from glow.prompt_aliases a join glow.prompt_lineage l using (agent, prompt_version)
              join glow.learning_examples x on x.example_id = l.source_id
             where a.alias = 'candidate' and l.kind = 'example' and x.split <> 'train'
            union all
            select s.group_key from glow.test_spends s join glow.split_assignments a using (agent, group_key)
             where a.split <> 'test'
            """
        ).fetchall()
        assert leaked == []
    assert {each["agent"] for each in report["models"]} == AGENTS
    assert all(each["state"] == "disabled" for each in report["models"])
    assert "<script" not in (here.folder / "report.html").read_text().lower()


def test_when_everybody_judges_at_random_nothing_is_promoted(company: Callable[[], Company]) -> None:
    here = company()
    with OpenAIServer(ScriptedModel()) as server:
        report = here.run(server, "--null")
    assert "promote" not in gates(here)
    assert all(each["experiment"] is None for each in report["prompts"])
    assert (report["retrieval"]["pipeline_gate"] or {"verdict": "keep"})["verdict"] == "keep"
    assert report["retrieval"]["experiment"] is None


def test_killed_anywhere_it_continues_pays_nothing_twice_and_ends_the_same(company: Callable[[], Company]) -> None:
    undisturbed, killed = company(), company()
    with OpenAIServer(ScriptedModel()) as server:
        undisturbed.run(server)
        paid = server.requests.copy()
    victim: list[subprocess.Popen[str]] = []
    kills = iter([150, 700, paid.total()])
    due = [next(kills)]
    lock = threading.Lock()

    def kill_when_due(number: int) -> None:
        with lock:
            if victim and number >= due[0]:
                os.killpg(victim[0].pid, signal.SIGKILL)
                due[0] = next(kills, 10**9)
                victim.clear()

    with OpenAIServer(ScriptedModel(), kill_when_due) as server:
        deaths = 0
        while True:
            process = killed.start(server)
            with lock:
                victim[:] = [process]
            output, _ = process.communicate(timeout=300)
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, output[-4000:]
            deaths += 1
        assert deaths == 3
        assert server.requests.keys() == paid.keys()
        # Only what was in flight when the process died is asked for again.
        assert server.requests.total() - len(paid) <= deaths * 8
    assert killed.state() == undisturbed.state()
