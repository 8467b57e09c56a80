"""`glow prompt` against a real database: what it prints, and how it says no."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result

from glow_pipelines.learning.prompts.types import Demonstration, Lineage, Rule
from glow_pipelines.store import Store
from tests.prompts.conftest import AGENT, PROMPT

Glow = Callable[..., Result]


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def told(result: Result) -> str:
    """What a refusal says: one line, no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    return result.output


@pytest.fixture
def candidate(store: Store, add: Callable[..., str], learned: dict[str, str]) -> str:
    id = learned["Taxi to the fair"]
    version = add(
        replace(
            PROMPT,
            rules=(Rule("r1", "Taxis are travel.", (id,)),),
            demonstrations=(Demonstration(id, "Taxi to the fair \x1b[31m\u202e", "travel"),),
        ),
        lineage=(Lineage(id, "rule_evidence", "r1"), Lineage(id, "demo")),
        reason="14 of 20 taxis were meals",
    )
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "candidate", version, "pipeline", "passed the gate")
    return version


def test_from_candidate_to_production_and_back(glow: Glow, store: Store, candidate: str) -> None:
    listed = ok(glow("list", AGENT))
    assert "14 of 20 taxis were meals" in listed
    assert listed.index(candidate[:12]) < listed.index(PROMPT.sha256[:12])
    assert "Taxis are travel." in ok(glow("show", AGENT, "candidate"))
    assert json.loads(ok(glow("show", AGENT, candidate[:8], "--json")))["rules"][0]["id"] == "r1"
    changed = ok(glow("diff", AGENT))
    assert f"+++ candidate {candidate[:12]}" in changed
    assert "+- Taxis are travel." in changed
    assert ok(glow("diff", AGENT, candidate, candidate)) == "no difference\n"
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "production", candidate, "ann", "won its experiment")
    done = ok(glow("rollback", AGENT, "--reason", "complaints"))
    assert f"{PROMPT.sha256[:12]} is in production again, {candidate[:12]} is not any more" in done
    moves = ok(glow("history", AGENT))
    assert "won its experiment" in moves
    assert "rollback: complaints" in moves
    assert "no previous prompt" in told(glow("rollback", AGENT, "--reason", "again"))
    assert "is in production again" in ok(glow("rollback", AGENT, "--reason", "no, good", "--to", candidate[:9]))


def test_why_names_the_rows_and_counts_what_is_traced(glow: Glow, candidate: str, add: Callable[..., str]) -> None:
    said = ok(glow("why", AGENT, candidate))
    assert "3 of 3 parts are traced" in said
    assert '"reviewer": "eve"' in said
    assert "rule r1: Taxis are travel." in said
    assert "instruction" not in ok(glow("why", AGENT, candidate, "--part", "r1"))
    version = add(replace(PROMPT, rules=(Rule("r2", "Because.", ()),)))
    assert "1 of 2 parts are traced" in ok(glow("why", AGENT, version))


def test_no_word_of_a_user_steers_the_terminal(glow: Glow, candidate: str) -> None:
    for command in (("show", AGENT, candidate), ("diff", AGENT), ("why", AGENT, candidate)):
        output = ok(glow(*command))
        assert "Taxi to the fair" in output
        assert "\x1b" not in output
        assert "\u202e" not in output


@pytest.mark.parametrize("version", ["ffff", "", "previous", "%"])
def test_a_version_that_is_none_or_many_is_refused_by_name(glow: Glow, candidate: str, version: str) -> None:
    assert "accepted: production, candidate, previous or the beginning" in told(glow("show", AGENT, version))


def test_an_agent_without_a_prompt_is_told_what_to_do(glow: Glow) -> None:
    assert "register_agent gives it its first" in ok(glow("list", "nobody"))
    assert "no prompt in production" in told(glow("rollback", "nobody", "--reason", "x"))


def test_a_rollback_without_a_reason_is_refused(glow: Glow, store: Store, candidate: str) -> None:
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "production", candidate, "ann", "won its experiment")
    assert glow("rollback", AGENT, "--reason", " ").exit_code == 2
    with store.transaction() as t:
        now = t.prompts.in_force(AGENT)
    assert now is not None
    assert now.prompt.sha256 == candidate


def test_a_version_in_a_list_can_be_copied_from_a_narrow_terminal(
    glow: Glow, candidate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert candidate[:12] in ok(glow("list", AGENT))
    assert candidate[:12] in ok(glow("history", AGENT))


def test_no_version_is_not_every_version(glow: Glow) -> None:
    assert "no version ''" in told(glow("show", AGENT, ""))
