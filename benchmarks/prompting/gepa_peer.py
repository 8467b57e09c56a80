"""GEPA as it comes: the package's own loop with its defaults, and the candidate that it returns.

Belongs here: the adapter between its evaluations and the meter. Does not: any help or hindrance; what Glow takes from
GEPA for itself is an operator of learning/prompts.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from benchmarks.prompting.meter import Meter
from benchmarks.prompting.peers import Entry, Goal, ask_all
from benchmarks.prompting.task_files import Task
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.types import Example, RenderedPrompt

LONGEST_WRITTEN = 512  # tokens of a written prompt; the small model would go on for ever
IDLE_ITERATIONS = 25  # in a row that pay for nothing: it would repeat itself without end
PART = "instruction"


class _Adapter:
    """The program is the instruction alone, with the same contract of the answer as for everybody."""

    propose_new_texts = None

    def __init__(self, task: Task, evaluator: Evaluator, meter: Meter) -> None:
        self._task, self._evaluator, self._meter = task, evaluator, meter
        self._batch = importlib.import_module("gepa.core.adapter").EvaluationBatch

    def evaluate(self, batch: Sequence[Example], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        prompt = replace(self._task.prompt, instruction=candidate[PART])
        ask_all(self._evaluator, self._meter, prompt, batch)
        outcomes = [self._evaluator.outcome(prompt, example) for example in batch]
        traces = list(zip(batch, outcomes, strict=True)) if capture_traces else None
        return self._batch([each.text for each in outcomes], [each.score for each in outcomes], traces)

    def make_reflective_dataset(self, candidate: Mapping[str, str], batch: Any, components: Sequence[str]) -> Any:
        records = [
            {
                "Inputs": example.input,
                "Generated Outputs": outcome.text,
                "Feedback": "This is right." if outcome.right else f"Wrong: the right answer is {example.target}",
            }
            for example, outcome in batch.trajectories
        ]
        return dict.fromkeys(components, records)


class _Stop:
    """At the first refusal: what is left then is too little for what it wanted to do."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._idle, self._calls = meter, 0, 0

    def __call__(self, gepa_state: Any) -> bool:
        self._idle = self._idle + 1 if self._meter.calls == self._calls else 0
        self._calls = self._meter.calls
        return bool(self._meter.refused or not self._meter.remaining or self._idle >= IDLE_ITERATIONS)


class _Silent:
    def log(self, message: str) -> None:
        """GEPA tells every iteration, with the rows in it."""


def gepa_bare(task: Task, goal: Goal, meter: Meter, seed: int) -> Entry:
    """GEPA's candidate with the best mean on val, and the gain that this mean claims. Raises ImportError without it."""
    optimize = importlib.import_module("gepa").optimize

    def reflect(prompt: object) -> str:
        return meter.write([RenderedPrompt((("user", str(prompt)),), None, LONGEST_WRITTEN)])[0].text

    if len(task.val) > meter.limit:
        return Entry(task.prompt, 0.0, "seed", 0, 0, {"reason": f"{len(task.val)} rows of val do not fit"})
    result = optimize(
        seed_candidate={PART: task.prompt.instruction},
        trainset=list(task.train),
        valset=list(task.val),
        adapter=_Adapter(task, goal.evaluator(meter), meter),
        reflection_lm=reflect,
        stop_callbacks=[_Stop(meter)],
        seed=seed,
        raise_on_exception=False,  # the meter's refusal ends the run, not the result
        logger=_Silent(),
    )
    scores = result.val_aggregate_scores
    best = replace(task.prompt, instruction=result.best_candidate[PART])
    state = "seed" if best == task.prompt else "promoted"
    detail = {"candidates": result.num_candidates, "gepa": metadata.version("gepa")}
    return Entry(best, scores[result.best_idx] - scores[0], state, meter.calls, meter.written, detail)
