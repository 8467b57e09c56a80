"""What a judge is: the questions it asks about an answer, and the score it reads from the replies.

Belongs here: the port the evaluator asks through. Does not belong here: the judges themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.prompt import RenderedPrompt


class Judge(Protocol):
    """A metric that asks a model. It may rank always, and decide a gate only when calibrated (see calibration)."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def settings_sha256(self) -> str: ...
    @property
    def right_at(self) -> float: ...
    @property
    def graded(self) -> bool: ...
    @property
    def calls(self) -> int:
        """The most questions about one answer: `questions` never gives more."""
        ...

    def questions(self, item: Example, answer: str) -> tuple[RenderedPrompt, ...]:
        """What is asked about this answer. Neither votes nor corrections are in it, only input and answer."""
        ...

    def verdict(self, item: Example, answer: str, answers: Sequence[str]) -> float:
        """The score, 0..1, from the replies in the order of the questions. A reply that is not in the form counts
        against the answer: what cannot be read must never win.
        """
        ...

    def unreadable(self, answer: str, answers: Sequence[str]) -> int:
        """How many replies were not in the form. A score with any is not kept for later."""
        ...
