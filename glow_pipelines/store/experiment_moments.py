"""Rows of experiment_statistics.sql as moments, and an analysis of variance from its sums.

Belongs here: arithmetic on rows that were read. Does not: reading them (experiment_statistics.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from glow_pipelines.learning.experiments.estimates import CrossedMoments
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.store.noun import Row


def assemble(n: int, names: Sequence[str], at: Mapping[str, float], row: Row) -> Moments:
    """Moments from the states of pairs `a_b` (n, Σb, Sbb, Σa, Saa, Sab); `at`: what was taken off before."""
    k = len(names)
    mean, products = [0.0] * k, [[0.0] * k for _ in range(k)]
    for i, a in enumerate(names):
        for j in range(i + 1, k):
            _, sum_b, bb, sum_a, aa, ab = row[f"{a}_{names[j]}"]
            mean[i], mean[j] = at.get(a, 0.0) + sum_a / n, at.get(names[j], 0.0) + sum_b / n
            products[i][i], products[j][j] = aa, bb
            products[i][j] = products[j][i] = ab
    return Moments(n, tuple(names), tuple(mean), tuple(tuple(line) for line in products))


def arm_moments(row: Row | None, metric: str) -> Moments:
    if row is None:
        return Moments.none(("s", "n"))
    return assemble(row["n"], ("s", "n"), {"s": row.get(f"{metric}_from", 0.0)}, {"s_n": row[metric]})


def cuped_moments(row: Row | None) -> Moments:
    names = ("s", "n", "xs", "xn")
    return Moments.none(names) if row is None else assemble(row["n"], names, {"s": row["at"]}, row)


def crossed_moments(row: Row | None, cuped: bool) -> CrossedMoments:
    names = ("sc", "nc", "st", "nt", *(("xc", "xt") if cuped else ()))
    if row is None:
        return CrossedMoments(Moments.none(names), 0, 0)
    moments = assemble(row["n"], names, {"sc": row["at"], "st": row["at"]}, row)
    return CrossedMoments(moments, row["control_clusters"], row["treatment_clusters"])


def mean_squares(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Between and within people, and the mean number of values of one: one-way analysis of variance."""
    people, values = row["raters"], row["values"]
    if people < 2 or values <= people:
        return 0.0, 0.0, 1.0
    size = (values - row["squared_counts"] / values) / (people - 1)
    return row["between_people"] / (people - 1), row["within_people"] / (values - people), size


def intra_class_correlation(row: Mapping[str, Any]) -> float:
    """How alike two values of one person are. 1 where nobody has two: repeats then count for nothing."""
    if row["raters"] < 2 or row["values"] <= row["raters"]:
        return 1.0
    between, within, size = mean_squares(row)
    whole = between + (size - 1) * within
    return min(1.0, max(0.0, (between - within) / whole)) if whole > 0 else 0.0
