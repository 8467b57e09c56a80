"""Reflect: a writing model reads failures of train examples and proposes rules; a few rounds of that, within a limit.

Belongs here: choosing the engine and handing on its Pareto front. Does not belong here: the engines (reflect_gepa,
reflect_loop), which share everything but the question whom to rewrite next (reflection).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.operators import reflect_gepa, reflect_loop
from glow_pipelines.learning.prompts.operators.reflection import NothingMoreError, Reflection
from glow_pipelines.learning.prompts.performance import Analysis
from glow_pipelines.learning.prompts.prompt import Prompt

MOST_CANDIDATES = 4
LEAST_EXAMPLES = 12

Engine = Callable[[Reflection, int], None]
"""Explores within the reflection until its limit, deterministic given the seed. What it found is in the reflection."""


def reflect(
    incumbent: Prompt,
    train: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    evaluator: Evaluator,
    rng: np.random.Generator,
    limit: int,
    engine: Engine | None = None,
) -> list[Candidate]:
    """Up to four candidates for at most `limit` evaluations and writes; none when there is too little to learn from.

    gepa is used where the release we are tested with is installed, else the built-in loop.
    """
    if limit < 1 or len(train) < LEAST_EXAMPLES:
        return []
    run = engine or (reflect_gepa.run if reflect_gepa.installed() else reflect_loop.run)
    reflection = Reflection(incumbent, train, corrections, evaluator, rng, limit)
    with suppress(BudgetExhaustedError, NothingMoreError):  # how engines end; what they found is in the reflection
        run(reflection, int(rng.integers(2**31)))
    return reflection.candidates(MOST_CANDIDATES, reflect_gepa.NAME if run is reflect_gepa.run else reflect_loop.NAME)
