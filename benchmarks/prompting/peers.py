"""The contestants: each takes a task and a meter, spends at most the meter's calls, and hands in one prompt.

Belongs here: Glow, demonstrations by lot, and a search among such sets. Does not: GEPA (gepa_peer), the final test
(real). All see train and val; only Glow's gate sees the gate rows, and nobody the sealed ones.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.prompting.meter import Exhausted, Meter
from benchmarks.prompting.models import Vectors
from benchmarks.prompting.task_files import Task, TaskError
from glow_pipelines.learning.prompts import Budget, PromptOptimizer
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.types import Demonstration, Example, Optimization, Prompt


@dataclass(frozen=True)
class Goal:
    """What counts as right, and for how many calls."""

    metric: str
    settings: Mapping[str, Any]
    calls: int

    def check(self) -> None:
        """Raises TaskError when there is no such metric, or not with these settings."""
        try:
            self._metric()
        except (ValueError, TypeError) as error:
            raise TaskError(f"--metric {self.metric}: {error}") from error

    def evaluator(self, meter: Meter) -> Evaluator:
        """Scores answers as Glow's own does, charged to this meter."""
        return Evaluator(meter.answer, self._metric(), Budget(meter.limit))

    def _metric(self) -> Any:
        return metric_named(self.metric, self.settings) if self.settings else metric_named(self.metric)


@dataclass(frozen=True)
class Entry:
    """What a contestant hands in. `claimed`: the gain it reports itself, 0..1; None when it reports none."""

    prompt: Prompt
    claimed: float | None
    state: str
    calls: int
    written: int
    detail: Mapping[str, Any] = field(default_factory=dict)


def ask_all(evaluator: Evaluator, meter: Meter, prompt: Prompt, examples: Sequence[Example]) -> None:
    """All or nothing: a batch that is cut short would cost calls and tell nothing."""
    pairs = [(prompt, example) for example in examples]
    if len(evaluator.unasked(pairs)) > meter.remaining:
        meter.refused += 1
        raise Exhausted(f"{len(pairs)} evaluations wanted, {meter.remaining} calls left")
    evaluator.ask(pairs)


def glow(task: Task, goal: Goal, meter: Meter, seed: int, vectors: Vectors) -> tuple[Entry, Entry]:
    """What Glow would hand over to an experiment, and what it would have without its gate: the winner of the race."""
    given = {"writer": meter.write, "metric_settings": dict(goal.settings)}
    accepted = inspect.signature(PromptOptimizer).parameters  # a writer came to the optimizer after its benchmark
    if goal.settings and "metric_settings" not in accepted:
        raise TaskError(f"--metric-settings: this optimizer takes no settings of metric {goal.metric!r}")
    optimizer = PromptOptimizer(
        meter.answer,
        metric=goal.metric,
        seed=seed,
        budget=Budget(goal.calls),
        **{name: value for name, value in given.items() if name in accepted},  # type: ignore[arg-type]
    )
    found = optimizer.optimize(task.prompt, (*task.train, *task.val, *task.gate), (), vectors)
    gate, passed = found.gate, found.state == "finalist"
    claimed = getattr(gate, "claimed_gain", gate.shrunken_gain) if gate is not None and passed else 0.0
    best = task.prompt if found.finalist is None else found.finalist.prompt
    detail = {"reason": found.reason, "missing": list(found.missing)} | _gate_detail(found)
    return (
        Entry(best if passed else task.prompt, claimed, found.state, meter.calls, meter.written, detail),
        Entry(best, _raced_gain(found), _operator(found), meter.calls, meter.written, {}),
    )


def _gate_detail(found: Optimization) -> dict[str, Any]:
    if found.gate is None:
        return {}
    gate = found.gate
    return {"gate": {"n": gate.n, "b": gate.b, "c": gate.c, "e": gate.e_value, "verdict": gate.verdict}}


def _operator(found: Optimization) -> str:
    return "seed" if found.finalist is None else found.finalist.operator


def _raced_gain(found: Optimization) -> float | None:
    """The gain the race alone would claim, as others do: the best arm's mean less the incumbent's."""
    if found.race is None or found.finalist is None:
        return 0.0
    arms = {arm.prompt_sha256: arm for arm in found.race.arms}
    best, first = arms.get(found.finalist.prompt.sha256), arms.get(found.incumbent.sha256)
    if best is None or first is None or not best.n or not first.n:
        return None
    return best.accuracy.estimate - first.accuracy.estimate


def random_shots(task: Task, tokens: int, seed: int) -> Entry:
    """Demonstrations by lot, as many as `tokens` of prompt allow. Nothing is asked, nothing claimed."""
    return Entry(_drawn(task, tokens, np.random.default_rng([seed, 1])), None, "drawn", 0, 0)


def random_search(task: Task, goal: Goal, meter: Meter, tokens: int, seed: int) -> Entry:
    """The best on val of the prompt to begin with and of as many drawn sets as the calls allow."""
    evaluator, rng = goal.evaluator(meter), np.random.default_rng([seed, 2])
    scores: dict[Prompt, float] = {}
    prompt = task.prompt
    while True:
        try:
            ask_all(evaluator, meter, prompt, task.val)
        except Exhausted:
            break
        scores[prompt] = float(np.mean([evaluator.outcome(prompt, example).score for example in task.val]))
        prompt = next((drawn for _ in range(20) if (drawn := _drawn(task, tokens, rng)) not in scores), task.prompt)
        if prompt in scores:  # a tiny task has no more sets
            break
    if not scores:
        return Entry(task.prompt, 0.0, "seed", meter.calls, 0, {"sets": 0})
    best = max(scores, key=lambda each: scores[each])
    state = "seed" if best == task.prompt else "promoted"
    return Entry(best, scores[best] - scores[task.prompt], state, meter.calls, 0, {"sets": len(scores) - 1})


def tokens_to_match(task: Task, handed_in: Prompt) -> int:
    """How long the peers' demonstrations may make the prompt: as long as Glow's, or a demonstration for each label."""
    if handed_in.demonstrations:
        return handed_in.tokens
    first = {example.target: example for example in reversed(task.train)}
    shown = tuple(Demonstration(each.id, each.input, each.target) for each in list(first.values())[:10])
    return replace(task.prompt, demonstrations=shown).tokens


def _drawn(task: Task, tokens: int, rng: np.random.Generator) -> Prompt:
    """In the order of the lot, everything that still fits."""
    prompt = task.prompt
    for index in rng.permutation(len(task.train)).tolist():
        example = task.train[index]
        if task.prompt.choices is not None and example.target not in task.prompt.choices:
            continue
        shown = (*prompt.demonstrations, Demonstration(example.id, example.input, example.target))
        longer = replace(prompt, demonstrations=shown)
        if longer.tokens <= tokens:
            prompt = longer
    return prompt
