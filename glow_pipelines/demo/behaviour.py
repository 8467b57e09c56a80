"""How people react to what they are shown.

Belongs here: votes, corrections, clicks and judgements of one person on one answer, with noise, position bias and bad
temper. Does not: who is shown what (replay). Pure: randomness is passed in.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from glow_pipelines.demo.company import Person

CLICK_RIGHT, CLICK_WRONG = 0.9, 0.1
"""Chance of a click on a right and a wrong passage that was looked at."""


@dataclass(frozen=True)
class Reaction:
    """What a user says of an answer; `correction` is a label they put in its place."""

    thumbs: int
    issues: tuple[str, ...]
    correction: str | None


def perceives(person: Person, truth: bool, rng: np.random.Generator) -> bool:
    """Whether the person takes the answer for right: mostly as it is, by temper, sometimes wrongly."""
    if person.temper == "spiteful":
        return False
    if person.temper == "careless":
        return bool(rng.random() < 0.5)
    return truth if rng.random() < person.reliability else not truth


def react(
    person: Person, output: str, right: Collection[str], labels: Sequence[str], complaint: str, rng: np.random.Generator
) -> Reaction | None:
    """A user's feedback on an answer; None when they give none."""
    if rng.random() >= person.vote_rate:
        return None
    if perceives(person, output in right, rng):
        return Reaction(1, (), None)
    correction = None
    if labels and rng.random() < person.correct_rate:
        known = person.temper == "fair" and rng.random() < person.reliability
        other = [label for label in labels if label != output]
        correction = next(iter(right)) if known else str(rng.choice(other))
        correction = None if correction == output else correction
    return Reaction(-1, (complaint,), correction)


def judge(person: Person, right: Sequence[str], labels: Sequence[str], rng: np.random.Generator) -> str:
    """The label an expert holds to be right."""
    if rng.random() < person.reliability:
        return right[0]
    return str(rng.choice([label for label in labels if label not in right]))


def judge_passages(
    person: Person, shown: Sequence[str], right: Collection[str], rng: np.random.Generator
) -> list[Literal[-1, 1]]:
    """An expert's verdict on each passage shown. A right one is seen as right; a wrong one seldom passes for right."""
    mistaken = 1 - person.reliability
    believed = rng.random(len(shown)) < [1 - mistaken if each in right else mistaken / 5 for each in shown]
    return [1 if value else -1 for value in believed]


def clicks(shown: Sequence[str], right: Collection[str], rng: np.random.Generator) -> list[bool]:
    """Which of the passages a user clicks: rank k is looked at with chance 1/k, so what stands high is clicked more."""
    looked = rng.random(len(shown)) < 1 / np.arange(1, len(shown) + 1)
    tempted = rng.random(len(shown)) < [CLICK_RIGHT if each in right else CLICK_WRONG for each in shown]
    return [bool(value) for value in looked & tempted]
