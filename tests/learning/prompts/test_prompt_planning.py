"""The plan: stages within the limits, estimates that are bounds, and shares that hold while a model writes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_simulator import INCUMBENT, SimulatedModel, world

from glow_pipelines.learning.prompts import Budget, OptimizerSettings, PromptOptimizer
from glow_pipelines.learning.prompts.goals import Goals
from glow_pipelines.learning.prompts.planning import plan
from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt

EXAMPLES, EMBEDDINGS = world(np.random.default_rng(5))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5000),
    st.none() | st.integers(0, 1_000_000),
    st.none() | st.floats(0, 5),
    st.tuples(st.floats(0, 10), st.floats(0, 10)),
    st.floats(0, 0.45),
    st.integers(1, 5),
    st.booleans(),
)
def test_stages_stay_within_the_limits(
    calls: int,
    tokens: int | None,
    usd: float | None,
    prices: tuple[float, float],
    reflect: float,
    pair: int,
    carried: bool,
) -> None:
    shares = OptimizerSettings(reflect_share=reflect)
    made = plan(INCUMBENT, EXAMPLES, Budget(calls, tokens, usd, prices), shares, pair, carried)
    assert all(each >= 0 for _, each in made.stages)
    assert sum(each for _, each in made.stages) <= made.calls <= calls
    assert made.tokens <= made.most_tokens
    assert made.cost_usd <= made.most_usd + 1e-9
    assert tokens is None or made.most_tokens <= tokens
    assert usd is None or made.most_usd <= usd
    assert made.reflect <= reflect * made.calls
    if carried:
        assert (made.reflect, made.race) == (0, 0)


def test_what_analysis_and_gate_have_no_use_for_is_the_races() -> None:
    made = plan(INCUMBENT, EXAMPLES, Budget(2000), OptimizerSettings(reflect_share=0))
    assert (made.analysis, made.gate) == (40, 180)  # all of train, both prompts on all of test
    assert made.race > 0.40 * 2000
    small = plan(INCUMBENT, EXAMPLES, Budget(300), OptimizerSettings())
    assert (small.analysis, small.reflect, small.race, small.gate) == (30, 90, 90, 90)


def test_too_little_data_plans_nothing_and_says_how_much_is_needed() -> None:
    made = plan(INCUMBENT, EXAMPLES[:50], Budget(2000), OptimizerSettings())
    assert sum(each for _, each in made.stages) == 0
    assert made.missing
    assert made.power
    assert plan(INCUMBENT, EXAMPLES, Budget(100, max_usd=1.0), OptimizerSettings()).notes


class Writer:
    """Answers items like the simulated model, and requests to write with something that is none of it."""

    def __init__(self) -> None:
        self._model, self._inputs = SimulatedModel(EXAMPLES, np.random.default_rng(1)), {e.input for e in EXAMPLES}
        self.wrote = self.asked = 0

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        return [self._answer(each) for each in prompts]

    def _answer(self, rendered: RenderedPrompt) -> Answer:
        if rendered.messages[-1][1] in self._inputs:
            self.asked += 1
            return self._model([rendered])[0]
        self.wrote += 1
        return Answer("I had rather talk about the weather.", 400, 9, 0.01, cached=False)


@pytest.mark.parametrize("calls", [60, 300, 900])
def test_a_model_that_writes_nonsense_costs_its_share_and_no_more(calls: int) -> None:
    model, budget = Writer(), Budget(calls)
    optimizer = PromptOptimizer(model, "label", 1, budget, writer=model)
    analysis = optimizer.analyze(INCUMBENT, EXAMPLES, [])
    made = optimizer.plan(INCUMBENT, EXAMPLES)
    found = optimizer.propose(INCUMBENT, EXAMPLES, [], analysis, EMBEDDINGS)
    assert {each.operator for each in found} <= {"clarify", "few_shot", "restructure"}
    assert model.wrote == optimizer.written > 0
    assert budget.calls <= made.analysis + made.reflect
    optimizer.race(INCUMBENT, found, EXAMPLES)
    assert budget.calls <= made.analysis + made.reflect + made.race
    optimizer.gate(INCUMBENT, replace(INCUMBENT, instruction="Sort."), EXAMPLES)
    assert budget.calls <= calls
    assert budget.overshoot == 0


def test_without_a_writer_no_model_writes_and_goals_choose_operators() -> None:
    model = Writer()
    optimizer = PromptOptimizer(model, "label", 1, Budget(900), goals=Goals.of(["brevity"]))
    assert optimizer.plan(INCUMBENT, EXAMPLES).reflect == 0
    result = optimizer.optimize(INCUMBENT, EXAMPLES, [], EMBEDDINGS)
    assert model.wrote == 0
    assert "few_shot" not in {each.operator for each in result.candidates}


def test_looked_at_again_the_analysis_is_the_same() -> None:
    model, budget = Writer(), Budget(300)
    optimizer = PromptOptimizer(model, "label", 1, budget)
    first = optimizer.analyze(INCUMBENT, EXAMPLES, [])
    assert optimizer.analyze(INCUMBENT, EXAMPLES, []) == first
    assert budget.calls == first.n == 30
