"""In which order experts should look at items: by what an answer is expected to teach.

Belongs here: the score of an item, and what it loses to items like it. Does not belong here: which items there are
(store), who gets them (glow_api.claim_annotation).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ENTROPY, DISAGREEMENT, IMPACT, AGE = 0.4, 0.3, 0.2, 0.1
REDUNDANCY = 0.5
_USER_WEIGHT = 0.5  # a user's word, or a judge's, against an expert's: the same as in the quality of an example
_MANY = 1000.0
_WEEK = 7.0
_UNRELATED = 0.5
_WIDTH, _LETTERS = 512, 4


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of open items, a place for each. `denials`: experts who corrected or rejected. `days`: waiting."""

    votes_up: Floats
    votes_down: Floats
    judge_up: Floats
    judge_down: Floats
    approvals: Floats
    denials: Floats
    occurrences: Floats
    days: Floats


def expected_value(signals: Signals) -> Floats:
    """0.4 entropy of the consensus + 0.3 disagreement + 0.2 impact + 0.1 age, each in [0, 1].

    Entropy: in bits, of the posterior mean that the output is right (uniform prior, an expert counts 1, a user or judge
    1/2). Disagreement: the share of pairs of voices that disagree. Impact: how often the input occurs, on a logarithmic
    scale that is full at 1000. Age: 1 - exp(-days / 7). The weights are those of the specification of the queue.
    """
    ups = signals.approvals + _USER_WEIGHT * (signals.votes_up + signals.judge_up)
    downs = signals.denials + _USER_WEIGHT * (signals.votes_down + signals.judge_down)
    right = (1 + ups) / (2 + ups + downs)
    entropy = -(right * np.log2(right) + (1 - right) * np.log2(1 - right))
    up = signals.approvals + signals.votes_up + signals.judge_up
    down = signals.denials + signals.votes_down + signals.judge_down
    voices = up + down
    pairs = np.maximum(voices * (voices - 1) / 2, 1)
    impact = np.minimum(np.log1p(signals.occurrences) / np.log1p(_MANY), 1.0)
    age = 1 - np.exp(-np.maximum(signals.days, 0) / _WEEK)
    score: Floats = ENTROPY * entropy + DISAGREEMENT * up * down / pairs + IMPACT * impact + AGE * age
    return score


def letter_vectors(texts: Sequence[str]) -> Floats:
    """texts x 512: counts of hashed runs of four bytes, damped by log, of length 1. Empty texts are zero.

    Enough to see that two inputs are nearly the same, without a model.
    """
    vectors = np.zeros((len(texts), _WIDTH))
    weights = np.array([1, 31, 961, 29791], dtype=np.uint64)
    for row, text in enumerate(texts):
        raw = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8).astype(np.uint64)
        if len(raw) >= _LETTERS:
            runs = np.lib.stride_tricks.sliding_window_view(raw, _LETTERS) @ weights
            places = (runs * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(55)
            vectors[row] = np.log1p(np.bincount(places.astype(np.int64), minlength=_WIDTH))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def less_redundant(scores: Floats, vectors: Floats) -> Floats:
    """Each score less what the item repeats of those queued before it; greedy, the best one first.

    `vectors`: items x any width, each of length 1 (or zero: like nothing). The penalty is 1/2 at a cosine of 1 and
    nothing up to 0.5, where unrelated texts of one language lie. Work and memory go with the square of the items: give
    the few thousand best.
    """
    if vectors.shape[0] != scores.shape[0]:
        raise ValueError(f"vectors: {vectors.shape[0]} rows, but {scores.shape[0]} scores; give one for each")
    alike = vectors @ vectors.T
    nearest, left, result = np.zeros(len(scores)), np.ones(len(scores), dtype=bool), np.empty(len(scores))
    for _ in range(len(scores)):
        penalty = REDUNDANCY * np.maximum(nearest - _UNRELATED, 0) / (1 - _UNRELATED)
        worth = np.where(left, scores - penalty, -np.inf)
        best = int(np.argmax(worth))
        result[best], left[best] = worth[best], False
        nearest = np.maximum(nearest, alike[best])
    return result
