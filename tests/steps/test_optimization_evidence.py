"""Evidence of a gate is about one pair, one metric and one model; and a test that was begun is never begun anew."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.learning.intervals import newcombe_paired, wilson
from glow_pipelines.learning.prompts import PromptOptimizer
from glow_pipelines.learning.prompts.types import Candidate, Gate, Prompt
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import Limits, Optimization, Paused, open_optimization, stages
from glow_pipelines.steps.optimization.whole import optimize
from tests.openai_server import OpenAIServer
from tests.steps.optimizing import INCUMBENT
from tests.steps.optimizing import copies as copies
from tests.steps.optimizing import learned as learned
from tests.steps.optimizing import opened as opened
from tests.steps.optimizing import server as server

FINALIST = replace(INCUMBENT, instruction="Name the account.")
OTHER = replace(INCUMBENT, instruction="Say which account.")
Opened = Callable[..., Services]


@pytest.fixture
def services(opened: Opened) -> Services:
    return opened()


def sealed(work: Optimization) -> list[str]:
    return sorted({example.group for example in work.examples if example.split == "test"})


def looked_at(work: Optimization, finalist: Prompt, verdict: str, groups: list[str], gate_id: str) -> None:
    """A gate on these groups, written as stages write it."""
    known = {example.group: example.id for example in work.examples if example.split == "test"}
    evidence = Gate(
        incumbent_sha256=work.incumbent.sha256, finalist_sha256=finalist.sha256, verdict=verdict, reason="so far",  # type: ignore[arg-type]
        n=len(groups), b=len(groups), c=0, both_right=0, neither_right=0, log_e=0.0, alpha=0.05,
        incumbent_accuracy=wilson(1, 4), finalist_accuracy=wilson(1, 4), difference=newcombe_paired(1, 1, 1, 1),
        p_value=1.0, shrunken_gain=0.0, format_gained=0, format_lost=0, slices=(), failed_guardrails=(), notes=(),
        spent=tuple(known[group] for group in groups),
    )  # fmt: skip
    with work.services.store.transaction() as t:
        t.prompts.add(work.agent, Candidate(finalist, "test", work.incumbent.sha256))
        test = stages.open_test(t, work, finalist, None)
        t.optimizations.record_gate(gate_id, work.id, work.agent, evidence, groups, test.key)
        t.prompts.decide_level(test.key, verdict, test.level)


def raced(work: Optimization, winner: Prompt) -> None:
    with work.services.store.transaction() as t:
        t.optimizations.record_race(work.id, {"survivors": [winner.sha256, work.incumbent.sha256], "rounds": [{}]})


def another(services: Services, calls: int) -> Optimization:
    return open_optimization(services, "coder", limits=partial(Limits.but, calls=calls))


def levels(services: Services) -> list[int]:
    with services.store.transaction() as t:
        rows: list[Any] = t.connection.execute("select number from glow.gate_levels order by number").fetchall()
    return [row["number"] for row in rows]


def test_evidence_is_carried_over_by_the_same_model_only(services: Services, opened: Opened) -> None:
    work = open_optimization(services, "coder")
    looked_at(work, FINALIST, "carry_over", sealed(work)[:5], "night-1")
    assert another(services, 601).carried is not None
    url = services.database_url
    assert another(opened(url, GLOW_CHAT_MODEL="another"), 601).carried is None


def test_evidence_is_carried_over_by_the_same_settings_of_the_metric_only(services: Services) -> None:
    work = open_optimization(services, "coder")
    looked_at(work, FINALIST, "carry_over", sealed(work)[:5], "night-1")
    with services.store.transaction() as t:
        t.connection.execute(
            "update glow.agents set evaluation = evaluation || %s",
            (Jsonb({"metric_settings": {"aliases": {"a trip": "travel"}}}),),
        )
    assert another(services, 601).carried is None


def test_a_test_that_is_open_goes_on_when_its_finalist_wins_another_race(services: Services) -> None:
    first = open_optimization(services, "coder")
    groups = sealed(first)
    looked_at(first, FINALIST, "carry_over", groups[:5], "night-1")
    looked_at(first, OTHER, "drop", groups[5:6], "night-2")
    again = another(services, 601)
    assert again.carried is None
    raced(again, FINALIST)
    found = stages.gate(again)
    assert found is not None
    assert found.n > 5
    assert set(found.spent) >= {each.id for each in first.examples if each.group in groups[:5]}, "begun anew"
    assert levels(services) == [1, 2]


def test_a_finalist_tested_anew_keeps_the_level_of_that_test(services: Services) -> None:
    first = open_optimization(services, "coder")
    groups = sealed(first)
    looked_at(first, FINALIST, "drop", groups[:5], "night-1")
    second = another(services, 601)
    looked_at(second, FINALIST, "carry_over", groups[5:10], "night-2")
    third = another(services, 602)
    assert third.carried is not None
    found = stages.gate(third)
    assert found is not None
    assert levels(services) == [1, 2]


def test_where_every_test_item_is_spent_nothing_is_paid(services: Services, server: OpenAIServer) -> None:
    first = open_optimization(services, "coder")
    looked_at(first, FINALIST, "drop", sealed(first), "night-1")
    outcome = optimize(another(services, 601))
    assert outcome.state == "insufficient_data", outcome.reason
    assert "spent" in outcome.reason
    assert server.requests.total() == 0
    assert len(levels(services)) == 1
    assert optimize(another(services, 601)).state == "insufficient_data"


def test_what_a_gate_spends_itself_does_not_undo_its_optimization(services: Services) -> None:
    outcome = optimize(open_optimization(services, "coder"))
    again = optimize(open_optimization(services, "coder"))
    assert (again.state, again.reason) == (outcome.state, outcome.reason)


def test_a_budget_too_small_to_compare_anything_says_so(services: Services) -> None:
    outcome = optimize(another(services, 1))
    assert outcome.state == "no_improvement"
    assert "nothing was compared" in outcome.reason
    assert "did better" not in outcome.reason


def test_a_metric_that_may_only_rank_spends_no_test_item(services: Services, server: OpenAIServer) -> None:
    """Else its first finalist, which can never pass, would hold the agent and eat the test items of every night."""
    with services.store.transaction() as t:
        t.connection.execute("update glow.agents set evaluation = %s", (Jsonb({"metric": "embedding"}),))
    outcome = optimize(open_optimization(services, "coder"))
    assert (outcome.state, outcome.gate) == ("carry_over", None), outcome.reason
    assert outcome.reason.startswith("Ranks only: ")
    assert levels(services) == []
    with services.store.transaction() as t:
        assert t.connection.execute("select * from glow.test_spends").fetchall() == []
    assert another(services, 601).carried is None


def test_who_comes_second_to_the_same_test_items_pauses(services: Services) -> None:
    """Two optimizations at once: the later one decided nothing, and its next run finds what is left."""
    first, second = open_optimization(services, "coder"), another(services, 601)
    for work in (first, second):
        raced(work, INCUMBENT)
    groups = sealed(first)
    looked_at(first, OTHER, "drop", [], "other")
    looked_at(first, FINALIST, "drop", [], "mine")
    raced(second, FINALIST)
    engine = second.engine_for_gate

    def late() -> PromptOptimizer:
        with services.store.transaction() as t:
            t.connection.execute(
                "insert into glow.test_spends (agent, group_key, gate_id) values ('coder', %s, 'other')", (groups[0],)
            )
        return engine()

    second.engine_for_gate = late  # type: ignore[method-assign]
    with pytest.raises(Paused, match="spent by another gate meanwhile"):
        stages.gate(second)
    second.engine_for_gate = engine  # type: ignore[method-assign]
    found = stages.gate(second)
    assert found is not None
    assert found.n == len(groups) - 1


def test_a_winner_that_was_erased_is_not_called_no_better(services: Services) -> None:
    work = open_optimization(services, "coder")
    looked_at(work, FINALIST, "drop", [], "written")
    raced(work, FINALIST)
    with services.store.transaction() as t:
        t.connection.execute("alter table glow.prompt_versions disable trigger immutable")
        t.connection.execute("update glow.prompt_versions set erased_at = now() where operator = 'test'")
    assert stages.gate(work) is None
    assert "erasure" in work.now()["reason"]
