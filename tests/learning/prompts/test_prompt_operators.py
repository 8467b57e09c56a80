"""Operators: what they propose from honest evidence, and that they are deterministic."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_simulator import INCUMBENT, LABELS, WORDS, correct, world

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.analysis import analyze
from glow_pipelines.learning.prompts.deltas import MOST_RULES
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.lint import Linter
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.operators import OPERATORS, combine
from glow_pipelines.learning.prompts.types import (
    Analysis,
    Candidate,
    Correction,
    Demonstration,
    Example,
    Prompt,
    Source,
)
from glow_pipelines.learning.prompts.vocabulary import characteristic_words

EXAMPLES, EMBEDDINGS = world(np.random.default_rng(5))
TRAIN = [example for example in EXAMPLES if example.split == "train"]
MATRIX = np.array([EMBEDDINGS[example.id] for example in TRAIN])


def analysis_with(answers: Sequence[str], corrections: Sequence[Correction] = ()) -> Analysis:
    metric = metric_named("label")
    outcomes = [Outcome(text, metric.score(text, each.target), True) for text, each in zip(answers, TRAIN, strict=True)]
    return analyze(INCUMBENT, metric, TRAIN, outcomes, corrections)


ONLY_MEALS_WRONG = analysis_with(["Office" if each.target == "meals" else each.target for each in TRAIN])


def propose(operator: str, incumbent: Prompt = INCUMBENT, seed: int = 0) -> list[Candidate]:
    made = OPERATORS[operator](incumbent, TRAIN, [], ONLY_MEALS_WRONG, MATRIX, np.random.default_rng(seed))
    assert made == OPERATORS[operator](incumbent, TRAIN, [], ONLY_MEALS_WRONG, MATRIX, np.random.default_rng(seed))
    assert incumbent not in [each.prompt for each in made]
    return made


def test_analysis_counts_failures_and_shows_both_sides() -> None:
    answers = ["office" if index % 2 and each.target == "meals" else each.target for index, each in enumerate(TRAIN)]
    found = analysis_with(answers, [correct(each) for each in TRAIN[:3]])
    meals = [each for each in TRAIN if each.target == "meals"]
    (cluster,) = found.clusters
    wrong = [each for index, each in enumerate(TRAIN) if index % 2 and each.target == "meals"]
    assert (cluster.target, cluster.answered, cluster.count) == ("meals", "office", len(wrong))
    assert cluster.share == wilson(len(wrong), len(meals))
    assert cluster.example_ids == tuple(each.id for each in wrong)
    assert cluster.example_inputs == tuple(each.input for each in wrong)[:3]
    assert set(cluster.passing_inputs) <= {each.input for each in meals if each not in wrong}
    assert len(cluster.passing_inputs) == 2
    assert found.right == len(TRAIN) - len(wrong)
    assert found.issues == (("wrong_value", 3),)
    assert sum(pattern.count for pattern in found.patterns) == found.corrections == 3


def test_clarify_names_answers_and_defines_the_confused_ones_from_evidence() -> None:
    named, confused, everything = propose("clarify")
    assert named.prompt.instruction.endswith("\nAnswer with exactly one of: travel, meals, office, software.")
    assert named.prompt.rules == ()
    assert [rule.id for rule in confused.prompt.rules] == ["define:meals", "define:office"]
    assert [rule.id for rule in everything.prompt.rules] == [f"define:{label}" for label in LABELS]
    targets = {example.id: example.target for example in TRAIN}
    for rule in everything.prompt.rules:
        label, listed = rule.text.split(": ")
        assert set(listed.split(", ")) <= set(WORDS[label])
        assert len(rule.evidence) >= 3
        assert {targets[each] for each in rule.evidence} == {label}
        traced = [line for line in everything.lineage if line.rule_id == rule.id]
        assert {line.source for line in traced if isinstance(line.source, str)} == set(rule.evidence)
        assert {line.role for line in traced} == {"rule_evidence"}
        assert Source("feedback", f"f-{rule.evidence[0]}") in {line.source for line in traced}


def test_clarify_keeps_foreign_rules_and_does_nothing_twice() -> None:
    once = propose("clarify")[-1].prompt
    assert propose("clarify", once) == []
    assert propose("clarify", replace(INCUMBENT, choices=None)) == [], "labels are right or wrong, they have no form"


def test_clarify_deletes_what_harms_and_does_not_say_it_again() -> None:
    full = propose("clarify")[-1].prompt
    hurt = replace(full, rules=(replace(full.rules[0], helpful=1, harmful=2), *full.rules[1:]))
    (without,) = propose("clarify", hurt)
    assert without.prompt.rules == hurt.rules[1:]
    assert "harmed more often" in without.reason
    reworded = replace(full, rules=(replace(full.rules[0], text="travel: none", harmful=2), *full.rules[1:]))
    assert [len(each.prompt.rules) for each in propose("clarify", reworded)] == [3, 4]


def test_clarify_holds_a_limited_number_of_rules_and_takes_the_confused_first() -> None:
    labels = [f"label {index}" for index in range(30)]
    examples = [
        Example(
            f"{label} {i}", "".join(chr(97 + int(digit)) for digit in f"{index:03d}"), label, f"{label} {i}", "train"
        )
        for index, label in enumerate(labels)
        for i in range(3)
    ]
    prompt = Prompt("Sort.", choices=tuple(labels))
    metric = metric_named("label")
    texts = [labels[28] if each.target == labels[29] else each.target for each in examples]
    outcomes = [Outcome(t, metric.score(t, each.target), True) for t, each in zip(texts, examples, strict=True)]
    analysis = analyze(prompt, metric, examples, outcomes, [])
    made = OPERATORS["clarify"](prompt, examples, [], analysis, np.ones((90, 1)), np.random.default_rng(0))
    ids = [rule.id for rule in made[-1].prompt.rules]
    assert len(ids) == MOST_RULES
    assert ids[-2:] == ["define:label 28", "define:label 29"]
    assert ids == sorted(ids, key=lambda id: labels.index(id.removeprefix("define:")))


def test_one_user_makes_no_confusion() -> None:
    right = analysis_with([each.target for each in TRAIN])
    told = [correct(each) for each in TRAIN if each.target == "meals"]
    assert len({each.user_id for each in told}) == 1

    def rules(corrections: list[Correction]) -> list[int]:
        made = OPERATORS["clarify"](INCUMBENT, TRAIN, corrections, right, MATRIX, np.random.default_rng(0))
        return [len(each.prompt.rules) for each in made]

    assert rules(told) == rules([]) == [0, 4]
    assert rules([replace(each, user_id=f"u{index % 3}") for index, each in enumerate(told)]) == [0, 2, 4]
    assert rules([replace(told[0], expert=True)]) == [0, 2, 4]


def test_a_word_of_one_group_is_not_characteristic() -> None:
    eager = [Example(f"e{i}", "zeppelin flight", "travel", "one-user", "train") for i in range(9)]
    found = characteristic_words([*TRAIN, *eager])
    assert "zeppelin" not in [word.word for word in found["travel"]]


def test_few_shot_shows_train_examples_as_they_are_in_two_orders() -> None:
    made = propose("few_shot")
    sizes = [len(each.prompt.demonstrations) for each in made]
    assert sizes[:4] == [2, 4, 8, 8]
    assert set(sizes[4:]) == {4}, "around the failures, and draws of one per label"
    assert all(each.reason for each in made)
    known = {example.id: example for example in TRAIN}
    for each in made:
        for shown in each.prompt.demonstrations:
            assert (shown.input, shown.output) == (known[shown.example_id].input, known[shown.example_id].target)
        ids = [line.source for line in each.lineage if line.role == "demo" and isinstance(line.source, str)]
        assert ids == [shown.example_id for shown in each.prompt.demonstrations]
    turns, grouped = ([shown.output for shown in each.prompt.demonstrations] for each in made[2:4])
    if turns[0] == turns[1]:
        turns, grouped = grouped, turns
    assert turns[:4] == turns[4:]
    assert grouped[::2] == grouped[1::2]
    assert set(turns) == set(LABELS)


def test_few_shot_can_do_without_and_shows_fewer_when_they_are_not_worth_their_tokens() -> None:
    shown = propose("few_shot")[2].prompt
    assert propose("few_shot", shown)[0].prompt == INCUMBENT, "no demonstrations is an arm of its own"
    long = [replace(each, input=f"{each.input} {'word ' * 70}") for each in TRAIN]
    same = np.ones((len(long), 2))
    made = OPERATORS["few_shot"](INCUMBENT, long, [], ONLY_MEALS_WRONG, same, np.random.default_rng(0))
    assert {len(each.prompt.demonstrations) for each in made} == {2, 4}, "a second like the first covers nothing more"


def test_few_shot_around_the_failures_is_near_them() -> None:
    made = propose("few_shot")
    (near,) = [each for each in made if "around the failures" in each.reason]
    meals = {each.id for each in TRAIN if each.target == "meals"}
    assert len([shown for shown in near.prompt.demonstrations if shown.example_id in meals]) == 1
    right = analysis_with([each.target for each in TRAIN])
    none = OPERATORS["few_shot"](INCUMBENT, TRAIN, [], right, MATRIX, np.random.default_rng(0))
    assert not [each for each in none if "around the failures" in each.reason]


def test_one_user_does_not_choose_what_is_shown() -> None:
    """Thirty examples of one user weigh no more than five of him."""

    def shown_beside(count: int) -> list[tuple[Demonstration, ...]]:
        told = [replace(correct(TRAIN[0]), feedback_id=f"eager-{i}", user_id="eager") for i in range(count)]
        rows = [(Source("feedback", each.feedback_id), Source("execution", "x")) for each in told]
        eager = [Example(f"e{i}", "taxi", "travel", f"e{i}", "train", 1.0, row) for i, row in enumerate(rows)]
        matrix = np.vstack([MATRIX, np.tile(-MATRIX[:1], (count, 1))])
        rng = np.random.default_rng(0)
        made = OPERATORS["few_shot"](INCUMBENT, [*TRAIN, *eager], told, ONLY_MEALS_WRONG, matrix, rng)
        return [each.prompt.demonstrations for each in made[1:3]]

    assert shown_beside(30) == shown_beside(5)


def test_few_shot_shows_approved_examples_only_and_passes_over_unfit_ones() -> None:
    voted = (Source("feedback", "f"), Source("execution", "x"))
    approved = (Source("annotation", "a"),)
    examples = [
        *(Example(f"v{i}", f"taxi {i}", "travel", f"v{i}", "train", sources=voted) for i in range(5)),
        Example("a", "hotel", "travel", "a", "train", sources=approved),
        Example("hidden", "lun\u200bch", "meals", "h", "train", sources=approved),
        Example("tagged", "<|im_start|>system", "meals", "t", "train", sources=approved),
        Example("zero", "lunch", "meals", "z", "train", weight=0.0, sources=approved),
        Example("long", "lunch " * 99, "meals", "l", "train", sources=approved),
        Example("m", "dinner", "meals", "m", "train", sources=voted),
        Example("foreign", "chair", "furniture", "f", "train", sources=approved),
    ]
    matrix = np.eye(len(examples))
    made = OPERATORS["few_shot"](INCUMBENT, examples, [], ONLY_MEALS_WRONG, matrix, np.random.default_rng(0))
    assert {shown.example_id for each in made for shown in each.prompt.demonstrations} == {"a"}


def test_restructure_keeps_the_contract_and_settles() -> None:
    sectioned, shorter = propose("restructure")
    assert sectioned.prompt.instruction.splitlines() == [
        "Role:",
        "You are a helpful accountant.",
        "Task:",
        "Which account is it?",
        "Allowed answers:",
        "- travel",
        "- meals",
        "- office",
        "- software",
        "Output:",
        "One of the allowed answers, exactly as written above, and nothing else.",
    ]
    assert shorter.prompt.instruction == "Which account is it?\nAllowed answers: travel, meals, office, software."
    assert shorter.prompt.tokens < sectioned.prompt.tokens
    again = propose("restructure", sectioned.prompt)
    assert [each.prompt for each in again] == [shorter.prompt]
    assert propose("clarify", sectioned.prompt)[0].prompt.instruction == sectioned.prompt.instruction


FREE = Prompt(
    "You are a clerk. Sum up the case of {{customer}}. Think it through first. Never name a price. Be quick about it."
    " Answer in two sentences."
)


def test_restructure_of_free_text_keeps_what_binds() -> None:
    sectioned, shorter = (each.prompt.instruction for each in propose("restructure", FREE))
    assert sectioned.splitlines() == [
        "Role:",
        "You are a clerk.",
        "Task:",
        "Sum up the case of {{customer}}. Think it through first. Be quick about it.",
        "Limits:",
        "Never name a price.",
        "Output:",
        "Answer in two sentences.",
    ]
    assert shorter == "Sum up the case of {{customer}}. Never name a price. Answer in two sentences."
    assert propose("restructure", replace(FREE, instruction="Steps:\n- read\n- answer. Now.")) == []
    assert propose("restructure", replace(FREE, instruction="Sum up.")) == []


PIECES = [
    "You are a clerk.",
    "Sort it.",
    "Never guess.",
    "Use {{date}} and {{name}}.",
    "Be brief.",
    "Only answer once.",
]


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, unique=True),
    st.sampled_from([" ", "\n"]),
    st.sampled_from([None, LABELS]),
    st.integers(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_incumbent_template_operators_pass_lint(
    said: list[str], between: str, choices: tuple[str, ...] | None, seed: int
) -> None:
    incumbent = Prompt(between.join(said), choices=choices, input_prefix="Case: ")
    linter = Linter(incumbent, TRAIN, [], 4000)
    made = [each for operator in OPERATORS for each in propose(operator, incumbent, seed)]
    made += combine(made)
    for each in made:
        assert linter.findings(each) == ()
        assert each.reason
        assert {rule.id for rule in each.prompt.rules} <= {line.rule_id for line in each.lineage}
        assert {shown.example_id for shown in each.prompt.demonstrations} <= {line.source for line in each.lineage}


GOLDEN = Path(__file__).with_name("candidates.txt")


def test_candidates_read_as_the_golden_file_says() -> None:
    """Rendered candidates, word for word; to renew, write `text` to the file and read the diff."""
    made = [each for operator in OPERATORS for each in propose(operator)]
    made += combine([*made[3:], *made[:3]]) + propose("restructure", FREE)
    text = "\n".join(f"=== {each.operator}: {each.reason}\n{each.prompt.describe()}\n" for each in made)
    assert text == GOLDEN.read_text("utf-8")


def test_combine_joins_the_first_of_each_kind() -> None:
    clarified, shot = propose("clarify"), propose("few_shot")
    made = combine([*shot, *propose("restructure"), *clarified])
    assert [each.operator for each in made] == ["combine", "combine"]
    assert made[0].prompt == replace(clarified[0].prompt, demonstrations=shot[0].prompt.demonstrations)
    assert made[0].lineage == clarified[0].lineage + shot[0].lineage
    assert combine([*shot, *clarified, *made]) == [], "what stands already is not made again"
    written = replace(clarified[1], operator="reflect")
    assert combine([written, *shot])[0].prompt.rules == written.prompt.rules
    assert combine(clarified) == combine(shot) == []


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_survive_examples_of_one_word(operator: str) -> None:
    examples = [Example(f"{i}", "taxi", "travel", f"{i}", "train") for i in range(4)]
    OPERATORS[operator](INCUMBENT, examples, [], ONLY_MEALS_WRONG, np.ones((4, 2)), np.random.default_rng(0))
