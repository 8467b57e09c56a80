"""The budget: what may still be paid. Reserve before the call, settle after; overshoot is impossible by construction.

Belongs here: counting. Does not belong here: deciding how to divide the calls (see the plan in optimizer.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from glow_pipelines.learning.prompts.evidence import Answer


class BudgetExhaustedError(Exception):
    """A reservation did not fit; nothing was called."""


@dataclass(frozen=True)
class Reservation:
    """Calls set aside; settled once."""

    id: int
    calls: int


class Budget:
    """Model calls that may be paid, and what was. Cached answers cost nothing.

    A reservation that is never settled (its call raised) stays reserved: part of it may have been paid.
    """

    def __init__(self, max_calls: int) -> None:
        if max_calls < 0:
            raise ValueError(f"max_calls={max_calls} must be >= 0")
        self.max_calls = max_calls
        self.calls = self.cached = self.prompt_tokens = self.completion_tokens = 0
        self.cost_usd = 0.0
        self._open: dict[int, Reservation] = {}
        self._issued = 0

    @property
    def remaining(self) -> int:
        """Calls neither paid nor reserved."""
        return self.max_calls - self.calls - sum(held.calls for held in self._open.values())

    def reserve(self, calls: int) -> Reservation:
        """Sets calls aside. Raises BudgetExhaustedError when they do not all fit, ValueError when negative."""
        if calls < 0:
            raise ValueError(f"calls={calls} must be >= 0")
        if calls > self.remaining:
            raise BudgetExhaustedError(f"{calls} calls asked for, {self.remaining} of max_calls={self.max_calls} left")
        self._issued += 1
        held = self._open[self._issued] = Reservation(self._issued, calls)
        return held

    def settle(self, reservation: Reservation, answers: Sequence[Answer]) -> None:
        """Books what was paid and frees the rest. Raises ValueError for a stranger, or more paid answers than
        reserved.
        """
        paid = [answer for answer in answers if not answer.cached]
        if self._open.get(reservation.id) != reservation:
            raise ValueError(f"{reservation} is not open: settled before, or from another budget")
        if len(paid) > reservation.calls:
            raise ValueError(f"{len(paid)} paid answers for {reservation.calls} reserved calls")
        del self._open[reservation.id]
        self.calls += len(paid)
        self.cached += len(answers) - len(paid)
        self.prompt_tokens += sum(answer.prompt_tokens for answer in paid)
        self.completion_tokens += sum(answer.completion_tokens for answer in paid)
        self.cost_usd += sum(answer.cost_usd for answer in paid)
