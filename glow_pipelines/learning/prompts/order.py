"""Orders: seeded ones over examples, the same whatever order they were handed in, and turns among candidates.

Nothing here looks at an answer.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from glow_pipelines.learning.prompts.evidence import Candidate, Example


def shuffled(examples: Iterable[Example], rng: np.random.Generator) -> list[Example]:
    """A seeded random order."""
    known = sorted(examples, key=lambda example: example.id)
    return [known[index] for index in rng.permutation(len(known))]


def stratified(examples: Iterable[Example], rng: np.random.Generator) -> list[Example]:
    """A random order in which every prefix holds the targets in about their overall proportions.

    Each example gets its quantile within its target; sorting by quantile interleaves the targets.
    """
    by_target: dict[str, list[Example]] = {}
    for example in shuffled(examples, rng):
        by_target.setdefault(example.target, []).append(example)
    placed = [
        ((rank + rng.random()) / len(members), example)
        for _, members in sorted(by_target.items())
        for rank, example in enumerate(members)
    ]
    return [example for _, example in sorted(placed, key=lambda place: (place[0], place[1].id))]


def by_turns(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of every operator, then the second: where there is no room for all, no operator takes all of it."""
    groups: dict[str, list[Candidate]] = {}
    for each in candidates:
        groups.setdefault(each.operator, []).append(each)
    return [each for turn in zip_longest(*groups.values()) for each in turn if each is not None]
