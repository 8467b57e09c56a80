"""The gate: verdicts from counts, guardrails, carry-over, and reports that agree with their counts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_simulator import INCUMBENT

from glow_pipelines.learning.intervals import mcnemar_midp, newcombe_paired, wilson
from glow_pipelines.learning.prompts import Budget, GateSettings
from glow_pipelines.learning.prompts.eprocess import log_e_value
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.gate import gate
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.shrinkage import shrunken_gain
from glow_pipelines.learning.prompts.tally import Tally
from glow_pipelines.learning.prompts.types import Answer, Example, Gate, RenderedPrompt

FINALIST = replace(INCUMBENT, instruction="Finalist.")
# In `kinds`: "b" finalist alone right, "c" incumbent alone right, "r" both, "w" neither.


def items(kinds: str, start: int = 0, target: Callable[[int], str] = lambda index: "travel") -> list[Example]:
    return [
        Example(f"{start + i}", f"{kind}{start + i}", target(start + i), f"{start + i}", "test")
        for i, kind in enumerate(kinds)
    ]


def run(
    examples: Sequence[Example],
    earlier: Gate | None = None,
    limit: int = 10_000,
    wrong: str = "meals",
    **changed: float,
) -> Gate:
    targets = {example.input: example.target for example in examples}

    def model(prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        answers = []
        for prompt in prompts:
            kind, finalist = prompt.messages[-1][1][0], prompt.messages[0][1] == "Finalist."
            right = kind == "r" or kind == ("b" if finalist else "c")
            text = targets[prompt.messages[-1][1]] if right else (wrong if finalist else "meals")
            answers.append(Answer(text, 1, 1, 0.0, False))
        return answers

    evaluator = Evaluator(model, metric_named("label"), Budget(10_000))
    return gate(INCUMBENT, FINALIST, examples, evaluator, GateSettings(), limit, earlier)


def test_a_clear_gain_is_promoted_with_everything_a_reader_needs() -> None:
    result = run(items("rbrwrbrbrw" * 9))
    assert (result.verdict, result.n, result.b, result.c) == ("promote", 90, 27, 0)
    assert result.both_right + result.neither_right == 63
    assert result.log_e == log_e_value(27, 0)
    assert result.incumbent_accuracy == wilson(45, 90)
    assert result.finalist_accuracy == wilson(72, 90)
    assert result.difference == newcombe_paired(45, 27, 0, 18)
    assert result.p_value == mcnemar_midp(27, 0)
    assert 0 < result.shrunken_gain < result.difference.estimate == 0.3
    assert "+30.0 points" in result.reason
    assert Gate.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_few_items_are_never_enough() -> None:
    result = run(items("b" * 59))
    assert (result.verdict, result.e_value > 1e6) == ("carry_over", True)
    assert "at least 60 items" in result.reason
    assert run(items("b" * 60)).verdict == "promote"


def test_a_loser_is_dropped_early() -> None:
    result = run(items("c" * 200))
    assert (result.verdict, result.n) == ("drop", 20)
    assert "fell below 0.15" in result.reason


def test_much_difference_without_a_winner_is_dropped() -> None:
    result = run(items(("bc" * 7 + "b") * 20))
    assert (result.verdict, result.b + result.c) == ("drop", 120)
    assert "still below 1 after 120" in result.reason


def test_an_undecided_gate_continues_on_fresh_items_to_the_same_end() -> None:
    kinds = "rrrbrrwrrr" * 6 + "rrbbrwrrbb" * 6
    first = run(items(kinds[:60]))
    assert first.verdict == "carry_over"
    stored = Gate.from_json(json.loads(json.dumps(first.to_json())))
    second = run(items(kinds), earlier=stored)
    at_once = run(items(kinds))
    assert second == at_once
    assert second.verdict == "promote"
    assert len(set(second.spent)) == len(second.spent) == 120
    again = run(items(kinds[:60]), earlier=stored)  # nothing fresh: nothing changes
    assert again == first
    with pytest.raises(ValueError, match="other prompts"):
        run(items(kinds), earlier=replace(stored, finalist_sha256="0" * 64))


def test_a_limit_stops_in_time() -> None:
    result = run(items("b" * 200), limit=81)
    assert result.n == 40


def test_a_format_loss_blocks_promotion() -> None:
    kinds = "b" * 40 + "w" * 20 + "r" * 40
    assert run(items(kinds)).verdict == "promote"
    result = run(items(kinds), wrong="Well, it could be many things")
    assert result.verdict == "drop"
    assert result.format_lost == 20
    assert "format" in result.failed_guardrails[0]


def test_a_slice_loss_blocks_promotion_and_small_slices_do_not_count() -> None:
    def sliced(small: int) -> Gate:
        kinds = "b" * 60 + "c" * 10 + "r" * (small - 10)
        return run(items(kinds, target=lambda index: "travel" if index < 60 else "office"))

    blocked = sliced(30)
    assert (blocked.verdict, blocked.log_e > math.log(20)) == ("drop", True)
    assert "target 'office': 10 lost, 0 won of 30" in blocked.failed_guardrails
    assert sliced(29).verdict == "promote"


def test_a_longer_prompt_is_noted() -> None:
    examples = items("r" * 60)
    longer = replace(INCUMBENT, instruction="word " * 100)
    evaluator = Evaluator(lambda ps: [Answer("x", 1, 1, 0, False) for _ in ps], metric_named("label"), Budget(999))
    assert "tokens" in gate(INCUMBENT, longer, examples, evaluator, GateSettings(), 999).notes[0]
    assert run(examples).notes == ()


def test_shrinkage_brings_the_claim_near_the_truth() -> None:
    # Spec §3.6: at n=200, what passed claims 7.35 points on average and is worth 4.80; shrinking gives 4.32.
    tally = Tally(b=25, c=10, both_right=120, neither_right=45)
    assert tally.gain == 0.075
    assert 0.040 <= shrunken_gain(tally, 0.035) <= 0.052
    assert shrunken_gain(Tally(), 0.035) == 0


@settings(max_examples=60, deadline=None)
@given(st.text("bcrw", max_size=150), st.integers(0, 150))
def test_verdicts_agree_with_the_counts_however_nights_divide_them(kinds: str, cut: int) -> None:
    first = run(items(kinds[:cut]))
    result = run(items(kinds), earlier=first) if first.verdict == "carry_over" else first
    assert (result.b, result.c, result.n) == (*(kinds[: result.n].count(kind) for kind in "bc"), result.n)
    if result.verdict == "promote":
        assert result.e_value >= 20
        assert result.n >= 60
        assert result.difference.estimate >= 0.01
    if result.n == 0:
        assert result.verdict == "carry_over"
    assert result.difference.low <= (result.b - result.c) / max(1, result.n) <= result.difference.high
