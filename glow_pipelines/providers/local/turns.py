"""Whose turn it is: which waiting chat request the next free instance answers.

Belongs here: the order of waiting requests. Does not: answering them (engines), HTTP (server).

Reading a prompt of demonstrations takes seconds, continuing from one that was read takes a third of a second. So a free
instance takes a request that begins as what it read last; else one that begins as nothing another instance has read,
so that two instances do not read the same prompt side by side. Answers do not depend on the order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

Messages = Sequence[Any]
LONGEST_PASSED_OVER = 32
"""How often a request may be passed over for one that suits better, before it must be next."""
GATHER_SECONDS = 0.005
"""A caller's requests arrive one after another; a choice needs some to choose from."""


class Turns:
    """As many turns at once as there are instances. `read_last` tells what the idle ones read last."""

    def __init__(self, instances: int, read_last: Callable[[], list[Messages]]) -> None:
        self._free, self._read_last = instances, read_last
        self._running: list[Messages] = []
        self._waiting: list[tuple[Messages, asyncio.Future[None]]] = []
        self._passed_over = 0

    @asynccontextmanager
    async def turn(self, messages: Messages) -> AsyncIterator[None]:
        """Wait for a turn, and give it back at the end of the block."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, granted))
        try:
            await asyncio.sleep(GATHER_SECONDS)
            self._grant()
            await granted
        except BaseException:
            if (messages, granted) in self._waiting:
                self._waiting.remove((messages, granted))
            elif granted.done() and not granted.cancelled():
                self._give_back(messages)
            raise
        try:
            yield
        finally:
            self._give_back(messages)

    def _give_back(self, messages: Messages) -> None:
        self._free += 1
        self._running.remove(messages)
        self._grant()

    def _grant(self) -> None:
        if self._free and self._waiting:
            place = self._next()
            self._passed_over = self._passed_over + 1 if place else 0
            messages, granted = self._waiting.pop(place)
            self._free -= 1
            self._running.append(messages)
            granted.set_result(None)

    def _next(self) -> int:
        if self._passed_over >= LONGEST_PASSED_OVER:
            return 0
        idle = self._read_last()

        def suits(place: int) -> tuple[int, int, int]:
            messages = self._waiting[place][0]
            own = max((common(read, messages) for read in idle), default=0)
            others = max((common(read, messages) for read in self._running), default=0)
            return (own if own >= others else -1, -others, -place)

        return max(range(len(self._waiting)), key=suits)


def common(one: Messages, other: Messages) -> int:
    """How many messages two conversations begin with in common."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
