"""Whose turn it is at the embedded server."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from glow_pipelines.providers.local.turns import LONGEST_PASSED_OVER, Messages, Turns, common


def conversation(prompt: str, question: int) -> list[Any]:
    return [f"system {prompt}", f"demo {prompt}", question]


async def play(requests: Sequence[list[Any]], instances: int) -> list[list[list[Any]]]:
    """What each instance answered, in order; an instance is taken as the engine does: the best match among the idle."""
    read: list[Messages] = [[] for _ in range(instances)]
    done: list[list[list[Any]]] = [[] for _ in range(instances)]
    idle = set(range(instances))
    turns = Turns(instances, lambda: [read[at] for at in idle])

    async def ask(messages: list[Any]) -> None:
        async with turns.turn(messages):
            at = max(idle, key=lambda each: common(read[each], messages))
            idle.remove(at)
            await asyncio.sleep(0.002)
            read[at] = messages
            done[at].append(messages)
            idle.add(at)

    await asyncio.gather(*(ask(messages) for messages in requests))
    return done


def reads(answered: list[list[Any]]) -> int:
    """How often an instance had to read another prompt."""
    prompts = [messages[0] for messages in answered]
    return 1 + sum(one != other for one, other in itertools.pairwise(prompts))


def test_two_instances_read_two_prompts_once_each() -> None:
    requests = [conversation(prompt, question) for prompt in "ab" for question in range(6)]
    done = asyncio.run(play(requests, instances=2))
    assert [reads(answered) for answered in done] == [1, 1]
    assert sorted(len(answered) for answered in done) == [6, 6]


def test_nobody_waits_for_ever() -> None:
    stranger = conversation("stranger", 0)
    requests = [conversation("a", 0), *(conversation("a", question) for question in range(1, 3)), stranger]
    requests += [conversation("a", question) for question in range(3, 3 * LONGEST_PASSED_OVER)]
    (answered,) = asyncio.run(play(requests, instances=1))
    assert answered.index(stranger) <= LONGEST_PASSED_OVER + 4


def test_a_caller_that_gives_up_leaves_the_line() -> None:
    async def scene() -> list[str]:
        told: list[str] = []
        turns = Turns(1, list)
        async with turns.turn(["first"]):
            waiting = asyncio.create_task(turns.turn(["second"]).__aenter__())
            await asyncio.sleep(0.02)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), turns.turn(["third"]):
            told.append("third")
        return told

    assert asyncio.run(scene()) == ["third"]
