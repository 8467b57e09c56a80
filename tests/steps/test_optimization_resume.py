"""Exact resume: killed at any call and started again, an optimization pays for what is missing and ends in the same."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import Limits, Paused, open_optimization, spending, stages
from glow_pipelines.steps.optimization.whole import optimize
from tests.openai_server import OpenAIServer, ScriptedModel
from tests.steps.optimizing import CALLS
from tests.steps.optimizing import copies as copies
from tests.steps.optimizing import learned as learned
from tests.steps.optimizing import opened as opened
from tests.steps.optimizing import server as server

ROOT = Path(__file__).parents[2]


class KilledError(Exception):
    pass


class Mortal(Services):
    """Dies when it has paid for `left` answers; what came until then is in the cache."""

    left = 0
    paid = 0

    def answer(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        found: list[Answer] = []
        for each in requests:
            if self.left <= 0:
                raise KilledError
            found += super().answer([each])
            self.left -= not found[-1].cached
            self.paid += not found[-1].cached
        return found


def written(services: Services) -> dict[str, Any]:
    """What an optimization came to, as it stands in the database."""
    with services.store.transaction() as t:
        row = t.optimizations.latest("coder")
        gate = t.optimizations.latest_gate("coder")
    assert row is not None
    return {
        **{name: row[name] for name in ("optimization_id", "candidates", "race", "state", "reason")},
        "gate": gate and {name: value for name, value in gate["evidence"].items() if name != "seconds"},
    }


def used(services: Services) -> dict[str, Any]:
    with services.store.transaction() as t:
        row = t.optimizations.latest("coder")
    assert row is not None
    return {name: row["spent"]["gate"][name] for name in ("calls", "tokens", "answers", "answers_tokens")}


def test_killed_at_every_50th_call_it_ends_in_the_same(
    opened: Callable[..., Services], copies: Callable[[], str], server: OpenAIServer
) -> None:
    whole = opened()
    outcome = optimize(open_optimization(whole, "coder"))
    assert outcome.state == "finalist", outcome.reason
    calls = server.requests.total()
    assert calls == outcome.spent["gate"]["calls"] <= int(CALLS)
    server.requests.clear()

    url, kills = copies(), 0
    while True:
        mortal = opened(url, Mortal)
        assert isinstance(mortal, Mortal)
        mortal.left = 50
        try:
            optimize(open_optimization(mortal, "coder"))
        except KilledError:
            kills += 1
            assert server.requests.total() == 50 * kills
            mortal.store.close()
            continue
        break
    assert kills == calls // 50 - (calls % 50 == 0)
    assert server.requests.total() == calls
    assert set(server.requests.values()) == {1}
    assert written(mortal) == written(whole)
    assert used(mortal) == used(whole)

    server.requests.clear()  # and once more with everything known
    again = opened(url)
    work = open_optimization(again, "coder")
    assert optimize(work).state == "finalist"
    assert (server.requests.total(), work.asking.paid) == (0, 0)
    assert written(again) == written(whole)


def test_one_process_and_one_for_each_stage_decide_the_same(
    opened: Callable[..., Services], copies: Callable[[], str], server: OpenAIServer
) -> None:
    whole, url = opened(), copies()
    optimize(open_optimization(whole, "coder"))
    server.requests.clear()
    for stage in (stages.analyze, stages.propose, stages.race, stages.gate):
        services = opened(url)
        stage(open_optimization(services, "coder"))
        services.store.close()
    assert written(services) == written(whole)
    assert used(services) == used(whole)
    assert set(server.requests.values()) == {1}


def test_a_killed_process_goes_on(copies: Callable[[], str], opened: Callable[..., Services]) -> None:
    url, processes = copies(), list[subprocess.Popen[str]]()
    with OpenAIServer(ScriptedModel(), lambda number: processes[-1].kill() if number == 130 else None) as server:
        environment = os.environ | server.environment()
        environment |= {"DATABASE_URL": url, "GLOW_OPTIMIZATION_MAX_CALLS": "300", "GLOW_CHAT_CONCURRENCY": "1"}
        environment |= {"PYTHONPATH": str(ROOT), "GLOW_OPTIMIZATION_WRITING": "false"}

        def run() -> tuple[int, str]:
            command = [sys.executable, "-m", "glow_pipelines.cli", "optimize", "coder"]
            with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=-1, stderr=-2, text=True) as process:
                processes.append(process)
                told, _ = process.communicate(timeout=300)
            return process.returncode, told

        assert run()[0] == -9
        state, told = run()
        assert state in (0, 3, 4), told
        assert "Traceback" not in told
        # The one in flight at the kill may have been paid without an answer to keep.
        assert sorted(server.requests.values())[-2:] in ([1, 1], [1, 2])
        assert server.requests.total() <= 301
        total = server.requests.total()
        assert run()[0] == state
        assert server.requests.total() == total


def test_time_that_is_over_pauses_and_the_next_run_goes_on(opened: Callable[..., Services], copies: Any) -> None:
    url, now = copies(), [0.0]

    def clock() -> float:
        now[0] += 1.0  # every look at the clock is a second later
        return now[0]

    outcome, runs = None, 0
    while outcome is None:
        runs += 1
        services = opened(url)
        work = open_optimization(services, "coder", limits=partial(Limits.but, seconds=20.0 * runs), clock=clock)
        try:
            outcome = optimize(work)
        except Paused:
            with services.store.transaction() as t:
                row = t.optimizations.get(work.id)
            assert row["state"] == "running"
    assert runs > 1
    assert outcome.state == "finalist"


@pytest.mark.parametrize("limits", [{"tokens": 12_000}, {"usd": 0.01}, {"calls": 90}, {"calls": 1}])
def test_no_limit_is_exceeded_by_what_was_really_paid(
    opened: Callable[..., Services], server: OpenAIServer, limits: dict[str, Any]
) -> None:
    services = opened(GLOW_CHAT_PRICES="1/2")
    work = open_optimization(services, "coder", limits=lambda usual: usual.but(**limits))
    outcome = optimize(work)
    calls = server.requests.total()
    tokens, usd = 52 * calls, calls * (50 * 1 + 2 * 2) / 1e6  # what the server says each answer takes
    assert calls <= work.limits.calls
    assert tokens <= (limits.get("tokens") or tokens)
    assert usd <= (limits.get("usd") or usd) + 1e-12
    over, words = spending.overshoot(work)
    assert over == 0, words
    assert outcome.state in ("no_improvement", "carry_over", "finalist")
    account = outcome.spent.get("gate") or outcome.spent["race"]
    assert (account["answers"], account["answers_tokens"]) == (calls, tokens)
    assert (account["calls"], account["tokens"]) == (calls, tokens)


def test_a_judge_that_nobody_compared_with_experts_may_not_promote(opened: Callable[..., Services]) -> None:
    services = opened()
    work = open_optimization(services, "coder")
    with services.store.transaction() as t:
        assert stages.may_promote(t, work) == (True, "")
        judged = replace(
            work,
            metric=metric_named("rubric_judge", {"items": [{"id": "right", "criterion": "The account is right."}]}),
        )
        may_pass, why_not = stages.may_promote(t, judged)
    assert not may_pass
    assert "never compared with experts" in why_not
