"""Training files by each service's rules, and what their lines count in tokens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.models.capabilities import PROVIDERS, capabilities_of, hyperparameter_problems
from glow_pipelines.learning.models.formats import file_problems, line_problems
from glow_pipelines.learning.models.tokens import ESTIMATE, TokenCounter, estimated_tokens
from glow_pipelines.learning.models.types import Method

USER = {"role": "user", "content": "Where is my parcel?"}
ANSWER = {"role": "assistant", "content": "shipping"}
SYSTEM = {"role": "system", "content": "Label the ticket."}
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
PAIR = {
    "input": {"messages": [SYSTEM, USER]},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{"role": "assistant", "content": "billing"}],
}


def said(row: object, provider: str = "openai", method: Method = "supervised") -> list[str]:
    line = row if isinstance(row, str) else json.dumps(row)
    return [f"{each.field}: {each.remedy}" for each in line_problems(line, method, capabilities_of(provider), 7)]


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_we_write_is_taken_by_every_service(provider: str) -> None:
    assert said(chat(SYSTEM, USER, ANSWER), provider) == []
    assert said(chat(USER, ANSWER, USER, ANSWER), provider) == []
    assert said(PAIR, provider, "dpo") == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ('{"messages": NaN}', ""),
        ("[" * 100_000, ""),
        ('{"messages": [], "messages": []}', ""),
        (json.dumps(chat(USER, ANSWER)) + "\n", ""),
        (json.dumps(chat(USER, {**ANSWER, "content": "\ud800"}), ensure_ascii=False), ""),
        (chat(), "messages"),
        (chat(USER), "messages[0].role"),
        (chat(USER, {**ANSWER, "content": " "}), "messages[1].content"),
        (chat(USER, {**ANSWER, "content": None}), "messages[1].content"),
        (chat(USER, ANSWER, extra=1), "extra"),
        (chat({"role": "wizard", "content": "x"}, USER, ANSWER), "messages[0].role"),
        (chat(USER, {**ANSWER, "mood": "good"}), "messages[1].mood"),
        (chat({**USER, "weight": 0}, ANSWER), "messages[0].weight"),
        (chat(USER, {**ANSWER, "weight": 2}), "messages[1].weight"),
        (chat(USER, {**ANSWER, "weight": True}), "messages[1].weight"),
        (chat(USER, {**ANSWER, "weight": "1"}), "messages[1].weight"),
        (chat(USER, {**ANSWER, "weight": 0}), "messages"),
        (chat(USER, ANSWER, tools=[]), "tools"),
    ],
)
def test_what_nobody_takes_is_named(provider: str, row: object, field: str) -> None:
    assert any(each.startswith(f"{field}: ") for each in said(row, provider)), said(row, provider)


def test_services_differ() -> None:
    developer = chat({"role": "developer", "content": "x"}, USER, ANSWER)
    tools = chat(USER, {"role": "assistant", "tool_calls": CALLS}, tools=TOOLS)
    turns = chat(USER, USER, ANSWER)
    weighted = chat(USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1})
    for provider in ("openai", "azure"):
        assert [said(row, provider) for row in (developer, tools, turns, weighted)] == [[]] * 4
    for provider in ("together", "fireworks", "local"):
        assert "messages[0].role" in said(developer, provider)[0]
        assert any("trains without tools" in each for each in said(tools, provider))
        assert said(weighted, provider) == []
    assert "here 'assistant' is due" in said(turns, "together")[0]
    assert said(turns, "fireworks") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input": None}, "input"),
        ({"input": {"messages": [USER], "top": 1}}, "input.top"),
        ({"input": {"messages": [USER, ANSWER]}}, "input.messages[1].role"),
        ({"preferred_output": [ANSWER, ANSWER]}, "preferred_output"),
        ({"preferred_output": [USER]}, "preferred_output[0].role"),
        ({"non_preferred_output": [ANSWER]}, "non_preferred_output"),
        ({"non_preferred_output": [{**ANSWER, "content": "b", "x": 1}]}, "non_preferred_output[0].x"),
    ],
)
def test_preferences(change: dict[str, Any], field: str) -> None:
    assert any(each.startswith(f"{field}: ") for each in said({**PAIR, **change}, method="dpo"))


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (chat(USER), ""),
        (chat(USER, ANSWER, label="x"), "messages[1].role"),
        (chat(USER, label=None), "label"),
        (chat(label="x"), "messages"),
        (chat({"role": "user", "content": ""}, label="x"), "messages[0].content"),
        ([], ""),
    ],
)
def test_reinforcement(row: object, field: str) -> None:
    assert said(chat(SYSTEM, USER, label="shipping"), method="reinforcement") == []
    assert any(each.startswith(f"{field}: ") for each in said(row, method="reinforcement"))


def test_problems_carry_their_line_and_the_file_as_a_whole_is_line_zero() -> None:
    lines = [json.dumps(chat(USER, ANSWER))] * 9 + ["{"]
    found = file_problems(lines, "supervised", capabilities_of("openai"))
    assert [each.line for each in found] == [10]
    found = file_problems(lines[:9], "reinforcement", capabilities_of("fireworks"))
    assert (found[0].line, found[0].field) == (0, "method")
    assert [(each.line, each.field) for each in file_problems(lines[:9], "supervised", PROVIDERS["azure"])] == [
        (0, "examples")
    ]


@given(st.text(max_size=200), st.sampled_from(["supervised", "dpo", "reinforcement"]), st.sampled_from(list(PROVIDERS)))
def test_no_text_breaks_the_check(text: str, method: Method, provider: str) -> None:
    for line in (text, json.dumps(text), json.dumps({"messages": [text], "input": text, text: text})):
        for problem in line_problems(line, method, capabilities_of(provider)):
            assert len(problem.value) <= 80
            assert problem.remedy
        assert ESTIMATE.line(line) >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "messages", "weight", "input", "tools"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "preferred_output", "tools", "x"]), JSON))
def test_no_shape_breaks_the_check(row: dict[str, Any]) -> None:
    for method in ("supervised", "dpo", "reinforcement"):
        for provider in PROVIDERS:
            line_problems(json.dumps(row), method, capabilities_of(provider))
    assert ESTIMATE.line(json.dumps(row)) >= 0


WORDS = TokenCounter("words", lambda text: len(text.split()), exact=True, per_message=2, per_line=1)


def test_tokens_of_a_line_are_those_of_its_messages() -> None:
    assert WORDS.line(json.dumps(chat(SYSTEM, USER, ANSWER))) == 1 + 3 * 2 + 3 + 4 + 1
    # A preference's prompt is read with each of its two answers.
    assert WORDS.line(json.dumps(PAIR)) == 1 + 6 * 2 + 2 * (3 + 4) + 2
    assert WORDS.line("no json") == 2
    assert ESTIMATE.line(json.dumps(chat(USER, ANSWER))) > estimated_tokens(USER["content"] + ANSWER["content"])
    assert not ESTIMATE.exact
    assert "estimate" in ESTIMATE.name


@pytest.mark.parametrize(
    ("provider", "method", "name", "value", "accepted"),
    [
        ("openai", "supervised", "n_epochs", 50, True),
        ("openai", "supervised", "n_epochs", 51, False),
        ("openai", "supervised", "n_epochs", 0, False),
        ("openai", "supervised", "n_epochs", 1.5, False),
        ("openai", "supervised", "n_epochs", True, False),
        ("openai", "supervised", "n_epochs", "auto", True),
        ("openai", "supervised", "n_epochs", "many", False),
        ("openai", "supervised", "n_epochs", float("nan"), False),
        ("openai", "supervised", "beta", 0.1, False),
        ("openai", "dpo", "beta", 2, True),
        ("openai", "dpo", "beta", 0, False),
        ("openai", "reinforcement", "compute_multiplier", 1e-5, False),
        ("azure", "supervised", "learning_rate_multiplier", 0.1, True),
        ("together", "supervised", "n_epochs", "auto", False),
        ("together", "supervised", "lora_rank", 8, True),
        ("fireworks", "supervised", "learning_rate_multiplier", 1.0, False),
        ("local", "supervised", "batch_size", 4, True),
        ("elsewhere.example", "supervised", "n_epochs", 3, True),
    ],
)
def test_hyperparameters_by_service(provider: str, method: str, name: str, value: Any, accepted: bool) -> None:
    found = hyperparameter_problems(capabilities_of(provider), method, {name: value})
    assert (not found) == accepted, found
    assert accepted or name in found[0]
