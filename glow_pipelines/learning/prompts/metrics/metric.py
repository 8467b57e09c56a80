"""What a metric is: an id, a version, its settings, and how an answer becomes a number.

Belongs here: the value every metric is made into. Does not belong here: the metrics themselves, and judges, which ask a
model (prompts/judges).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Score = Callable[[str, str], float]


@dataclass(frozen=True)
class Metric:
    """`score(answer, target)` in 0..1; an answer is right from `right_at` on. Pure: the same answer, the same score.

    `graded` metrics take values between 0 and 1 that mean something. `valid(answer)` says whether the answer has the
    form the metric needs (None: any text that is not empty). `parts(answer, target)` are its sub-scores by name.
    `may_gate` is False for what may rank prompts and never decide alone. `prepare(texts)` lets a metric that needs
    something of every text get it for many at once.
    """

    id: str
    version: int
    score: Score
    right_at: float = 1.0
    graded: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    valid: Callable[[str], bool] | None = None
    parts: Callable[[str, str], Mapping[str, float]] | None = None
    may_gate: bool = True
    prepare: Callable[[Sequence[str]], None] | None = None

    @property
    def settings_sha256(self) -> str:
        """Of the settings as given: what stored scores name beside id and version."""
        return settings_sha256(self.settings)


def settings_sha256(settings: Mapping[str, Any]) -> str:
    """The hash of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
