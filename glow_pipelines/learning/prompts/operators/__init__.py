"""Operators: ways to propose a changed prompt, one per file.

Belongs here: functions from an incumbent and its train evidence to candidates, deterministic given the generator.
They see train examples only and call no model. Does not belong here: judging candidates; a poor one costs calls,
never users.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.operators.clarify import clarify
from glow_pipelines.learning.prompts.operators.combine import combine
from glow_pipelines.learning.prompts.operators.few_shot import few_shot
from glow_pipelines.learning.prompts.operators.restructure import restructure
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Analysis


class Operator(Protocol):
    """`embeddings` is (len(examples), d), row by row the inputs of `examples`."""

    def __call__(
        self,
        incumbent: Prompt,
        examples: Sequence[Example],
        corrections: Sequence[Correction],
        analysis: Analysis,
        embeddings: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> list[Candidate]: ...


OPERATORS: Mapping[str, Operator] = {"clarify": clarify, "few_shot": few_shot, "restructure": restructure}

__all__ = ["OPERATORS", "Operator", "clarify", "combine", "few_shot", "restructure"]
