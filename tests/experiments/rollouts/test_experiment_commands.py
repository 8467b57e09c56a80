"""`glow experiment` and `glow rollout` against a real database: what they print, and how they say no."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from glow_pipelines.cli import main
from glow_pipelines.commands.experiment_texts import print_rollout
from glow_pipelines.demo.figures import experiment_figures
from glow_pipelines.learning.experiments import Traffic, plan_experiment, take_look
from glow_pipelines.learning.prompts.types import Candidate
from glow_pipelines.store import Store
from tests.experiments.rollouts.moving import AGENT, NEW, OLD, begin, stages, state
from tests.learning.experiments.test_decisions import statistics

Glow = Callable[..., Result]
PLAN = plan_experiment("x1#1", Traffic(130, 1, 0.6, 0.0, executions_per_user=2))
WHY = ("--reason", "we know now")


@pytest.fixture
def glow(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Glow:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def running(store: Store) -> str:
    """A test of NEW with one look behind it."""
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
        assert t.experiments.create("x1", AGENT, "shorter \x1b[31m", OLD.sha256, NEW.sha256, PLAN.to_json(), None, 1)
        given = statistics(9, users=700, lift=0.02)
        look = take_look(PLAN, given)
        t.experiments.record_look(
            "x1", 1, "decision", datetime.now(UTC), 9.0, given.to_json(), look.to_json(), look.action, look.reason
        )
    return "x1"


@pytest.fixture
def ramping(store: Store) -> str:
    begin(store)
    with store.transaction() as t:
        t.rollouts.open("x1", stages(1), "pipeline", "it won")
    return "x1"


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def told(result: Result, exit_code: int = 1) -> str:
    """What a refusal says: no traceback."""
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)
    return result.output


def test_a_plan_of_an_agent_that_nobody_used_says_so(glow: Glow) -> None:
    said = ok(glow("experiment", "plan", AGENT))
    assert "hopeless as planned: 5.0 points needs" in said
    assert "no difference that is possible in 28 days, with 80 % power" in said
    assert "guardrails" in said
    assert "known are coder" in told(glow("experiment", "plan", "nobody"), 2)
    assert "thumbs_up_rate, mean_rating" in told(glow("experiment", "plan", AGENT, "--metric", "joy"), 2)
    assert "nothing to plan with: cost_mean never varied" in told(
        glow("experiment", "plan", AGENT, "--metric", "cost_mean")
    )


def test_an_experiment_is_asked_for_and_warns(glow: Glow, store: Store) -> None:
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
    options = ("--effect", "0.1", "--metric", "correction_rate", "--days", "14")
    said = ok(glow("experiment", "create", AGENT, NEW.sha256[:10], *options, "--hypothesis", "shorter"))
    assert "is queued: a run starts it" in said
    warned = said.partition("Warnings:")[2]
    assert "hopeless as planned: 10.0 points needs" in warned
    assert warned == ok(glow("experiment", "plan", AGENT, *options)).partition("Warnings:")[2]
    with store.transaction() as t:
        (request,) = t.requests.claim(5)
    assert request.parameters["treatment"] == NEW.sha256
    assert (request.parameters["effect"], request.parameters["hypothesis"]) == (0.1, "shorter")
    assert (request.parameters["metric"], request.parameters["days"]) == ("correction_rate", 14)


def test_what_cannot_be_planned_is_not_asked_for(glow: Glow, store: Store) -> None:
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
    asked = ("experiment", "create", AGENT, NEW.sha256[:10])
    assert "nothing to plan with: cost_mean never varied" in told(glow(*asked, "--metric", "cost_mean"))
    assert "objective: 'non_inferiority'" in told(glow(*asked, "--objective", "non_inferiority"))
    assert "metric: 'joy'" in told(glow(*asked, "--metric", "joy"))
    with store.transaction() as t:
        assert t.requests.claim(5) == []


def test_what_cannot_be_tried_is_told_in_a_line(glow: Glow, tmp_path: Path) -> None:
    assert "a version other than the one in production" in told(glow("experiment", "create", AGENT, "production"))
    assert "no version 'ffff'" in told(glow("experiment", "create", AGENT, "ffff"))
    assert "name the model to try" in told(glow("experiment", "create", AGENT, "--kind", "model"), 2)
    assert "takes its settings from --config" in told(glow("experiment", "create", AGENT, "--kind", "config"), 2)
    wrong = tmp_path / "wrong.json"
    assert "No such file" in told(glow("experiment", "create", AGENT, "--config", wrong))
    wrong.write_text("[1]")
    assert "must hold an object" in told(glow("experiment", "create", AGENT, "--config", wrong), 2)
    wrong.write_text("{")
    assert "is no JSON" in told(glow("experiment", "create", AGENT, "--config", wrong), 2)
    wrong.write_text("{}")
    assert "one of the two" in told(glow("experiment", "create", AGENT, "x", "--config", wrong), 2)
    assert "an experiment_id that experiments answers" in told(glow("experiment", "show", "x9"))


def test_an_experiment_is_read(glow: Glow, running: str) -> None:
    listed = ok(glow("experiment", "list", AGENT))
    assert "x1" in listed
    assert "1,400" in listed
    assert "Undecided on day 9" in listed
    shown = ok(glow("experiment", "show", "x1"))
    assert "It is running. Undecided on day 9: treatment minus control is between" in shown
    assert "thumbs up       primary" in shown
    assert "+2.0 points" in shown
    assert "\x1b" not in shown
    assert json.loads(ok(glow("experiment", "show", "x1", "--json")))["action"] == "continue"
    looks = ok(glow("experiment", "looks", "x1"))
    assert "decision" in looks
    assert "9.00" in looks


def test_a_person_pauses_extends_and_ends_an_experiment(glow: Glow, store: Store, running: str) -> None:
    assert "x1: experiment paused (paused)" in ok(glow("experiment", "pause", "x1", *WHY))
    assert "x1: experiment resumed (running)" in ok(glow("experiment", "resume", "x1", *WHY))
    assert "x1: unchanged (running)" in ok(glow("experiment", "resume", "x1", *WHY))
    assert "x1: experiment extended (running), until 20" in ok(glow("experiment", "extend", "x1", *WHY))
    assert "is more than the plan bought" in told(glow("experiment", "extend", "x1", *WHY, "--until-day", "99"))
    assert "must say why" in told(glow("experiment", "stop", "x1", "--reason", " "), 2)
    assert "x1: experiment stopped (stopped, decision keep)" in ok(glow("experiment", "stop", "x1", *WHY))
    assert "has ended (stopped, keep)" in told(glow("experiment", "abandon", "x1", *WHY))
    assert "stopped: keep" in ok(glow("experiment", "list"))
    with store.transaction() as t:
        moved = t.rollouts.history("x1")[-1]
    assert (moved["reason"], moved["moved_by"] not in ("", "pipeline")) == ("we know now", True)


def test_a_test_is_begun_anew(glow: Glow, store: Store, running: str) -> None:
    said = ok(glow("experiment", "restart", "x1", *WHY, "--treatment-ppm", "200000"))
    assert "x1: experiment restarted (running), phase 2, until 20" in said
    shown = ok(glow("experiment", "show", "x1"))
    assert "20 % treatment of 100 % enrolled" in shown
    assert "Undecided" not in shown
    assert "+2.0 points" not in shown
    assert "Undecided on day 9" in ok(glow("experiment", "looks", "x1"))
    assert "must say why" in told(glow("experiment", "restart", "x1", "--reason", " "), 2)


def test_an_abandoned_experiment_shows_nothing(glow: Glow, running: str) -> None:
    ok(glow("experiment", "abandon", "x1", *WHY))
    assert "It was abandoned: it shows nothing." in ok(glow("experiment", "show", "x1"))


def test_a_rollout_is_read_and_led(glow: Glow, store: Store, ramping: str) -> None:
    assert "0 of 0…4" in ok(glow("rollout", "list"))
    assert "x1: rollout paused (paused, rollout paused at stage 0 of 0…4)" in ok(glow("rollout", "pause", "x1", *WHY))
    assert "rollout resumed (ramping, rollout running" in ok(glow("rollout", "resume", "x1", *WHY))
    assert "x1:" in ok(glow("rollout", "approve", "x1", *WHY, "--stage", "1"))
    shown = ok(glow("rollout", "show", "x1"))
    assert "→  0      5 %" in shown
    assert "we know now" in shown
    assert "it won" in shown
    assert "rolled_back" in ok(glow("rollout", "rollback", "x1", *WHY))
    assert state(store)[:2] == ("rolled_back", "rolled_back")
    assert "unchanged" in ok(glow("rollout", "rollback", "x1", *WHY))


def test_a_test_without_a_rollout_has_none_to_lead(glow: Glow, running: str) -> None:
    assert "x1 has no rollout" in told(glow("rollout", "show", "x1"))
    assert "has no rollout" in told(glow("rollout", "rollback", "x1", *WHY))
    assert "no rollout yet" in ok(glow("rollout", "list"))


def test_a_rollout_without_a_test_is_asked_for(
    glow: Glow,
    store: Store,
    tmp_path: Path,
) -> None:
    said = ok(glow("rollout", "start", AGENT, "new", "--kind", "model", "--control", "old", "--approval", *WHY))
    assert "is queued: a run starts it" in said
    with store.transaction() as t:
        (asked,) = t.requests.claim(5)
        t.requests.finish(asked.request_id, "succeeded", {})
    assert (asked.parameters["design"], asked.parameters["approval"]) == ("ramp", True)
    now, then = tmp_path / "now.json", tmp_path / "then.json"
    now.write_text('{"temperature": 0}')
    then.write_text('{"temperature": 1}')
    ok(glow("experiment", "create", AGENT, "--config", then, "--control", now))
    with store.transaction() as t:
        (asked,) = t.requests.claim(5)
    assert (asked.parameters["control_config"], asked.parameters["config"]) == ({"temperature": 0}, {"temperature": 1})


def test_the_report_of_the_demo_reads_the_same_experiment(store: Store, running: str) -> None:
    with store.transaction() as t:
        row = t.experiments.running(AGENT)
        assert row is not None
        t.connection.execute("select glow_api.resolve_prompt(%s, unit => 'u1')", (AGENT,))
    found = experiment_figures(store, row)
    assert (found["id"], found["state"], found["days"]) == ("x1", "running", [PLAN.planned_days, PLAN.maximum_days])
    assert found["exposed"] == [700, 700]  # as the last look counted them
    assert found["said"].startswith("Undecided on day 9")
    # Counted from the start, which here was a moment ago while the look says day 9.
    assert datetime.fromisoformat(found["next_look"]) == pytest.approx(
        row["started_at"] + timedelta(days=10), abs=timedelta(minutes=1)
    )


def test_a_stage_in_which_harm_will_not_be_seen_says_why() -> None:
    plan = stages()
    plan["stages"][0]["blind"] = "of 300 users in 28 days about 15 come into its smaller arm"
    row = {"experiment_id": "x1", "state": "running", "awaiting_stage": None, "reason": "", "stage": 0, "plan": plan}
    console = Console(record=True, width=200, file=io.StringIO())
    print_rollout(console, row, [])
    text = console.export_text()
    assert text.count("a person before the next") == 1
    assert "- stage 0: of 300 users in 28 days about 15" in text
