"""The budget: what an optimization may still use. Reserve the worst case before the call, settle what it was after.

Belongs here: counting against the limits. Does not belong here: dividing them between stages (optimizer.py), the clock.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glow_pipelines.learning.prompts.evidence import Answer
from glow_pipelines.learning.prompts.prompt import RenderedPrompt

_PER_MESSAGE = 16
_SCHEMA = 80  # braces, keys and blanks where an endpoint is told the labels, or answers with one, as JSON
_PICO = 10**12


class BudgetExhaustedError(Exception):
    """A reservation did not fit; nothing was called."""


@dataclass(frozen=True)
class Reservation:
    """What was set aside for some requests; settled once. Money in millionths of a millionth of a dollar."""

    id: int
    calls: int
    tokens: int = 0
    money: int = 0
    requests: tuple[RenderedPrompt, ...] = ()


class Budget:
    """What an optimization uses: calls, tokens and money of its answers as they were when they were fresh, each
    distinct request once.

    Cached answers count like paid ones: a run that was killed and starts again books the same, decides the same, and
    what all its attempts paid together stays within the limits. What this process paid stands apart, in `paid_calls`
    and `paid_usd`. A reservation that is never settled (its call raised) stays reserved: it may have been paid.
    """

    def __init__(
        self,
        max_calls: int,
        max_tokens: int | None = None,
        max_usd: float | None = None,
        prices: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`prices`: dollars per million prompt tokens and per million completion tokens. Raises ValueError naming the
        limit that is negative or not a number."""
        for name, limit in (("max_calls", max_calls), ("max_tokens", max_tokens), ("max_usd", max_usd)):
            if limit is not None and not 0 <= limit < math.inf:
                raise ValueError(f"{name}={limit} must be >= 0 and finite")
        self.max_calls, self.max_tokens, self.max_usd, self.prices = max_calls, max_tokens, max_usd, prices
        self.calls = self.cached = self.prompt_tokens = self.completion_tokens = 0
        self.paid_calls = 0
        self.paid_usd = 0.0
        self._money = 0
        self._max_money = None if max_usd is None else math.floor(max_usd * _PICO)
        self._allowed = (1, 1)
        self._known: set[RenderedPrompt] = set()
        self._open: dict[int, Reservation] = {}
        self._issued = 0
        self._dearest = (0.0, 0.0)  # the largest part of its worst case that an answer used, in tokens and money
        self._beyond = (0, 0)  # by how much an answer was dearer than its worst case, in tokens and money

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost_usd(self) -> float:
        return self._money / _PICO

    @property
    def remaining(self) -> int:
        """Calls neither used nor reserved, of those allowed so far."""
        return max(0, self._share(self.max_calls) - self.calls - sum(held.calls for held in self._open.values()))

    @property
    def overshoot(self) -> float:
        """The largest share by which a limit was exceeded; 0 unless a model used more than the worst case."""
        used = ((self.calls, self.max_calls), (self.tokens, self.max_tokens), (self._money, self._max_money))
        return max(0.0 if limit is None or spent <= limit else spent / max(limit, 1) - 1 for spent, limit in used)

    def allow(self, part: int, of: int) -> None:
        """Until told otherwise let only `part` of `of` parts of every limit be used: what a stage may use together with
        those before it. What a stage leaves is thus the next one's."""
        self._allowed = (max(0, min(part, of)), of) if of > 0 else (0, 1)

    def worst_case(self, request: RenderedPrompt) -> tuple[int, int]:
        """The most tokens and money one request can use: a token is at least one byte, of a label or a message.

        A model that used more than that once (a template of its own, hidden reasoning) is expected to do so again.
        """
        prompt = sum(_bytes(content) + _PER_MESSAGE for _, content in request.messages)
        completion = request.max_tokens
        if request.choices is not None:
            prompt += _SCHEMA + sum(_bytes(label) + 4 for label in request.choices)
            completion = max(completion, _SCHEMA + max(len(json.dumps(label)) for label in request.choices))
        money = _pico((prompt * self.prices[0] + completion * self.prices[1]) / 1e6) + 1
        return prompt + completion + self._beyond[0], money + self._beyond[1]

    def fits(self, requests: Sequence[RenderedPrompt]) -> bool:
        """Whether all of them could be reserved now. Requests known to this budget cost nothing."""
        return self._lacking(self._ask(requests)) is None

    def fitting(self, requests: Sequence[RenderedPrompt]) -> int:
        """How many of them, from the first, could be reserved now."""
        low, high = 0, len(requests)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.fits(requests[:middle]) else (low, middle - 1)
        return low

    def likely(self, requests: Sequence[RenderedPrompt]) -> bool:
        """Whether there is room for all of them when they are reserved a few at a time: calls for certain, tokens and
        money if none uses a larger part of its worst case than any answer did so far. Before the first answer nothing
        is known, and a few must be tried."""
        wanted = self._ask(requests)
        tokens, money = math.ceil(wanted.tokens * self._dearest[0]), math.ceil(wanted.money * self._dearest[1])
        return self._lacking(replace(wanted, tokens=tokens, money=money)) is None

    def reserve(self, requests: Sequence[RenderedPrompt] | int) -> Reservation:
        """Sets the worst case of the requests aside. A number reserves calls alone.

        Raises BudgetExhaustedError when they do not all fit; ValueError for a negative number, and for a number where
        tokens or money are limited.
        """
        if isinstance(requests, int):
            if requests < 0:
                raise ValueError(f"calls={requests} must be >= 0")
            if self.max_tokens is not None or self.max_usd is not None:
                raise ValueError("with a limit on tokens or money a reservation must name its requests")
            wanted = Reservation(0, requests)
        else:
            wanted = self._ask(requests)
        lacking = self._lacking(wanted)
        if lacking is not None:
            raise BudgetExhaustedError(lacking)
        self._issued += 1
        held = Reservation(self._issued, wanted.calls, wanted.tokens, wanted.money, wanted.requests)
        self._open[held.id] = held
        return held

    def settle(self, reservation: Reservation, answers: Sequence[Answer]) -> None:
        """Books the answers, given in the order of the requests, and frees the rest.

        Raises ValueError for a stranger, for another number of answers than requests, or for more than were reserved.
        """
        if self._open.get(reservation.id) != reservation:
            raise ValueError(f"reservation {reservation.id} is not open: settled before, or from another budget")
        requests = reservation.requests
        if requests and len(answers) != len(requests):
            raise ValueError(f"{len(answers)} answers for {len(requests)} requests")
        if not requests and len(answers) > reservation.calls:
            raise ValueError(f"{len(answers)} answers for {reservation.calls} reserved calls")
        for place, answer in enumerate(answers):
            if not answer.cached:
                self.paid_calls += 1
                self.paid_usd += answer.cost_usd
            if requests:
                if requests[place] in self._known:
                    continue
                self._known.add(requests[place])
                self._learn(requests[place], answer)
            self._book(answer)
        del self._open[reservation.id]

    def _ask(self, requests: Sequence[RenderedPrompt]) -> Reservation:
        fresh = [each for each in dict.fromkeys(requests) if each not in self._known]
        worst = [self.worst_case(each) for each in fresh]
        return Reservation(
            0, len(fresh), sum(tokens for tokens, _ in worst), sum(money for _, money in worst), tuple(requests)
        )

    def _lacking(self, wanted: Reservation) -> str | None:
        """Which limit the reservation does not fit into, in words."""
        if wanted.calls > self.remaining:
            return f"{wanted.calls} calls asked for, {self.remaining} of max_calls={self.max_calls} left"
        held = self._open.values()
        tokens = self.tokens + sum(each.tokens for each in held) + wanted.tokens
        money = self._money + sum(each.money for each in held) + wanted.money
        if wanted.calls and self.max_tokens is not None and tokens > self._share(self.max_tokens):
            return f"{wanted.tokens} tokens may be needed, {self.tokens} of max_tokens={self.max_tokens} are used"
        if wanted.calls and self._max_money is not None and money > self._share(self._max_money):
            return f"{wanted.money / _PICO:g} USD may be needed, {self.cost_usd:g} of max_usd={self.max_usd} are used"
        return None

    def _share(self, limit: int) -> int:
        return limit * self._allowed[0] // self._allowed[1]

    def _book(self, answer: Answer) -> None:
        self.calls += 1
        self.cached += answer.cached
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens
        self._money += _pico(answer.cost_usd)

    def _learn(self, request: RenderedPrompt, answer: Answer) -> None:
        tokens, money = self.worst_case(request)
        used = answer.prompt_tokens + answer.completion_tokens, _pico(answer.cost_usd)
        self._beyond = (self._beyond[0] + max(0, used[0] - tokens), self._beyond[1] + max(0, used[1] - money))
        self._dearest = max(self._dearest[0], used[0] / tokens), max(self._dearest[1], used[1] / money)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _pico(usd: float) -> int:
    """Dollars as a whole number, rounded up, so that sums are exact."""
    return math.ceil(usd * _PICO)
