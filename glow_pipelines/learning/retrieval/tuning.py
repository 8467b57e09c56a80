"""Choosing the weights of the score from the train log alone.

Belongs here: cross-validation over train queries and the choice on its result. Does not belong here: held-out
judgements, which only the gate may see.

Each fold's questions are ranked with a memory built from the other folds only, on condensed lists: what was never shown
is unknown, not wrong. The grade is the posterior's excess over the base rate; with hard labels a log of 150 questions
left 15 to tune on, with the excess 65. The choice is the mean of the grid, weighted by a weak prior and by how well
each point did: taking the best point instead lost up to 2.6 % on rewordings where the mean never fell below +2 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval.feedback import Posterior
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.types import MemoryRow, RetrievalEvent, RetrievalParameters, Vector

Learn = Callable[[Sequence[RetrievalEvent]], tuple[Posterior, Sequence[MemoryRow]]]


@dataclass(frozen=True)
class TuningGrid:
    """Values tried (the dense weight stays 1: only ratios matter), and where the prior sits until a log says more."""

    lexical_weight: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    memory_weight: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    shift: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5)
    prior_weight: tuple[float, ...] = (0.0, 0.2)
    usual_memory: float = 2.0
    usual_shift: float = 0.1
    folds: int = 3
    min_queries: int = 20

    @property
    def points(self) -> list[tuple[float, float, float, float]]:
        """All (shift, lexical, memory, prior) combinations, by shift first."""
        return list(product(self.shift, self.lexical_weight, self.memory_weight, self.prior_weight))


@dataclass(frozen=True)
class Tuning:
    """``untuned``, ``expected``: cross-validated condensed nDCG@10 of the start and of the weighted grid."""

    parameters: RetrievalParameters
    queries: int
    untuned: float | None
    expected: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def tune(
    index: RetrievalIndex,
    events: Sequence[RetrievalEvent],
    group_of: Mapping[str, str],
    learn: Learn,
    rng: np.random.Generator,
    grid: TuningGrid,
) -> Tuning:
    """Weights for ``index`` (its parameters are where the search starts) from train events with query embeddings.

    ``learn`` builds posterior and memory from any part of the log. With fewer than ``min_queries`` telling groups the
    usual weights stand untuned.
    """
    start = replace(index.parameters, dense_weight=1.0, lexical_weight=_ratio(index.parameters, grid))
    scores = _cross_validate(index, events, group_of, learn, rng, grid)
    points = np.array(grid.points)
    usual = (start.memory_weight or grid.usual_memory, start.shift or grid.usual_shift)
    if len(scores) < grid.min_queries:
        chosen = replace(start, memory_weight=usual[0], shift=usual[1])
        reason = f"usual weights: {len(scores)} query groups tell rankings apart, tuning needs {grid.min_queries}"
        return Tuning(chosen, len(scores), None, None, reason)
    mean = scores.mean(axis=0)
    best = int(mean.argmax())
    noise = max(float(((scores - scores[:, [best]]).std(axis=0) / np.sqrt(len(scores))).mean()), 1e-9)
    lexical = np.log2(points[:, 1])
    away = (lexical - np.log2(start.lexical_weight)) ** 2
    away += (np.log2(points[:, 2] + 0.25) - np.log2(usual[0] + 0.25)) ** 2 + ((points[:, 0] - usual[1]) / 0.25) ** 2
    weight = np.exp((mean - mean[best]) / (noise / 2) - away / 2)
    weight /= weight.sum()
    chosen = replace(
        start,
        lexical_weight=round(float(2 ** (weight @ lexical)), 3),
        memory_weight=round(float(weight @ points[:, 2]), 3),
        shift=round(float(weight @ points[:, 0]), 3),
        prior_weight=round(float(weight @ points[:, 3]), 3),
    )
    untuned = int(np.abs(points - [0.0, start.lexical_weight, 0.0, 0.0]).sum(axis=1).argmin())
    reason = f"cross-validated on {len(scores)} query groups of the train log"
    return Tuning(chosen, len(scores), float(mean[untuned]), float(weight @ mean), reason)


def _ratio(parameters: RetrievalParameters, grid: TuningGrid) -> float:
    """Lexical over dense weight, within the grid's ends even where one leg is off."""
    low, high = min(grid.lexical_weight), max(grid.lexical_weight)
    dense, lexical = parameters.dense_weight, parameters.lexical_weight
    return high if dense == 0 else min(max(lexical / dense, low), high)


def _cross_validate(
    index: RetrievalIndex,
    events: Sequence[RetrievalEvent],
    group_of: Mapping[str, str],
    learn: Learn,
    rng: np.random.Generator,
    grid: TuningGrid,
) -> Vector:
    """Condensed nDCG@10 of every grid point for every telling held-out group, shape (groups, points)."""
    groups = sorted({group_of[event.query] for event in events})
    fold = dict(zip(groups, rng.permutation(len(groups)) % grid.folds, strict=True))
    found: list[Vector] = []
    for number in range(grid.folds):
        mine = [event for event in events if fold[group_of[event.query]] == number]
        others = [event for event in events if fold[group_of[event.query]] != number]
        if not mine or not others:
            continue
        posterior, memory = learn(others)
        grades = _grades(learn(mine)[0])
        asked = {group_of[event.query]: event for event in reversed(mine)}
        by_shift = []
        for shift in grid.shift:
            parameters = replace(index.parameters, shift=shift, base_attractiveness=posterior.base_attractiveness)
            twin = index.reconfigured(parameters, memory)
            by_shift.append([_scores(twin, event, grades[g], grid) for g, event in asked.items() if g in grades])
        found.extend(np.concatenate(rows) for rows in zip(*by_shift, strict=True))
    return np.array(found).reshape(len(found), len(grid.points))


def _grades(posterior: Posterior) -> dict[str, dict[str, float]]:
    """Excess attractiveness by group and chunk, of the groups in which some chunks are better than others."""
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in posterior.cells:
        grades[cell.group][cell.chunk_id] = max(0.0, cell.attractiveness - posterior.base_attractiveness)
    return {group: by_chunk for group, by_chunk in grades.items() if len(set(by_chunk.values())) > 1}


def _scores(index: RetrievalIndex, event: RetrievalEvent, grades: Mapping[str, float], grid: TuningGrid) -> Vector:
    """Condensed nDCG@10 of one question for all points of one shift."""
    terms = index.components(event.query, event.query_embedding)
    judged = sorted(index.position[chunk_id] for chunk_id in grades if chunk_id in index.position)
    if not judged:
        return np.zeros(len(grid.points) // len(grid.shift))
    gain = np.array([grades[index.chunks[i].id] for i in judged])
    weights = np.array([(1.0, *point) for point in product(grid.lexical_weight, grid.memory_weight, grid.prior_weight)])
    total = weights @ np.array([leg[judged] for leg in (terms.dense, terms.lexical, terms.memory, terms.prior)])
    order = np.argsort(-total, axis=1, kind="stable")[:, :10]
    discount = 1 / np.log2(np.arange(2, order.shape[1] + 2))
    ideal = float(np.sort(gain)[::-1][: len(discount)] @ discount)
    result: Vector = gain[order] @ discount / ideal if ideal > 0 else np.zeros(len(weights))
    return result
