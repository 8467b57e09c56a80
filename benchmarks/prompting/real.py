"""One task, all contestants, equal calls, and the final test on rows that nobody has seen.

Belongs here: the order of things, and what the final test says. Does not: the contestants (peers), the table (report).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.prompting.gepa_peer import gepa_bare
from benchmarks.prompting.meter import Memory, Meter
from benchmarks.prompting.models import Vectors
from benchmarks.prompting.peers import Entry, Goal, glow, random_search, random_shots, tokens_to_match
from benchmarks.prompting.task_files import Task
from glow_pipelines.learning.intervals import Interval, newcombe_paired, paired_bootstrap, wilson
from glow_pipelines.learning.prompts.types import Prompt

GLOW, UNGATED, GEPA, SHOTS, SEARCH = "Glow", "Glow without its gate", "GEPA", "random few-shot", "random search"
UNLIMITED = 10**9
Scores = Sequence[float]
Log = Callable[[str], object]


@dataclass(frozen=True)
class Final:
    """A prompt on the sealed rows, in their order. `tokens`: of its prompts as the model counts them, on average."""

    scores: Scores
    tokens: float


def contest(
    task: Task, goal: Goal, model: Memory, writer: Memory, vectors: Vectors, seeds: int, log: Log = print
) -> dict[str, Any]:
    """All contestants with each seed; figures of the final test. Proportions and gains in 0..1."""
    began, known = time.monotonic(), len(model)
    rounds = [_round(task, goal, model, writer, vectors, seed, log) for seed in range(seeds)]
    prompts = dict.fromkeys([task.prompt, *(entry.prompt for each in rounds for entry, _ in each.values())])
    log(f"final test: {len(prompts)} prompts on {len(task.sealed)} rows")
    finals = {prompt: final_test(task, goal, prompt, model) for prompt in prompts}
    first = finals[task.prompt]
    after = {name: [finals[each[name][0].prompt].scores for each in rounds] for name in rounds[0]}
    groups = [row.group for row in task.sealed]
    before = [first.scores] * seeds
    return {
        "calls": goal.calls,
        "metric": goal.metric,
        "metric settings": dict(goal.settings),
        "rows": {part: len(getattr(task, part)) for part in ("train", "val", "gate", "sealed")},
        "notes": list(task.notes),
        "seeds": seeds,
        "before": {"accuracy": _plain(accuracy(before[:1], groups)), "prompt tokens": round(first.tokens, 1)},
        "contestants": {
            name: {
                "accuracy": _plain(accuracy(after[name], groups)),
                "gain": _plain(difference(after[name], before, groups)),
                "claimed gain": _mean([each[name][0].claimed for each in rounds]),
                "Glow's gain over it": None if name == GLOW else _plain(difference(after[GLOW], after[name], groups)),
                "calls": _mean([each[name][0].calls for each in rounds]),
                "of them to write": _mean([each[name][0].written for each in rounds]),
                "prompt tokens": _mean([finals[each[name][0].prompt].tokens for each in rounds]),
                "by seed": [_by_seed(task, *each[name], finals, groups) for each in rounds],
            }
            for name in rounds[0]
        },
        "questions to the model": len(model) - known,
        "seconds": round(time.monotonic() - began),
    }


def final_test(task: Task, goal: Goal, prompt: Prompt, model: Memory) -> Final:
    """The sealed rows, charged to nobody."""
    meter = Meter(UNLIMITED, model)
    evaluator = goal.evaluator(meter)
    evaluator.ask((prompt, row) for row in task.sealed)
    return Final([evaluator.outcome(prompt, row).score for row in task.sealed], meter.prompt_tokens / meter.calls)


def accuracy(scores: Sequence[Scores], groups: Sequence[str]) -> Interval:
    """Mean score over rows and seeds: Wilson for one seed of right and wrong, else a bootstrap over groups of rows.

    The bootstrap keeps all seeds of a row together: they are the same question, not more data.
    """
    if len(scores) == 1 and _binary(scores[0]):
        return wilson(round(sum(scores[0])), len(scores[0]))
    return difference(scores, [[0.0] * len(each) for each in scores], groups)


def difference(one: Sequence[Scores], other: Sequence[Scores], groups: Sequence[str]) -> Interval:
    """Mean paired difference, one less other: Newcombe for one seed of right and wrong, else as `accuracy`."""
    if len(one) == 1 and _binary(one[0]) and _binary(other[0]):
        pairs = [(bool(a), bool(b)) for a, b in zip(one[0], other[0], strict=True)]
        both, first, second = (pairs.count(each) for each in ((True, True), (True, False), (False, True)))
        return newcombe_paired(both, first, second, len(pairs) - both - first - second)
    rng = np.random.default_rng(0)
    return paired_bootstrap(np.concatenate(one), np.concatenate(other), rng, list(groups) * len(one))


def _round(
    task: Task, goal: Goal, model: Memory, writer: Memory, vectors: Vectors, seed: int, log: Log
) -> dict[str, tuple[Entry, Meter]]:
    """Everybody's entry with one seed, each with a meter of its own."""
    found: dict[str, tuple[Entry, Meter]] = {}

    def note(name: str, entry: Entry, meter: Meter) -> None:
        found[name] = (entry, meter)
        log(f"seed {seed}: {name}: {entry.state}, {entry.calls} calls ({entry.written} to write)")

    meter = Meter(goal.calls, model, writer)
    handed_over, ungated = glow(task, goal, meter, seed, vectors)
    note(GLOW, handed_over, meter)
    note(UNGATED, ungated, meter)
    tokens = tokens_to_match(task, ungated.prompt)
    meter = Meter(goal.calls, model, writer)
    note(GEPA, gepa_bare(task, goal, meter, seed), meter)
    note(SHOTS, random_shots(task, tokens, seed), Meter(0, model))
    meter = Meter(goal.calls, model, writer)
    note(SEARCH, random_search(task, goal, meter, tokens, seed), meter)
    return found


def _by_seed(
    task: Task, entry: Entry, meter: Meter, finals: Mapping[Prompt, Final], groups: Sequence[str]
) -> dict[str, Any]:
    """No text of the prompt: rows of the task stand in it."""
    final, first = finals[entry.prompt], finals[task.prompt]
    return {
        "state": entry.state,
        "accuracy": _plain(accuracy([final.scores], groups)),
        "gain": _plain(difference([final.scores], [first.scores], groups)),
        "claimed gain": _mean([entry.claimed]),
        "calls": entry.calls,
        "of them to write": entry.written,
        "batches refused": meter.refused,
        "prompt tokens": round(final.tokens, 1),
        "demonstrations": len(entry.prompt.demonstrations),
        "rules": len(entry.prompt.rules),
        "prompt": entry.prompt.sha256[:12],
        **entry.detail,
    }


def _binary(scores: Scores) -> bool:
    return set(scores) <= {0.0, 1.0}


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return round(sum(told) / len(told), 4) if told else None


def _plain(interval: Interval) -> dict[str, Any]:
    limits = {name: round(getattr(interval, name), 4) for name in ("estimate", "low", "high")}
    return limits | {"method": interval.method}
