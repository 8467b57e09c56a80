"""The budget under any sequence of reservations and settlements."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts import Budget, BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.types import Answer, Example, Prompt, RenderedPrompt


def answer(cached: bool) -> Answer:
    return Answer("x", 10, 2, 0.5, cached)


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 15), st.lists(st.booleans(), max_size=15), st.booleans())))
def test_never_overshoots(max_calls: int, steps: list[tuple[int, list[bool], bool]]) -> None:
    budget, paid, stuck = Budget(max_calls), 0, 0
    for wanted, cached, raises in steps:
        if wanted > max_calls - paid - stuck:
            with pytest.raises(BudgetExhaustedError, match=f"{wanted} calls"):
                budget.reserve(wanted)
            continue
        held = budget.reserve(wanted)
        if raises:
            stuck += wanted  # the call failed; nobody knows what of it was paid
        else:
            given_answers = [answer(each) for each in cached[:wanted]]
            budget.settle(held, given_answers)
            paid += sum(not each.cached for each in given_answers)
        assert budget.calls == paid <= max_calls
        assert budget.remaining == max_calls - paid - stuck >= 0
        assert budget.cost_usd == 0.5 * paid


def test_settling_twice_or_too_much_is_refused() -> None:
    budget = Budget(5)
    held = budget.reserve(2)
    with pytest.raises(ValueError, match="3 paid answers for 2"):
        budget.settle(held, [answer(False)] * 3)
    budget.settle(held, [answer(True), answer(False)])
    assert (budget.calls, budget.cached, budget.remaining) == (1, 1, 4)
    with pytest.raises(ValueError, match="not open"):
        budget.settle(held, [])


@given(st.integers(0, 30), st.lists(st.lists(st.integers(0, 20), max_size=12), max_size=6), st.integers(1, 7))
def test_evaluator_asks_each_pair_once_and_stays_within(max_calls: int, asks: list[list[int]], batch: int) -> None:
    sent: list[str] = []

    def model(prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        sent.extend(prompt.messages[-1][1] for prompt in prompts)
        return [answer(False) for _ in prompts]

    budget = Budget(max_calls)
    evaluator = Evaluator(model, metric_named("label"), budget, batch)
    prompt = Prompt("Sort.")
    for ask in asks:
        before = len(sent)
        pairs = [(prompt, Example(str(each), str(each), "x", str(each), "val")) for each in ask]
        fresh = len({str(each) for each in ask} - set(sent))
        if fresh > max_calls - before:
            with pytest.raises(BudgetExhaustedError):
                evaluator.ask(pairs)
            assert len(sent) == before  # all or nothing
        else:
            evaluator.ask(pairs)
            assert len(sent) == before + fresh
    assert len(sent) == len(set(sent)) == budget.calls <= max_calls


def test_a_short_answer_list_is_an_error() -> None:
    evaluator = Evaluator(lambda prompts: [], metric_named("label"), Budget(3))
    with pytest.raises(ValueError, match="0 answers for 1"):
        evaluator.ask([(Prompt("x"), Example("1", "a", "b", "g", "val"))])
