"""A linear map on questions, learned so that their vectors fall nearer to what answered them. Chunks stay as they are.

Belongs here: fitting the map from labelled questions. Does not belong here: whether it pays (``tuning``), applying it
(``asking``). Two ways, by the number of labelled questions:
    ridge        W = I + (C − Q)ᵀ Q (QᵀQ + λI)⁻¹,   rows of C: the mean direction of a question's positives
    contrastive  InfoNCE with temperature .05, Adam at 1e-3, L2 toward the identity; from 900 labelled questions on:
                 +12 % on a collection with as many, nothing with 180 to 800.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.types import Vector, unit

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Questions, shape (questions, dimensions), and the positions of each one's positive chunks in ``chunks``."""

    questions: Vector
    positives: tuple[Positions, ...]
    chunks: Vector

    def taking(self, keep: Sequence[int]) -> Labelled:
        return Labelled(self.questions[list(keep)], tuple(self.positives[i] for i in keep), self.chunks)


@dataclass(frozen=True)
class ContrastiveSettings:
    temperature: float = 0.05
    rate: float = 1e-3
    pull: float = 1e-2
    epochs: int = 12
    batch: int = 64
    hard: int = 5
    hard_from: int = 10
    hard_to: int = 50
    held_out: float = 0.1
    most: int = 1500  # questions: a fit takes seconds with these, and minutes with ten thousand


def ridge(labelled: Labelled, penalty: float) -> Vector:
    """The closed form; the larger ``penalty``, the nearer to the identity. Shape (dimensions, dimensions)."""
    asked = labelled.questions
    answered = unit(np.array([labelled.chunks[at].mean(axis=0) for at in labelled.positives]))
    width = asked.shape[1]
    gram = asked.T @ asked + penalty * np.eye(width)
    found: Vector = np.eye(width) + np.linalg.solve(gram, asked.T @ (answered - asked)).T
    return found


def contrastive(labelled: Labelled, rng: np.random.Generator, settings: ContrastiveSettings | None = None) -> Vector:
    """Stopped early on held-out questions, and the identity where none of its epochs did better than that."""
    settings = settings or ContrastiveSettings()
    order = rng.permutation(len(labelled.positives))[: settings.most]
    labelled = labelled.taking(order.tolist())
    own, hard = _padded(labelled.positives), _hard(labelled, settings)
    watched = np.arange(max(1, int(len(order) * settings.held_out)))
    taught = np.arange(len(watched), len(order))
    width = labelled.questions.shape[1]
    matrix = np.eye(width)
    best, least = matrix, _loss(matrix, labelled, watched, own, hard, np.random.default_rng(0), settings)[0]
    first, second, step = np.zeros_like(matrix), np.zeros_like(matrix), 0
    for _ in range(settings.epochs):
        taught = rng.permutation(taught)
        for start in range(0, len(taught), settings.batch):
            _, gradient = _loss(matrix, labelled, taught[start : start + settings.batch], own, hard, rng, settings)
            gradient = gradient + settings.pull * (matrix - np.eye(width))
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            matrix = matrix - settings.rate * move
        loss = _loss(matrix, labelled, watched, own, hard, np.random.default_rng(0), settings)[0]
        if loss < least:
            best, least = matrix, loss
    return best


def _padded(positives: Sequence[Positions]) -> Positions:
    """One row per question, its positives over and over."""
    width = max(len(each) for each in positives)
    return np.array([np.resize(each, width) for each in positives])


def _hard(labelled: Labelled, settings: ContrastiveSettings) -> Positions:
    """Per question, chunks of the middle ranks that are not among its positives."""
    to = min(settings.hard_to + 1, len(labelled.chunks))
    scores = labelled.questions @ labelled.chunks.T
    for row, positive in enumerate(labelled.positives):
        scores[row, positive] = -np.inf
    best = np.argpartition(-scores, to - 1, axis=1)[:, :to]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)[:, min(settings.hard_from, to - 1) :]


def _loss(
    matrix: Vector,
    labelled: Labelled,
    chosen: Positions,
    own: Positions,
    hard: Positions,
    rng: np.random.Generator,
    settings: ContrastiveSettings,
) -> tuple[float, Vector]:
    """Mean InfoNCE of a batch, and its gradient; a positive of another question is no negative if it answers this."""
    asked = labelled.questions[chosen]
    mine = own[chosen]
    target = np.take_along_axis(mine, rng.integers(0, mine.shape[1], (len(chosen), 1)), axis=1)[:, 0]
    others = np.take_along_axis(hard[chosen], rng.integers(0, hard.shape[1], (len(chosen), settings.hard)), axis=1)
    columns = np.concatenate([target, others.ravel()])
    known = (columns[None, :, None] == mine[:, None, :]).any(axis=2)
    known[np.arange(len(chosen)), np.arange(len(chosen))] = False
    turned = asked @ matrix.T
    length = np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    direction = turned / length
    scores = np.where(known, -np.inf, direction @ labelled.chunks[columns].T / settings.temperature)
    scores = scores - scores.max(axis=1, keepdims=True)
    share = np.exp(scores)
    share /= share.sum(axis=1, keepdims=True)
    at = np.arange(len(chosen))
    loss = float(-np.log(np.maximum(share[at, at], 1e-300)).mean())
    share[at, at] -= 1
    pull = share @ labelled.chunks[columns] / settings.temperature
    pull = (pull - direction * (pull * direction).sum(axis=1, keepdims=True)) / length
    gradient: Vector = pull.T @ asked / len(chosen)
    return loss, gradient
