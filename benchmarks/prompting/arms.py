"""Arms with known truth: items of common difficulty, on which each prompt is right as often as told.

Belongs here: the probit item model and a model that answers from it. Does not belong here: what is simulated with them.
The optimizer under test sees answers only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from glow_pipelines.learning.prompts.types import Answer, Candidate, Example, Prompt, RenderedPrompt, Split

BASE = 0.70  # accuracy of the incumbent
DISCORDANCE = 0.18  # share of items on which two prompts of equal accuracy differ
RIGHT, WRONG = "right", "wrong"
INCUMBENT = Prompt("0", choices=(RIGHT, WRONG), max_tokens=4)


def correlation(discordance: float = DISCORDANCE, base: float = BASE) -> float:
    """Of two prompts' latent scores on one item, so that they differ on this share of items."""
    limit = float(norm.ppf(base))

    def excess(rho: float) -> float:
        both = multivariate_normal.cdf([limit, limit], cov=[[1, rho], [rho, 1]])
        return float(2 * (base - both) - discordance)

    return float(brentq(excess, 0.0, 0.999))


def outcomes(
    accuracies: Sequence[float] | NDArray[np.float64], items: int, rho: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(arms, items): right or wrong. Item difficulty is shared; what is left is each arm's own, and stays."""
    own = rng.normal(size=(len(accuracies), items))
    latent = np.sqrt(rho) * rng.normal(size=items) + np.sqrt(1 - rho) * own
    right: NDArray[np.bool_] = latent < norm.ppf(np.clip(accuracies, 1e-6, 1 - 1e-6))[:, None]
    return right


def items(count: int, split: Split = "val", prefix: str = "") -> list[Example]:
    """Items that say their own number; `prefix` keeps those of different nights apart."""
    return [
        Example(f"{prefix}{split}{index:05d}", str(index), RIGHT, f"{prefix}{split}{index}", split)
        for index in range(count)
    ]


def arm(number: int) -> Candidate:
    """A prompt that says its own number; 0 is the incumbent."""
    return Candidate(Prompt(str(number), choices=(RIGHT, WRONG), max_tokens=4), "arm", INCUMBENT.sha256)


@dataclass
class Answering:
    """Answers from a table of outcomes (arms, items); `rows` says which prompt number has which row (its own if not
    given)."""

    right: NDArray[np.bool_]
    rows: Mapping[int, int] | None = None

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        return [self._answer(rendered) for rendered in prompts]

    def _answer(self, rendered: RenderedPrompt) -> Answer:
        number = int(rendered.messages[0][1])
        row = number if self.rows is None else self.rows[number]
        known = self.right[row, int(rendered.messages[-1][1])]
        return Answer(RIGHT if known else WRONG, 20, 1, 0.0, cached=False)
