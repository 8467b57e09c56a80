"""The built-in reflective loop, for where gepa is not installed: choose from the front, rewrite, keep what helps."""

import numpy as np

from glow_pipelines.learning.prompts.operators.reflection import Reflection
from glow_pipelines.learning.prompts.prompt import Prompt

NAME = "The built-in loop"
IDLE = 20  # rounds in a row that taught nothing; a perfect prompt would loop for ever at no cost


def run(reflection: Reflection, seed: int) -> None:
    """Rewrites prompts of the front until the reflection raises. A rewrite is measured when it did better on its batch.

    The parent is drawn by how many held items nobody does better on, as in the Pareto selection of the GEPA paper
    (arXiv 2507.19457): the best on average alone would soon be the only ancestor.
    """
    rng = np.random.default_rng(seed)
    pool: dict[Prompt, list[float]] = {reflection.incumbent: reflection.measure(reflection.incumbent)}
    tried: set[Prompt] = {reflection.incumbent}
    queue: list[int] = []
    idle = 0
    while idle < IDLE:
        if len(queue) < reflection.batch:
            queue = rng.permutation(len(reflection.feedback)).tolist()
        batch = [reflection.feedback[queue.pop()] for _ in range(reflection.batch)]
        parent = _parent(pool, rng)
        before = sum(reflection.scores(parent, batch))
        child = None if before >= len(batch) else reflection.rewrite(parent, batch)
        idle += 1
        if child is None or child in tried:
            continue
        idle = 0
        tried.add(child)
        if sum(reflection.scores(child, batch)) > before:
            pool[child] = reflection.measure(child)


def _parent(pool: dict[Prompt, list[float]], rng: np.random.Generator) -> Prompt:
    prompts = list(pool)
    best = [max(column) for column in zip(*pool.values(), strict=True)]
    wins = [sum(score >= top for score, top in zip(pool[each], best, strict=True)) for each in prompts]
    weights = np.array([max(won, 0.01) for won in wins])
    return prompts[int(rng.choice(len(prompts), p=weights / weights.sum()))]
