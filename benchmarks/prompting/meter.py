"""One memory of answers for all contestants, and a meter for each: equal calls, counted by the harness and not by them.

Belongs here: who is charged for which request, and the hard stop. Does not: what is asked (peers), models (models).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from glow_pipelines.learning.prompts.types import Answer, Answerer, RenderedPrompt


class Exhausted(Exception):
    """More calls were wanted than the contestant has left; nothing of the batch was asked or charged."""


class Memory:
    """A model that is asked each question once, however many contestants want it, so that all get the same answer.

    `tell` hears how many answers are there, after every batch: a contest takes an hour on two cores.
    """

    def __init__(self, answer: Answerer, tell: Callable[[int], object] = lambda known: None) -> None:
        self._answer, self._tell = answer, tell
        self._known: dict[RenderedPrompt, Answer] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        """The answers in order. Raises ValueError when the model returns another number than it was asked for."""
        new = [request for request in dict.fromkeys(requests) if request not in self._known]
        answers = self._answer(new) if new else []
        if len(answers) != len(new):
            raise ValueError(f"{len(answers)} answers for {len(new)} requests")
        self._known.update(zip(new, answers, strict=True))
        if new:
            self._tell(len(self._known))
        return [self._known[request] for request in requests]


class Meter:
    """What one contestant may ask: `limit` distinct requests, of the model and of the writer of prompts together.

    The same request is charged once. Charged before it is asked: a call that fails was made too. `refused` counts the
    batches that did not fit; they cost nothing and end a contestant that ignores them by an exception.
    """

    def __init__(self, limit: int, model: Memory, writer: Memory | None = None) -> None:
        if limit < 0:
            raise ValueError(f"limit={limit} must be >= 0")
        self.limit, self._model, self._writer = limit, model, model if writer is None else writer
        self.calls = self.written = self.prompt_tokens = self.completion_tokens = self.refused = 0
        self._charged: set[tuple[bool, RenderedPrompt]] = set()

    @property
    def remaining(self) -> int:
        return self.limit - self.calls

    def answer(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        """Answers to a task's inputs. Raises Exhausted."""
        return self._ask(self._model, requests)

    def write(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        """Answers of the model that writes prompts. Raises Exhausted."""
        before = self.calls
        answers = self._ask(self._writer, requests)
        self.written += self.calls - before
        return answers

    def _ask(self, memory: Memory, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        other = memory is not self._model  # a writer that is the task's own model answers from the same memory
        new = {request for request in requests if (other, request) not in self._charged}
        if len(new) > self.remaining:
            self.refused += 1
            raise Exhausted(f"{len(new)} new calls wanted, {self.remaining} of {self.limit} left")
        self.calls += len(new)
        self._charged |= {(other, request) for request in new}
        answers = []
        for request, answer in zip(requests, memory(requests), strict=True):
            fresh = request in new
            new.discard(request)  # asked twice in one batch: the second is a repetition
            # Whether the harness knew the answer is nobody's business: each is told what it would see alone.
            answers.append(replace(answer, cached=not fresh))
            self.prompt_tokens += answer.prompt_tokens if fresh else 0
            self.completion_tokens += answer.completion_tokens if fresh else 0
        return answers
