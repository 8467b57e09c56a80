"""How one reviewer's judgements differ from the others': stricter or milder, with more or less of the scale.

Belongs here: bias and use of the scale. Does not belong here: who is right (calibration, by known answers).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from scipy.stats import t

from glow_pipelines.learning.annotations.judgements import Judgement
from glow_pipelines.learning.intervals import Interval


@dataclass(frozen=True, slots=True)
class Bias:
    """Mean difference to what the others gave the same items, in units of the measure; `approval` is in 0..1."""

    measure: str
    items: int
    difference: Interval


@dataclass(frozen=True, slots=True)
class ScaleUse:
    """Entropy of what somebody gives, in bits: 0 is always the same, log2 of the number of steps is all of them alike.

    `typical` is the median of all reviewers.
    """

    measure: str
    entropy: float
    typical: float


def _scores(each: Judgement) -> dict[str, float]:
    return {"approval": float(each.verdict == "approve"), **{f"dimension {k}": v for k, v in each.dimensions.items()}}


def biases_of(judgements: Sequence[Judgement], confidence: float) -> dict[str, tuple[Bias, ...]]:
    """The difference to the mean of the others (leave-one-out), with Student's interval over items."""
    given: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for each in judgements:
        for measure, score in _scores(each).items():
            given[each.item, measure].append((each.reviewer, score))
    away: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (_, measure), scores in given.items():
        total, n = sum(score for _, score in scores), len(scores)
        for reviewer, score in scores if n >= 2 else ():
            away[reviewer, measure].append(score - (total - score) / (n - 1))
    found: dict[str, list[Bias]] = defaultdict(list)
    for (reviewer, measure), differences in sorted(away.items()):
        found[reviewer].append(Bias(measure, len(differences), _mean(differences, confidence)))
    return {reviewer: tuple(biases) for reviewer, biases in found.items()}


def _mean(values: Sequence[float], confidence: float) -> Interval:
    """A mean with Student's interval; of one value nothing is known, and the limits are infinite."""
    mean, n = fmean(values), len(values)
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * stdev(values) / math.sqrt(n) if n > 1 else math.inf
    return Interval(mean, mean - half, mean + half, confidence, "student")


def scale_use_of(judgements: Iterable[Judgement]) -> dict[str, tuple[ScaleUse, ...]]:
    """How much of each measure's scale each reviewer uses."""
    given: dict[tuple[str, str], Counter[str | float]] = defaultdict(Counter)
    for each in judgements:
        given["verdict", each.reviewer][each.verdict] += 1
        for name, score in each.dimensions.items():
            given[f"dimension {name}", each.reviewer][score] += 1
    entropy = {key: _entropy(counts) for key, counts in given.items()}
    all_of: dict[str, list[float]] = defaultdict(list)
    for (measure, _), bits in entropy.items():
        all_of[measure].append(bits)
    found: dict[str, list[ScaleUse]] = defaultdict(list)
    for (measure, reviewer), bits in sorted(entropy.items()):
        found[reviewer].append(ScaleUse(measure, bits, median(all_of[measure])))
    return {reviewer: tuple(uses) for reviewer, uses in found.items()}


def _entropy(counts: Counter[str | float]) -> float:
    n = counts.total()
    return sum(count / n * math.log2(n / count) for count in counts.values())
