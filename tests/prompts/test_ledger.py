"""The ledger of tests, counters of rules, notifications, optimizations: what is written once stays once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest

from glow_pipelines.client import GlowClient, InvalidValue
from glow_pipelines.learning.prompts.types import Rule
from glow_pipelines.store import Store
from tests.prompts.conftest import AGENT, PROMPT


def test_a_test_keeps_its_number_over_nights_and_counts_the_rejections_before_it(store: Store) -> None:
    with store.transaction() as t:
        assert t.prompts.open_level("a", AGENT) == (1, 0)
        assert t.prompts.open_level("b", AGENT) == (2, 0)
        assert t.prompts.decide_level("a", "carry_over", 0.02)
        assert t.prompts.decide_level("b", "promote", 0.01)
    with store.transaction() as t:
        assert t.prompts.open_level("c", AGENT) == (3, 1)
        assert t.prompts.open_level("a", AGENT) == (1, 0)  # another night: what it may err was fixed when it began
        assert t.prompts.decide_level("a", "drop")
        assert not t.prompts.decide_level("a", "promote")
        known = t.prompts.level("a")
        assert known is not None
        assert (known["verdict"], known["level"], known["decided_at"] is None) == ("drop", 0.02, False)
        assert t.prompts.open_level("d", AGENT) == (4, 1)


def test_tests_that_are_opened_at_once_get_numbers_without_gaps(store: Store) -> None:
    barrier = Barrier(4)

    def opened(n: int) -> int:
        barrier.wait()
        with store.transaction() as t:
            number, _ = t.prompts.open_level(f"key-{n % 6}", AGENT)
            if n == 3:
                t.connection.rollback()  # a run that dies leaves no gap
        return number

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(opened, range(12)))
    with store.transaction() as t:
        rows = t.connection.execute("select number from glow.gate_levels order by number").fetchall()
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert 5 <= len(rows) <= 6


def test_a_rule_counted_again_by_the_same_optimization_counts_once(store: Store, add: Callable[..., str]) -> None:
    rule = Rule("r1", "Taxis are travel.", ("x",))
    version = add(replace(PROMPT, rules=(rule,)))
    with store.transaction() as t:
        t.prompts.count_rules(AGENT, [replace(rule, helpful=3, harmful=1)], "night-1")
        t.prompts.count_rules(AGENT, [replace(rule, helpful=4, harmful=1)], "night-1")
        t.prompts.count_rules(AGENT, [replace(rule, helpful=2, harmful=2)], "night-2")
        assert t.prompts.rule_counts(AGENT) == {("r1", "Taxis are travel."): (6, 3)}
        known = t.prompts.prompt(AGENT, version)
    assert known is not None
    assert (known.rules[0].helpful, known.rules[0].harmful) == (6, 3)
    assert known.sha256 == version  # counters are no part of what a prompt is


def test_a_notification_is_told_once_and_read_by_agent_and_time(client: GlowClient, store: Store) -> None:
    with store.transaction() as t:
        assert t.notifications.add(AGENT, "prompt_candidate", "A better prompt", {"gain": 0.05})
        assert not t.notifications.add(AGENT, "prompt_candidate", "A better prompt", {"gain": 0.05})
        assert t.notifications.add(AGENT, "prompt_candidate", "Another", {}, key="x1")
        assert not t.notifications.add(AGENT, "prompt_candidate", "Another, reworded", {}, key="x1")
    assert [each.title for each in client.notifications(AGENT)] == ["Another", "A better prompt"]
    assert client.notifications()[1].body == {"gain": 0.05}
    assert client.notifications(AGENT, datetime.now(UTC) + timedelta(hours=1)) == ()
    with store.transaction() as t:
        assert [row["title"] for row in t.notifications.since(AGENT, most=1)] == ["Another"]


def test_an_optimization_keeps_what_it_was_asked_for(store: Store, admin: psycopg.Connection) -> None:
    admin.execute(
        "insert into glow.training_datasets"
        " (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows, content_hash, statistics)"
        " values ('d1', %s, %s, 'sft', '{}', '', '', now(), 0, '', '{}')",
        (AGENT, [AGENT]),
    )
    limits = {"max_calls": 500, "max_usd": 2.5}
    with store.transaction() as t:
        for goals in (["accuracy", "brevity"], ["cost"]):  # asked again, it is the first that holds
            t.optimizations.start(
                "o1",
                AGENT,
                "d1",
                PROMPT.sha256,
                goals=goals,
                limits=limits,
                model="m",
                metric="label",
                metric_version=2,
            )
        t.optimizations.record_plan("o1", {"race": 200})
        t.optimizations.record_spent("o1", {"calls": 12, "usd": 0.4})
        row = t.optimizations.get("o1")
        assert (row["goals"], row["limits"], row["plan"]) == (["accuracy", "brevity"], limits, {"race": 200})
        assert (row["model"], row["metric"], row["metric_version"]) == ("m", "label", 2)
        assert row["spent"] == {"calls": 12, "usd": 0.4}
        scored = {"agent": AGENT, "prompt_version": PROMPT.sha256, "example_id": "x", "metric": "label", "model": "m",
                  "output": "travel", "score": 1.0}  # fmt: skip
        measured = {"metric_version": 2, "valid": True, "prompt_tokens": 7, "completion_tokens": 1, "seconds": 0.3}
        t.optimizations.record_evaluations([{**scored, "stage": "analysis"}, {**scored, **measured, "stage": "gate"}])
        found = t.connection.execute("select metric_version, valid, stage from glow.evaluations order by 1").fetchall()
    assert [tuple(each.values()) for each in found] == [(1, None, "analysis"), (2, True, "gate")]


@pytest.mark.parametrize("goals", [["speed"], ["accuracy", "speed"], []])
def test_a_goal_that_nobody_knows_is_refused_by_name(client: GlowClient, goals: list[str]) -> None:
    with pytest.raises(InvalidValue, match="goals"):
        client.request_prompt_optimization(AGENT, goals)


def test_known_goals_and_none_are_accepted(client: GlowClient) -> None:
    goals = ["accuracy", "clarity", "brevity", "cost", "latency", "format"]
    asked = client.request_prompt_optimization(AGENT, goals)
    client.cancel_request(asked.request_id)
    assert client.request_prompt_optimization(AGENT).status == "queued"
