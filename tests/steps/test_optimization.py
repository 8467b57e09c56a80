"""An optimization over nights and kills: what it sees is fixed when it begins."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.learning.intervals import newcombe_paired, wilson
from glow_pipelines.learning.prompts.types import Candidate, Gate
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.optimization import open_optimization
from tests.openai_server import OpenAIServer, ScriptedModel
from tests.steps.test_training import curated as curated
from tests.store.test_store import PROMPT

FINALIST = replace(PROMPT, instruction="Which account is it?")


@pytest.fixture
def services(curated: str) -> Iterator[Services]:
    with OpenAIServer(ScriptedModel()) as server:
        services = Services(Settings.from_environment(server.environment() | {"DATABASE_URL": curated}))
        yield services
        services.store.close()


def undecided(spent: tuple[str, ...]) -> Gate:
    return Gate(
        incumbent_sha256=PROMPT.sha256, finalist_sha256=FINALIST.sha256, verdict="carry_over", reason="not yet",
        n=len(spent), b=1, c=1, both_right=0, neither_right=0, log_e=0.0, alpha=0.05,
        incumbent_accuracy=wilson(1, 4), finalist_accuracy=wilson(1, 4), difference=newcombe_paired(1, 1, 1, 1),
        p_value=1.0, shrunken_gain=0.0, format_gained=0, format_lost=0, slices=(), failed_guardrails=(), notes=(),
        spent=spent,
    )  # fmt: skip


def first_night(services: Services) -> tuple[str, ...]:
    """An undecided gate on two test items; the items."""
    work = open_optimization(services, "coder")
    tests = [example for example in work.examples if example.split == "test"][:2]
    spent = tuple(example.id for example in tests)
    with services.store.transaction() as t:
        t.prompts.add("coder", Candidate(FINALIST, "test", PROMPT.sha256))
        t.optimizations.record_gate("gate-1", work.id, "coder", undecided(spent), {example.group for example in tests})
    return spent


def next_dataset(services: Services) -> None:
    with services.store.transaction() as t:
        t.connection.execute(
            "insert into glow.training_datasets (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of,"
            " rows, content_hash, statistics) select 'next', agent, agents, kind, rule, rule_hash, rule_version, as_of,"
            " rows, 'other', statistics from glow.training_datasets"
        )
        t.connection.execute(
            "insert into glow.dataset_examples"
            " select 'next', position, example_version, split from glow.dataset_examples"
        )
        t.datasets.put_in_force("coder", "sft", "next")


def test_an_undecided_finalist_is_carried_over_also_after_a_kill(services: Services) -> None:
    spent = first_night(services)
    next_dataset(services)
    work = open_optimization(services, "coder")
    assert work.carried is not None
    assert work.carried.finalist.prompt == FINALIST
    with services.store.transaction() as t:  # the second night's gate is written, then the process dies
        t.optimizations.record_gate("gate-2", work.id, "coder", undecided(spent), set())
    resumed = open_optimization(services, "coder")
    assert resumed.id == work.id
    assert resumed.carried is not None, "a resumed night would race anew and spend more test items"


def test_a_spent_group_fails_another_gate(services: Services) -> None:
    first_night(services)
    work = open_optimization(services, "coder")
    with services.store.transaction() as t:
        groups = {example.group for example in work.examples if example.split == "test"}
        assert len(t.optimizations.spent("coder", groups)) == 2
    with pytest.raises(Exception, match="spent by another gate"), services.store.transaction() as t:
        t.optimizations.record_gate("gate-2", work.id, "coder", undecided(()), groups)


def test_feedback_that_comes_later_is_not_seen_by_a_resumed_optimization(services: Services, curated: str) -> None:
    with GlowClient(curated) as client, services.store.transaction() as t:
        run = t.feedback.executions_of_agent("coder")[0]
        version = client.resolve_prompt("coder").prompt_version
        client.log_execution("now", "coder", "a taxi at night", "meals", prompt_version=version)
        client.submit_feedback("coder", "now", "u1", correction="travel")
        before = open_optimization(services, "coder").corrections
        client.submit_feedback("coder", "now", "u1", correction="meals and more")
        client.submit_feedback("coder", "now", "u2", correction="travel")
        assert open_optimization(services, "coder").corrections == before
        assert len(before) == 1
        assert run.agent == "coder"


def test_two_processes_open_the_same_optimization(services: Services) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(open_optimization(services, "coder").id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
