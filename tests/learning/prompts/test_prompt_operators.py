"""Operators: what they propose from honest evidence, and that they are deterministic."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from prompt_simulator import INCUMBENT, LABELS, WORDS, correct, world

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.analysis import analyze
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.operators import OPERATORS, combine
from glow_pipelines.learning.prompts.types import Analysis, Candidate, Correction, Example, Prompt, Source
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
    assert propose("clarify", replace(INCUMBENT, choices=None)) == []


def test_a_word_of_one_group_is_not_characteristic() -> None:
    eager = [Example(f"e{i}", "zeppelin flight", "travel", "one-user", "train") for i in range(9)]
    found = characteristic_words([*TRAIN, *eager])
    assert "zeppelin" not in [word.word for word in found["travel"]]


def test_few_shot_shows_train_examples_as_they_are_in_two_orders() -> None:
    made = propose("few_shot")
    sizes = [len(each.prompt.demonstrations) for each in made]
    assert sizes[:3] == [4, 8, 8]
    assert set(sizes[3:]) == {4}, "the draws show one per label"
    known = {example.id: example for example in TRAIN}
    for each in made:
        for shown in each.prompt.demonstrations:
            assert (shown.input, shown.output) == (known[shown.example_id].input, known[shown.example_id].target)
        ids = [line.source for line in each.lineage if line.role == "demo" and isinstance(line.source, str)]
        assert ids == [shown.example_id for shown in each.prompt.demonstrations]
    turns, grouped = ([shown.output for shown in each.prompt.demonstrations] for each in made[1:3])
    if turns[0] == turns[1]:
        turns, grouped = grouped, turns
    assert turns[:4] == turns[4:]
    assert grouped[::2] == grouped[1::2]
    assert set(turns) == set(LABELS)


def test_few_shot_prefers_approved_examples_and_passes_over_unfit_ones() -> None:
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
    assert {shown.example_id for each in made for shown in each.prompt.demonstrations} == {"a", "m"}


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


def test_combine_joins_the_first_of_each_kind() -> None:
    clarified, shot = propose("clarify"), propose("few_shot")
    made = combine([*shot, *propose("restructure"), *clarified])
    assert [each.operator for each in made] == ["combine", "combine"]
    assert made[0].prompt == replace(clarified[0].prompt, demonstrations=shot[0].prompt.demonstrations)
    assert made[0].lineage == clarified[0].lineage + shot[0].lineage
    assert combine(clarified) == combine(shot) == []


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_survive_examples_of_one_word(operator: str) -> None:
    examples = [Example(f"{i}", "taxi", "travel", f"{i}", "train") for i in range(4)]
    OPERATORS[operator](INCUMBENT, examples, [], ONLY_MEALS_WRONG, np.ones((4, 2)), np.random.default_rng(0))
