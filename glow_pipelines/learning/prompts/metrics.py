"""Metrics: how an answer is scored against its target, 0..1.

Belongs here: pure scoring functions with an id and a version; changing what one returns bumps its version, because
stored scores name it. Does not belong here: judges that call a model, and statistics over scores.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """`score(answer, target)` in 0..1; 1.0 is right."""

    id: str
    version: int
    score: Callable[[str, str], float]


def normalize(text: str) -> str:
    """NFKC and casefold, runs of white space as one blank, none at the ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def label(answer: str, target: str) -> float:
    """1.0 when both are the same label apart from case, Unicode form and white space."""
    return float(normalize(answer) == normalize(target))


def exact(answer: str, target: str) -> float:
    """1.0 when both are the same text apart from Unicode compatibility form and white space at the ends."""
    return float(unicodedata.normalize("NFKC", answer).strip() == unicodedata.normalize("NFKC", target).strip())


METRICS: Mapping[str, Metric] = {metric.id: metric for metric in (Metric("label", 1, label), Metric("exact", 1, exact))}


def metric_named(name: str) -> Metric:
    """The registered metric. Raises ValueError naming the accepted ids."""
    if name not in METRICS:
        raise ValueError(f"metric={name!r} is not known; use one of {sorted(METRICS)}")
    return METRICS[name]
