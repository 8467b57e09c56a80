"""GEPA as an engine: its search, our evaluator, our budget, our writing.

The only module that imports gepa, and only when it runs. It gets no `run_dir`: its state is a pickle, and resuming
from it is neither exact nor free. A resumed run replays from the start over remembered answers.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, cast

from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.operators.reflection import Reflection
from glow_pipelines.learning.prompts.prompt import Prompt

RELEASE = "0.1.4"
NAME = f"gepa {RELEASE}"
COMPONENT = "rules"
PARENTS, REWRITES = 2, 2  # a round of gepa's parallel proposals; smaller limits take one at a time
ROOM_FOR_PARALLEL = 150


def installed() -> bool:
    """Whether the release we are tested with is there; any other is as good as absent."""
    try:
        return metadata.version("gepa") == RELEASE
    except metadata.PackageNotFoundError:
        return False


class _StopError(BaseException):
    """Ends gepa from within. Not an Exception: gepa catches those of a writer, and asks again."""


class _Adapter:
    """Our side of gepa's GEPAAdapter. Candidates are the rules as JSON; the prompts behind them stay with us."""

    def __init__(self, reflection: Reflection) -> None:
        self._reflection = reflection
        self._prompts: dict[str, Prompt] = {}
        self._examples = {each.id: each for each in reflection.feedback}
        self.failure: Exception | None = None

    def candidate(self, prompt: Prompt) -> dict[str, str]:
        text = json.dumps(prompt.content()["rules"], ensure_ascii=False)
        self._prompts[text] = prompt
        return {COMPONENT: text}

    def evaluate(self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        from gepa.core.adapter import EvaluationBatch

        prompt = self._prompts[candidate[COMPONENT]]
        held = tuple(batch) == self._reflection.held
        try:
            scores = self._reflection.measure(prompt) if held else self._reflection.scores(prompt, batch)
        except Exception as error:
            raise self._stop(error) from error
        return EvaluationBatch(outputs=[None] * len(batch), scores=scores, trajectories=[each.id for each in batch])

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Inputs, Generated Outputs and Feedback of each example that may be shown."""
        examples = [self._examples[each] for each in eval_batch.trajectories]
        records = self._reflection.dataset(self._prompts[candidate[COMPONENT]], examples)
        return dict.fromkeys(components_to_update, records)

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """The rules after the writing model's edits; unchanged where it had none that could be taken."""
        prompt = self._prompts[candidate[COMPONENT]]
        shown = [self._examples[str(record["Example"])] for record in reflective_dataset[COMPONENT]]
        try:
            rewritten = self._reflection.rewrite(prompt, shown) if shown else None
        except Exception as error:
            raise self._stop(error) from error
        return self.candidate(prompt if rewritten is None else rewritten)

    def _stop(self, error: Exception) -> _StopError:
        self.failure = error
        return _StopError()


class _Silence:
    def log(self, message: str) -> None:
        """gepa tells of every step, with texts of users in it."""


def run(reflection: Reflection, seed: int) -> None:
    """Runs gepa until the reflection raises, or as many rounds as the limit has calls.

    What the evaluator or the writing model raise comes out as it was raised. Raises ImportError without gepa.
    """
    from gepa.api import optimize
    from gepa.strategies.proposal_sampling import PxNSampling

    parallel = reflection.limit >= ROOM_FOR_PARALLEL
    adapter = _Adapter(reflection)
    try:
        optimize(
            seed_candidate=adapter.candidate(reflection.incumbent),
            trainset=list(reflection.feedback),
            valset=list(reflection.held),
            adapter=cast(Any, adapter),
            sampling_strategy=PxNSampling(PARENTS, REWRITES) if parallel else None,
            reflection_minibatch_size=reflection.batch,
            frontier_type="instance",
            stop_callbacks=lambda state: state.i >= reflection.limit,  # perfect batches cost nothing and end never
            logger=_Silence(),
            track_best_outputs=False,
            seed=seed,
        )
    except _StopError:
        if adapter.failure is not None:
            raise adapter.failure from None
