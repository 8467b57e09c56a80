"""The plan: how many calls each stage gets, and what that may cost, before the first one is paid.

Belongs here: dividing the budget and estimating. Does not belong here: counting what is used (budget), the stages.
"""

import math
from collections.abc import Sequence

from glow_pipelines.learning.prompts.budget import Budget
from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.power import power_table
from glow_pipelines.learning.prompts.prompt import Prompt, estimate_tokens
from glow_pipelines.learning.prompts.results import Plan
from glow_pipelines.learning.prompts.settings import OptimizerSettings
from glow_pipelines.learning.prompts.splits import Splits

_DEMONSTRATIONS = 4  # in a candidate of the race, on average
_BYTES_PER_TOKEN = 4  # of `estimate_tokens`, by which lint limits a prompt
_MESSAGES = 20
_WRITTEN_TOKENS = 12_000  # the longest request to a writing model with its answer


def plan(
    incumbent: Prompt,
    examples: Sequence[Example],
    budget: Budget,
    settings: OptimizerSettings,
    calls_per_pair: int = 1,
    carried: bool = False,
) -> Plan:
    """Shares of the calls that the tightest limit allows for. What analysis and gate have no use for is the race's.

    A `carried` finalist needs no race. With too little data every stage gets nothing.
    """
    splits = Splits.of(examples)
    expected, most = _per_call(incumbent, examples, budget, settings)
    calls = _affordable(budget, expected)
    gate = calls_per_pair * 2 * len({example.group for example in splits.test})
    missing = () if carried else splits.missing(settings)
    if missing:
        return Plan(0, 0, 0, 0, calls, missing=missing, power=power_table(alpha=settings.gate.alpha))
    if carried:
        analysis, reflect, race = min(int(calls * settings.analysis_share), calls_per_pair * len(splits.train)), 0, 0
        gate = min(gate, calls - analysis)
    else:
        analysis = min(int(calls * settings.analysis_share), calls_per_pair * len(splits.train))
        reflect = int(calls * settings.reflect_share)
        gate = min(gate, calls - analysis - reflect - int(calls * settings.race_share))
        race = min(calls - analysis - reflect - gate, calls_per_pair * (settings.max_arms + 3) * len(splits.val))
    asked = analysis + reflect + race + gate
    bound = most[0] * (asked - reflect) + max(most[0], _WRITTEN_TOKENS) * reflect
    money = most[1] * (asked - reflect) + max(most[1], _WRITTEN_TOKENS * max(budget.prices) / 1e6) * reflect
    return Plan(
        analysis,
        reflect,
        race,
        gate,
        calls,
        tokens=int(min(asked * expected[0], _or(budget.max_tokens))),
        cost_usd=min(asked * expected[1], _or(budget.max_usd)),
        most_tokens=int(min(bound, _or(budget.max_tokens))),
        most_usd=min(money, _or(budget.max_usd)),
        notes=_notes(budget, calls),
    )


def _per_call(
    incumbent: Prompt, examples: Sequence[Example], budget: Budget, settings: OptimizerSettings
) -> tuple[tuple[float, float], tuple[int, float]]:
    """Tokens and dollars of one call: about, and at most. Candidates are longer than the incumbent."""
    inputs = [estimate_tokens(example.input) for example in examples] or [0]
    targets = [estimate_tokens(example.target) for example in examples] or [0]
    item, answer = sum(inputs) / len(inputs), min(incumbent.max_tokens, 1 + sum(targets) / len(targets))
    prompt = incumbent.tokens + item + _DEMONSTRATIONS * (item + answer + 8)
    worst = [budget.worst_case(incumbent.render(example.input))[0] for example in examples] or [0]
    longest = max(_BYTES_PER_TOKEN * settings.max_prompt_tokens + 16 * _MESSAGES + max(worst), max(worst))
    dollars = (prompt * budget.prices[0] + answer * budget.prices[1]) / 1e6
    return (prompt + answer, dollars), (longest, longest * max(budget.prices) / 1e6)


def _affordable(budget: Budget, expected: tuple[float, float]) -> int:
    calls: float = budget.max_calls
    if budget.max_tokens is not None:
        calls = min(calls, budget.max_tokens / max(expected[0], 1))
    if budget.max_usd is not None and expected[1] > 0:
        calls = min(calls, budget.max_usd / expected[1])
    return int(calls)


def _notes(budget: Budget, calls: int) -> tuple[str, ...]:
    said = []
    if calls < budget.max_calls:
        said.append(f"tokens or money allow for about {calls:,} of {budget.max_calls:,} calls")
    if budget.max_usd is not None and not any(budget.prices):
        said.append("the price of the model is not known: a limit on money limits nothing")
    return tuple(said)


def _or(limit: float | None) -> float:
    return math.inf if limit is None else limit
