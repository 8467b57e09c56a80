"""Quality of ranked lists, many questions at once, and whether a difference is more than chance.

Belongs here: nDCG@10, MRR@10 and recall@10 as arrays (checked against the product's and an independent library's in
checking.py), and the paired test. Does not: producing rankings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.types import Vector

K = 10
METRICS = ("nDCG@10", "MRR@10", "recall@10")
_DISCOUNT = 1 / np.log2(np.arange(2, K + 2))


@dataclass(frozen=True)
class Grades:
    """Grades by question over the judged chunks alone, and the column of every chunk; the last column is unjudged.

    A table over all chunks would be 300 MB for 650 questions on 57 000 documents, and nearly all of it zeros.
    """

    table: Vector
    column: NDArray[np.intp]

    def __getitem__(self, questions: Any) -> "Grades":
        return Grades(self.table[questions], self.column)


def grades_of(
    questions: Sequence[str], position: Mapping[str, int], by_id: Mapping[str, Mapping[str, float]]
) -> Grades:
    """Grades of questions, in their order, over chunks of a position; what is not judged counts as not relevant."""
    judged = sorted({position[document] for question in questions for document in by_id[question]})
    column = np.full(len(position), len(judged), dtype=np.intp)
    column[judged] = np.arange(len(judged))
    table = np.zeros((len(questions), len(judged) + 1))
    for row, question in enumerate(questions):
        for document, grade in by_id[question].items():
            table[row, column[position[document]]] = max(grade, 0.0)
    return Grades(table, column)


def quality(top: NDArray[np.intp], grades: Grades) -> Vector:
    """nDCG@10 (linear gain), MRR@10, recall@10; shape (questions, 3). `top`: chunk positions, -1 for none."""
    top = np.pad(top[:, :K], ((0, 0), (0, max(0, K - top.shape[1]))), constant_values=-1)
    gain = np.where(top >= 0, np.take_along_axis(grades.table, grades.column[np.maximum(top, 0)], axis=1), 0.0)
    best = np.sort(grades.table, axis=1)[:, ::-1][:, :K]
    ideal = best @ _DISCOUNT[: best.shape[1]]
    found = gain > 0
    reciprocal = np.where(found.any(axis=1), 1 / (found.argmax(axis=1) + 1), 0.0)
    return np.stack([gain @ _DISCOUNT / ideal, reciprocal, found.sum(axis=1) / (grades.table > 0).sum(axis=1)], axis=1)


def best_of(scores: Vector, k: int = K) -> NDArray[np.intp]:
    """Positions of the best `k` by row, ties to the smaller position; -1 where nothing scored above -inf."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores, order, axis=1)), order, -1)


def p_of(differences: Vector, seed: int = 0, resamples: int = 10_000) -> float:
    """Two-sided p of the mean paired difference by random signs (Smucker et al. 2007)."""
    moved = differences[differences != 0]
    if not moved.size:
        return 1.0
    signs = np.random.default_rng(seed).integers(0, 2, size=(resamples, moved.size), dtype=np.int8) * 2 - 1
    as_extreme = np.abs(signs @ moved) >= abs(moved.sum()) - 1e-12
    return float((1 + as_extreme.sum()) / (1 + resamples))


def against(candidate: Vector, base: Vector, seed: int = 0) -> dict[str, Any]:
    """Relative gain of the means in percent, with p."""
    return {
        "gain %": round(100 * float(candidate.mean() / base.mean() - 1), 2),
        "p": round(p_of(candidate - base, seed), 4),
    }
