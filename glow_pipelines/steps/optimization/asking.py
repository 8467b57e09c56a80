"""How an optimization asks the model: by the clock, told to whoever watches, and with every request known afterwards.

Belongs here: what stands between the engine and the model. Does not: the budget (learning), the model (providers).
"""

from collections.abc import Callable, Sequence

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.prompts.types import Answer, Answerer, RenderedPrompt
from glow_pipelines.providers.asking import chat_request
from glow_pipelines.providers.cache import request_key

Told = Callable[[int, int], object]
"""Told after every batch: answers so far, and how many of them were paid by this process."""


class Paused(Actionable):
    """The time of this run is over. Every answer is kept: the next run goes on where this one stopped."""


class Asking:
    """An answerer. Raises Paused before a batch that would begin after the deadline."""

    def __init__(self, answer: Answerer, model: str, clock: Callable[[], float]) -> None:
        self._answer, self._model, self._clock = answer, model, clock
        self.begun = clock()
        self.deadline: float | None = None
        self.told: Told | None = None
        self.keys: set[str] = set()
        self.answered = self.paid = 0

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return self._clock() - self.begun

    def __call__(self, requests: Sequence[RenderedPrompt]) -> Sequence[Answer]:
        if self.deadline is not None and self._clock() >= self.deadline:
            raise Paused(f"paused after {self.seconds:.0f} seconds, {self.answered} answers: run it again to go on")
        self.keys |= {request_key(self._model, chat_request(each)) for each in requests}
        answers = self._answer(requests)
        self.answered += len(answers)
        self.paid += sum(not each.cached for each in answers)
        if self.told is not None:
            self.told(self.answered, self.paid)
        return answers
