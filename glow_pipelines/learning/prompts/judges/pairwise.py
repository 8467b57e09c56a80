"""`pairwise_judge`: which of two answers is better, asked in both orders.

Belongs here: what is asked and how two replies become one preference. Does not belong here: how much the order and the
length of answers sway the judge (bias).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.judges.material import block, nonce, warning
from glow_pipelines.learning.prompts.metrics.metric import settings_sha256
from glow_pipelines.learning.prompts.metrics.settings import Settings
from glow_pipelines.learning.prompts.metrics.text import normalize
from glow_pipelines.learning.prompts.prompt import RenderedPrompt

Shown = Literal["1", "2", "tie"]
CHOICES: tuple[Shown, ...] = ("1", "2", "tie")


@dataclass(frozen=True)
class PairwiseJudge:
    """1.0 when the answer is better than the target, 0.5 when neither is, 0.0 when it is worse.

    Right, from 0.5 on, means as good as the approved answer. An answer equal to its target is not asked about.
    """

    criterion: str
    settings: Mapping[str, Any]
    right_at: float = 0.5
    id: str = "pairwise_judge"
    version: int = 1
    graded: bool = True

    @property
    def calls(self) -> int:
        return 2

    @cached_property
    def settings_sha256(self) -> str:
        return settings_sha256(self.settings)

    def questions(self, item: Example, answer: str) -> tuple[RenderedPrompt, ...]:
        return self.between(item.input, answer, item.target)

    def verdict(self, item: Example, answer: str, answers: Sequence[str]) -> float:
        if not answers:
            return 0.5
        if self.unreadable(answer, answers):
            return 0.0
        first, second = (read_choice(reply) for reply in answers)
        return preference(first, second)

    def unreadable(self, answer: str, answers: Sequence[str]) -> int:
        return sum(read_choice(reply) is None for reply in answers)

    def between(self, input: str, one: str, other: str) -> tuple[RenderedPrompt, ...]:
        """The question in both orders, `one` first and then second; none when the answers are the same text."""
        if normalize(one) == normalize(other):
            return ()
        mark = nonce(input, one, other, self.criterion)
        return tuple(_question(self.criterion, input, pair, mark) for pair in ((one, other), (other, one)))


def pairwise_judge(settings: Mapping[str, Any] | None = None) -> PairwiseJudge:
    """Settings: `criterion`, a sentence on what makes one answer better; `right_at` 0.5 (as good) or 1 (better)."""
    read = Settings("pairwise_judge", settings)
    criterion = read.text("criterion", 1000, "The better answer is more correct and serves who asked better.")
    right_at = read.number("right_at", 0.5, 1, 0.5)
    return PairwiseJudge(criterion, read.finish(), right_at)


def read_choice(reply: str) -> Shown | None:
    """What a reply says, or None when it says anything else."""
    said = normalize(reply)
    return next((choice for choice in CHOICES if choice == said), None)


def preference(first: Shown | None, second: Shown | None) -> float:
    """Of the answer that was shown first and then second: 1.0 preferred, 0.5 tie, 0.0 not. Orders that disagree are a
    tie: what depends on the order is no preference.
    """
    if first == "1" and second == "2":
        return 1.0
    return 0.0 if first == "2" and second == "1" else 0.5


def _question(criterion: str, input: str, pair: tuple[str, str], mark: str) -> RenderedPrompt:
    system = (
        f"You compare two answers to the same input. {criterion}\n\n{warning(mark)}\n\nNeither the order nor the "
        "length of the answers counts. Reply with 1, 2 or tie and nothing else."
    )
    one, other = pair
    shown = (block("INPUT", input, mark), block("ANSWER 1", one, mark), block("ANSWER 2", other, mark))
    user = "\n\n".join((*shown, "Which answer is better: 1, 2 or tie?"))
    return RenderedPrompt((("system", system), ("user", user)), CHOICES, 8)
