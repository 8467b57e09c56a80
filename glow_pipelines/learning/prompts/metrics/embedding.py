"""`embedding`: how near an answer is to its target in meaning, as an embedding model sees it.

Belongs here: the cosine, and fitting the threshold from which a near answer is a right one. It may rank, and never
passes a gate: two texts with opposite meanings are often near. Does not belong here: making vectors (injected).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.annotations.kappa import KappaEstimate, bootstrap_cohen
from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.settings import Settings

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> one row each."""


def embedding(settings: Mapping[str, Any] | None = None, embed: Embed | None = None) -> Metric:
    """The cosine of answer and target, negative ones as 0.0; right from `threshold` on (0.8 unless it was fitted).

    Raises ValueError without `embed`.
    """
    read = Settings("embedding", settings)
    threshold = read.number("threshold", 0, 1, 0.8)
    given = read.finish()
    if embed is None:
        raise ValueError("metric 'embedding' needs vectors: give metric_named the function that makes them")
    known: dict[str, NDArray[np.float64]] = {}

    def prepare(texts: Sequence[str]) -> None:
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known.update(zip(missing, np.asarray(embed(missing), dtype=np.float64), strict=True))

    def score(answer: str, target: str) -> float:
        if not answer.strip() or not target.strip():
            return float(not answer.strip() and not target.strip())
        prepare([answer, target])
        return cosine(known[answer], known[target])

    return Metric(
        "embedding",
        1,
        score,
        right_at=threshold,
        graded=True,
        settings=given,
        may_gate=False,
        prepare=prepare,
    )


def cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """0..1; 0.0 when a vector is zero."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return min(1.0, max(0.0, float(one @ other) / length)) if length > 0 else 0.0


@dataclass(frozen=True)
class Threshold:
    """From which cosine on an answer is called right, and how far that agrees with experts it was not fitted on.

    `kappa` is of half of the items, on the threshold fitted to the other half, and the other way round.
    """

    value: float
    kappa: KappaEstimate
    n: int


def fit_threshold(cosines: Sequence[float], good: Sequence[bool], rng: np.random.Generator) -> Threshold:
    """The threshold with the most of sensitivity + specificity on annotated answers (Youden 1950).

    Raises ValueError below 20 answers, or when all are good or all are bad: there is nothing to fit then.
    """
    if len(cosines) != len(good):
        raise ValueError(f"{len(cosines)} cosines for {len(good)} judgements")
    truth = np.asarray(good, dtype=bool)
    if len(truth) < 20 or min(truth.sum(), (~truth).sum()) < 4:
        raise ValueError(f"{int(truth.sum())} good of {len(truth)} answers; a threshold needs 20, with 4 of each kind")
    values = np.asarray(cosines, dtype=np.float64)
    half = np.zeros(len(truth), dtype=bool)
    for kind in (True, False):  # both halves hold both kinds
        members = np.flatnonzero(truth == kind)
        half[rng.permutation(members)[: len(members) // 2]] = True
    said = np.empty(len(truth), dtype=bool)
    for part in (half, ~half):
        said[part] = values[part] >= _best(values[~part], truth[~part])
    kappa = bootstrap_cohen(truth.astype(float).tolist(), said.astype(float).tolist(), rng=rng)
    return Threshold(_best(values, truth), kappa, len(truth))


def _best(values: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The middle between two neighbours: a threshold on a value would hang on rounding."""
    ordered = np.unique(values)
    cuts = np.concatenate([[max(0.0, ordered[0])], (ordered[1:] + ordered[:-1]) / 2])
    above = values[None, :] >= cuts[:, None]
    youden = above[:, truth].mean(axis=1) - above[:, ~truth].mean(axis=1)
    return float(cuts[int(np.argmax(youden))])
