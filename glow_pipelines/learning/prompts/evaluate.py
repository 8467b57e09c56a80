"""Evaluation: asking the model about (prompt, example) pairs, once each, within the budget.

Belongs here: the bridge between stages and the answerer. Does not belong here: which pairs to ask (race, gate,
analysis).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glow_pipelines.learning.prompts.budget import Budget, BudgetExhaustedError
from glow_pipelines.learning.prompts.evidence import Answerer, Example
from glow_pipelines.learning.prompts.metrics import Metric, normalize
from glow_pipelines.learning.prompts.prompt import Prompt, RenderedPrompt

Pair = tuple[Prompt, Example]


@dataclass(frozen=True)
class Outcome:
    """One scored answer. `valid` says whether it keeps the output contract: one of the choices, or not empty."""

    text: str
    score: float
    valid: bool

    @property
    def right(self) -> bool:
        return self.score >= 1.0


class Evaluator:
    """Remembers every outcome, so stages share answers and a pair is asked once per optimization.

    `evaluations` counts the pairs asked for, cached or not. Stages divide their work by this number and never by what
    was paid: a resumed run finds its answers in the cache and must still take the same decisions.
    """

    def __init__(
        self,
        answer: Answerer,
        metric: Metric,
        budget: Budget,
        batch_size: int = 32,
        writer: Answerer | None = None,
    ) -> None:
        self._answer, self._metric, self.budget, self._batch_size = answer, metric, budget, batch_size
        self._writer = writer or answer
        self._outcomes: dict[tuple[str, str], Outcome] = {}
        self._texts: dict[RenderedPrompt, str] = {}

    @property
    def evaluations(self) -> int:
        return len(self._outcomes)

    @property
    def written(self) -> int:
        """Texts the writing model was asked for, cached or not."""
        return len(self._texts)

    @property
    def outcomes(self) -> Mapping[tuple[str, str], Outcome]:
        """All outcomes by (prompt address, example id)."""
        return MappingProxyType(self._outcomes)

    def unasked(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs not asked yet, without repetition: by prompt, then in order."""
        fresh = {(prompt.sha256, example.id): (prompt, example) for prompt, example in pairs}
        asked = [pair for key, pair in fresh.items() if key not in self._outcomes]
        # Prompt by prompt: an endpoint that reuses the beginning of a prompt reads it once then, not once per item.
        place = {sha256: at for at, sha256 in enumerate(dict.fromkeys(prompt.sha256 for prompt, _ in asked))}
        return sorted(asked, key=lambda pair: place[pair[0].sha256])

    def ask(self, pairs: Iterable[Pair]) -> None:
        """Asks what is unasked, all or nothing: raises BudgetExhaustedError before the first call when it does not fit.

        Raises ValueError when the answerer returns another number of answers than it was asked for.
        """
        fresh = self.unasked(pairs)
        if len(fresh) > self.budget.remaining:
            raise BudgetExhaustedError(f"{len(fresh)} evaluations asked for, {self.budget.remaining} calls left")
        for start in range(0, len(fresh), self._batch_size):
            batch = fresh[start : start + self._batch_size]
            held = self.budget.reserve(len(batch))
            answers = self._answer([prompt.render(example.input) for prompt, example in batch])
            if len(answers) != len(batch):
                raise ValueError(f"the answerer returned {len(answers)} answers for {len(batch)} prompts")
            self.budget.settle(held, answers)
            for (prompt, example), answer in zip(batch, answers, strict=True):
                self._outcomes[prompt.sha256, example.id] = self._outcome(prompt, example, answer.text)

    def write(self, rendered: RenderedPrompt) -> str:
        """The writing model's answer to one request, remembered. Raises BudgetExhaustedError before a call that does
        not fit.
        """
        if rendered not in self._texts:
            held = self.budget.reserve(1)
            (answer,) = self._writer([rendered])
            self.budget.settle(held, [answer])
            self._texts[rendered] = answer.text
        return self._texts[rendered]

    def outcome(self, prompt: Prompt, example: Example) -> Outcome:
        """The outcome of a pair asked before; KeyError otherwise."""
        return self._outcomes[prompt.sha256, example.id]

    def _outcome(self, prompt: Prompt, example: Example, text: str) -> Outcome:
        allowed = None if prompt.choices is None else {normalize(choice) for choice in prompt.choices}
        valid = bool(text.strip()) if allowed is None else normalize(text) in allowed
        return Outcome(text, self._metric.score(text, example.target), valid)
