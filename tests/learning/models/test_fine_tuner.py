"""Planning training: the state and its reason, keys that buy once, and splits without leaks."""

import hashlib
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.models import (
    FineTuner,
    FineTuningOptions,
    TrainingLine,
    TuningCapabilities,
    estimated_tokens,
    training_file,
)
from glow_pipelines.learning.models.capabilities import PROVIDERS
from glow_pipelines.learning.models.fine_tuner import manifest_sha256, run_key
from glow_pipelines.learning.models.prices import price_of
from glow_pipelines.learning.models.split import LineError, prompt_key, split_lines

OPTIONS = FineTuningOptions(
    enabled=True, minimum_examples=50, validation_split=0.2, base_model="gpt-4o-mini-2024-07-18"
)
OPENAI = TuningCapabilities(provider="openai", enabled=True)


def line(name: str, question: str = "", group: str = "") -> TrainingLine:
    messages = [{"role": "user", "content": question or f"question {name}"}, {"role": "assistant", "content": "a"}]
    text = json.dumps({"messages": messages})
    return TrainingLine(name, group or f"group {name}", text, 100)


LINES = [line(f"e{i}") for i in range(100)]


def test_planned_with_counts_tokens_and_a_dated_cost() -> None:
    plan = FineTuner(OPTIONS, OPENAI).plan("tax", LINES)
    assert plan.state == "planned"
    assert plan.train_count + plan.validation_count == 100
    assert 10 <= plan.validation_count <= 30
    assert plan.estimated_tokens == plan.train_count * 100 * 3
    assert plan.estimated_cost_usd == pytest.approx(plan.estimated_tokens * 3.0 / 1e6)
    assert "price of 2026-" in plan.reason
    assert len(plan.split.train) == plan.train_count


@pytest.mark.parametrize(
    ("options", "capabilities", "lines", "state", "said"),
    [
        ({"enabled": False}, {}, LINES, "disabled", "OPENAI_FINE_TUNING_ENABLED=true"),
        ({}, {"enabled": False, "reason": "no key; set OPENAI_API_KEY"}, LINES, "disabled", "set OPENAI_API_KEY"),
        ({}, {}, LINES[:49], "insufficient_data", "49 approved examples of 50"),
        ({"minimum_examples": 10}, {}, LINES[:10], "insufficient_data", "after the split"),
        ({"base_model": None}, {}, LINES, "blocked", "GLOW_FINE_TUNING_BASE_MODEL"),
        ({"method": "dpo"}, {}, LINES, "blocked", "supervised"),
        ({}, {"maximum_file_bytes": 100}, LINES, "blocked", "openai takes 100 at most"),
        ({}, {}, [*LINES, replace(line("bad"), text="{")], "blocked", "'bad' holds no messages"),
    ],
)
def test_what_stands_in_the_way_is_said(
    options: dict[str, Any], capabilities: dict[str, Any], lines: list[TrainingLine], state: str, said: str
) -> None:
    tuner = FineTuner(replace(OPTIONS, **options), replace(OPENAI, **capabilities))
    plan = tuner.plan("tax", lines)
    assert plan.state == state
    assert said in plan.reason


def test_counts_and_cost_are_told_even_when_switched_off() -> None:
    plan = FineTuner(replace(OPTIONS, enabled=False), OPENAI).plan("tax", LINES)
    assert plan.train_count > 0
    assert plan.estimated_cost_usd is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hyperparameters": {"n_epochs": 51}}, "n_epochs=51 is not accepted by openai"),
        ({"hyperparameters": {"lora_rank": 8}}, "takes no 'lora_rank' for supervised"),
        ({"method": "reinforcement"}, "needs a grader"),
        ({"method": "dpo"}, "example 'e0': "),
    ],
)
def test_what_the_service_would_refuse_blocks_the_plan(change: dict[str, Any], said: str) -> None:
    plan = FineTuner(replace(OPTIONS, **change), PROVIDERS["openai"]).plan("tax", LINES)
    assert plan.state == "blocked"
    assert said in plan.reason
    assert len(plan.reason) < 2000


def test_lines_are_checked_by_the_rules_of_the_service_that_trains() -> None:
    developer = {"role": "developer", "content": "be brief"}
    text = json.dumps({"messages": [developer, *json.loads(LINES[3].text)["messages"]]})
    lines = [*LINES[:3], replace(LINES[3], text=text), *LINES[4:]]
    assert FineTuner(OPTIONS, PROVIDERS["openai"]).plan("tax", lines).state == "planned"
    plan = FineTuner(OPTIONS, PROVIDERS["local"]).plan("tax", lines)
    assert plan.state == "blocked"
    assert "'e3'" in plan.reason
    assert "developer" in plan.reason


def test_a_service_may_have_a_base_model_of_its_own_and_tokens_say_how_they_were_counted() -> None:
    local = replace(PROVIDERS["local"], default_base_model="small")
    plan = FineTuner(replace(OPTIONS, base_model=None), local, "tokenizer of small").plan("tax", LINES)
    assert (plan.state, plan.base_model, plan.estimated_cost_usd) == ("planned", "small", 0.0)
    assert plan.token_counter == "tokenizer of small"


def test_another_split_of_the_same_lines_is_another_run() -> None:
    plans = [FineTuner(replace(OPTIONS, validation_split=share), OPENAI).plan("tax", LINES) for share in (0.2, 0.4, 0)]
    assert len({plan.run_key for plan in plans}) == 3
    assert len({plan.manifest_sha256 for plan in plans}) == 3


def test_an_unknown_price_is_not_free() -> None:
    plan = FineTuner(OPTIONS, replace(OPENAI, provider="elsewhere.example")).plan("tax", LINES)
    assert plan.state == "planned"
    assert plan.estimated_cost_usd is None
    assert "unknown price" in plan.reason


def test_prices_take_the_longest_prefix_and_are_dated() -> None:
    mini, big = price_of("openai", "gpt-4o-mini-2024-07-18"), price_of("openai", "gpt-4o-2024-08-06")
    assert mini is not None
    assert big is not None
    assert (mini.usd_per_million_tokens, big.usd_per_million_tokens) == (3.0, 25.0)
    assert mini.as_of >= date(2026, 11, 22)
    assert price_of("openai", "unheard-of") is None


def test_same_inputs_same_key_and_any_change_another() -> None:
    base = ("tax", "m", "openai", "gpt", "supervised", {"n_epochs": 3, "batch_size": 1}, 1)
    assert run_key(*base) == run_key(*base[:5], {"batch_size": 1, "n_epochs": 3})
    changed: list[tuple[Any, ...]] = [(*base[:i], f"{base[i]}x", *base[i + 1 :]) for i in range(5)]
    changed += [(*base[:5], {"n_epochs": 3, "batch_size": 1, "learning_rate": 1e-8}, 1), (*base[:6], 2)]
    assert len({run_key(*base), *(run_key(*other) for other in changed)}) == 8
    assert len(run_key(*base)) == len(hashlib.sha256().hexdigest())


def test_fields_of_the_key_do_not_run_into_each_other() -> None:
    assert run_key("a|b", "c", "p", "m", "supervised", {}) != run_key("a", "b|c", "p", "m", "supervised", {})


def test_manifest_depends_on_ids_content_and_order() -> None:
    other_text = [replace(LINES[0], text=LINES[1].text), *LINES[1:]]
    manifests = {manifest_sha256(x) for x in (LINES, LINES[::-1], LINES[1:], other_text)}
    assert len(manifests) == 4


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sampled_from([0.0, 0.1, 0.2, 0.5]))
def test_no_group_is_on_both_sides_and_none_is_lost(groups: list[int], share: float) -> None:
    lines = [line(f"e{i}", group=f"g{group}") for i, group in enumerate(groups)]
    split = split_lines(lines, share)
    assert not {x.group for x in split.train} & {x.group for x in split.validation}
    assert sorted((*split.train, *split.validation), key=lambda x: int(x.example_id[1:])) == lines
    assert split.train
    assert bool(split.validation) == (share > 0 and len(set(groups)) > 1)


def test_more_examples_move_no_old_one() -> None:
    before, after = split_lines(LINES[:60], 0.2), split_lines(LINES, 0.2)
    assert set(before.validation) <= set(after.validation)


def test_the_same_prompt_on_both_sides_is_refused() -> None:
    split = split_lines(LINES, 0.2)
    asked = json.loads(split.train[0].text)["messages"][0]["content"]
    twin = replace(split.validation[0], text=line("x", f"  {asked.upper()}! ").text)
    lines = [twin if x == split.validation[0] else x for x in LINES]
    with pytest.raises(LineError, match="different groups"):
        split_lines(lines, 0.2)
    assert FineTuner(OPTIONS, OPENAI).plan("tax", lines).state == "blocked"


def test_preference_lines_are_keyed_by_their_input() -> None:
    row = {"input": {"messages": [{"role": "user", "content": "question e1"}]}, "preferred_output": []}
    assert prompt_key(TrainingLine("p", "g", json.dumps(row), 1)) == prompt_key(line("e1"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"messages": []}', '{"messages": ["x"]}', "[" * 100_000, "null"])
def test_hostile_lines_are_refused_by_name(text: str) -> None:
    with pytest.raises(LineError, match="'evil'"):
        prompt_key(TrainingLine("evil", "g", text, 1))


def test_files_end_every_line_and_carry_a_mark_only_where_wanted() -> None:
    assert training_file(LINES[:2]) == (LINES[0].text + "\n" + LINES[1].text + "\n").encode()
    assert training_file(LINES[:1], byte_order_mark=True).startswith(b"\xef\xbb\xbf")


def test_estimated_tokens_rather_too_many() -> None:
    assert estimated_tokens("") == 0
    assert estimated_tokens("abcd") == 2
    assert estimated_tokens("\ud800") == 1  # a lone surrogate is text a user can send
