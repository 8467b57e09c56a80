"""Rules: deltas and their cap, counters from flips, advice for free text, goals."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.advice import advise
from glow_pipelines.learning.prompts.analysis import analyze
from glow_pipelines.learning.prompts.counters import count_all, count_flips
from glow_pipelines.learning.prompts.deltas import Delta, apply, deltas, harmful
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.goals import NAMES, Goals
from glow_pipelines.learning.prompts.lint import Linter
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.operators import OPERATORS
from glow_pipelines.learning.prompts.settings import Guardrails
from glow_pipelines.learning.prompts.types import Candidate, Correction, Example, Prompt, Rule, Source

EXPERT = (Source("annotation", "a"),)
rules = st.lists(
    st.builds(Rule, st.sampled_from("abcdefgh"), st.sampled_from(["x", "y"]), st.just(()), *[st.integers(0, 3)] * 2),
    unique_by=lambda rule: rule.id,
)


@given(rules, rules, st.integers(1, 8))
def test_deltas_bring_what_is_wanted_under_the_cap(before: list[Rule], wanted: list[Rule], most: int) -> None:
    prompt = Prompt("Sort.", rules=tuple(before))
    changes = deltas(prompt, wanted)
    full = apply(prompt, changes, most=99)
    known = {rule.id: rule for rule in full.rules}
    assert [rule.id for rule in full.rules][: len(before)] == [rule.id for rule in before], "rules keep their place"
    assert all(known[rule.id].text == rule.text for rule in wanted)
    assert deltas(full, wanted) == []
    kept = apply(prompt, changes, most).rules
    assert len(kept) == min(len(full.rules), max(most, len(before)))
    worth = [rule.helpful - rule.harmful for rule in kept]
    gone = [rule.helpful - rule.harmful for rule in full.rules if rule not in kept]
    assert not gone or max(gone) <= min(worth)
    cleaned = apply(full, harmful(full), most=99)
    assert harmful(cleaned) == []
    assert set(cleaned.rules) == {rule for rule in full.rules if rule.harmful <= rule.helpful}


@pytest.mark.parametrize(
    "change", [Delta("DELETE", "z"), Delta("ADD", "a", Rule("a", "x", ())), Delta("REPLACE", "a"), Delta("ADD", "z")]
)
def test_wrong_deltas_are_refused(change: Delta) -> None:
    with pytest.raises(ValueError, match=f"{change.op} of rule '{change.rule_id}'"):
        apply(Prompt("Sort.", rules=(Rule("a", "y", ()),)), [change])


def test_flips_are_counted_on_shared_items_for_rules_alone() -> None:
    first, second = Rule("a", "one", ("e",)), Rule("b", "two", ("e",))
    none, one, both = (Prompt("Sort.", rules=found) for found in ((), (first,), (first, second)))

    def answers(prompt: Prompt, right: str) -> dict[tuple[str, str], Outcome]:
        return {(prompt.sha256, str(i)): Outcome("", float(each == "1"), True) for i, each in enumerate(right)}

    outcomes = {**answers(none, "00110"), **answers(one, "1110"), **answers(both, "10110")}
    (counted,) = count_flips(one, none, outcomes)
    assert counted == replace(first, helpful=2, harmful=1), "the fifth item was asked of one of them only"
    assert [(each.id, each.helpful, each.harmful) for each in count_flips(both, none, outcomes)] == [
        ("a", 1, 0),
        ("b", 1, 0),
    ]
    assert count_flips(one, replace(none, instruction="Else."), outcomes) == ()
    assert count_flips(none, one, outcomes) == ()
    total = count_all([none, one, both], outcomes)
    assert [(each.id, each.helpful, each.harmful) for each in total] == [("a", 3, 1), ("b", 2, 1)]
    assert count_all([both, one, none], outcomes) == total


def advised(
    targets: list[str], answer: Callable[[str], str], corrections: list[Correction] | None = None
) -> tuple[dict[str, str], list[Candidate], Linter]:
    """The rules for a free-text agent that answers so, and what clarify makes of them."""
    examples = [Example(f"{i}", f"in {i}", text, f"g{i}", "train", sources=EXPERT) for i, text in enumerate(targets)]
    metric, prompt = metric_named("exact"), Prompt("Sum up.")
    outcomes = [Outcome(answer(text), metric.score(answer(text), text), True) for text in targets]
    told = corrections or []
    analysis = analyze(prompt, metric, examples, outcomes, told)
    made = OPERATORS["clarify"](prompt, examples, told, analysis, np.ones((len(examples), 1)), np.random.default_rng(0))
    return {r.id: r.text for r in advise(examples, told, analysis)}, made, Linter(prompt, examples, told, 1200)


NUMBERS = [f"{n}.5" for n in range(20)]
OBJECTS = [json.dumps({"total": n, "vat_rate": 20, "ignore_rules_now": 1}) for n in range(20)]
TITLES = [f"word{n} " * 12 for n in range(20)]


@pytest.mark.parametrize(
    ("targets", "answer", "ids"),
    [
        (NUMBERS, lambda text: f"The result is {text}", ["format:number", "fault:hallucination"]),
        (NUMBERS, lambda text: f"{text}1", ["fault:wrong_value"]),
        (OBJECTS, lambda text: f"Here it is: {text}", ["format:json", "format:fields", "fault:format"]),
        (OBJECTS, lambda text: '{"total": 1}', ["format:fields", "fault:missing", "fault:wrong_value"]),
        (TITLES, lambda text: f"{text}\n{text}", ["format:line", "length:most", "fault:hallucination"]),
        (TITLES, lambda text: text, []),
    ],
)
def test_advice_against_the_faults_of_free_text(
    targets: list[str], answer: Callable[[str], str], ids: list[str]
) -> None:
    found, made, linter = advised(targets, answer)
    assert list(found) == ids
    if "format:fields" in found:
        assert found["format:fields"] == "Give these fields: total, vat_rate.", "a sentence is no name of a field"
    if "length:most" in found:
        assert found["length:most"] == "Use at most 15 words."
    assert {rule.id for each in made for rule in each.prompt.rules} == set(ids)
    for each in made:
        assert linter.findings(each) == ()
        assert {line.rule_id for line in each.lineage} == {rule.id for rule in each.prompt.rules}


def test_corrections_advise_when_three_users_or_an_expert_agree() -> None:
    def told(index: int, user: str) -> Correction:
        return Correction(f"{index}", f"x{index}", f"in {index}", "Sorry, 12", "12", user, comment="always say 13")

    alone = [told(index, "eager") for index in range(9)]
    agreed = [told(index, f"u{index}") for index in range(3)]
    assert advised(TITLES, lambda text: text, alone)[0] == {}
    found, made, linter = advised(TITLES, lambda text: text, agreed)
    assert list(found) == ["fault:tone"]
    assert linter.findings(made[0]) == ()
    assert {line.source for line in made[0].lineage} == {
        Source(kind, id)
        for each in agreed
        for kind, id in (("feedback", each.feedback_id), ("execution", each.execution_id))
    }
    expert = [replace(each, expert=True) for each in alone]
    assert list(advised(TITLES, lambda text: text, expert)[0]) == ["fault:tone"]


def test_goals_tighten_guardrails_and_choose_operators() -> None:
    plain = Goals.of(None)
    assert (plain.names, plain.guardrails) == (("accuracy",), Guardrails())
    assert set(OPERATORS) <= set(plain.operators)
    cheap = Goals.of(["cost", "brevity", "cost"])
    assert cheap.names == ("cost", "brevity")
    assert (cheap.guardrails.max_token_ratio, cheap.guardrails.tokens_decide) == (1.0, True)
    assert "few_shot" not in Goals.of(["clarity"]).operators
    assert "few_shot" in Goals.of(["clarity", "accuracy"]).operators
    assert Goals.of(["latency"]).guardrails.max_latency_ratio == 1.05
    assert Goals.of(["format"]).guardrails.alpha == 0.05
    strict = Guardrails(max_token_ratio=0.9, alpha=0.2)
    assert Goals.of(["cost", "format"], strict).guardrails == replace(strict, tokens_decide=True)
    assert json.loads(json.dumps(cheap.to_json()))["names"] == ["cost", "brevity"]


@given(st.lists(st.sampled_from(NAMES)))
def test_any_goals_have_operators_and_are_never_looser(names: list[str]) -> None:
    found = Goals.of(names)
    assert found.operators
    assert found.guardrails.max_token_ratio <= Guardrails().max_token_ratio
    assert found.guardrails.alpha >= Guardrails().alpha
    assert Goals.of(reversed(names)).guardrails == found.guardrails


def test_unknown_goals_name_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\['vibes'\].*accuracy, clarity, brevity, cost, latency, format"):
        Goals.of(["cost", "vibes"])
