"""Scores kept for later: what a score is a score of, and the port it is kept behind.

Belongs here: the key, complete, and the value. Neither holds a text: there is nothing to erase in either. Does not
belong here: where they are kept (store/judges), scoring (metrics, judges).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.metrics import Judge, Metric
from glow_pipelines.learning.prompts.prompt import RenderedPrompt


@dataclass(frozen=True)
class ScoreKey:
    """All that decides a score but the models: the messages and decoding parameters sent, the example with its target,
    the answer, and the metric with its version and settings. All hashes, as hexadecimal digits.

    The answer is part of it although a cached request always has the same one: an answer that was erased and asked for
    again may be another.
    """

    request: str
    example: str
    answer: str
    metric: str
    metric_version: int
    settings: str

    @classmethod
    def of(cls, request: RenderedPrompt, example: Example, answer: str, metric: Metric | Judge) -> Self:
        return cls(
            _hash(request.to_json()),
            _hash([example.id, example.input, example.target]),
            _hash(answer),
            metric.id,
            metric.version,
            metric.settings_sha256,
        )

    def sha256(self, *models: str) -> str:
        """One hash of the key and the names of the models, with their decoding parameters, behind the score."""
        parts = [self.request, self.example, self.answer, self.metric, self.metric_version, self.settings]
        return _hash([*parts, *models])


@dataclass(frozen=True)
class Scored:
    """What a metric said of an answer. `parts` are sub-scores by name; `unreadable` replies of a judge make the score
    one that is not kept.
    """

    score: float
    valid: bool
    parts: tuple[tuple[str, float], ...] = ()
    unreadable: int = 0

    @classmethod
    def by(cls, metric: Metric, answer: str, target: str) -> Self:
        valid = bool(answer.strip()) if metric.valid is None else metric.valid(answer)
        parts = tuple(metric.parts(answer, target).items()) if metric.parts else ()
        return cls(metric.score(answer, target), valid, parts)


class ScoreCache(Protocol):
    """Where scores are kept. Errors never reach it."""

    def get_many(self, keys: Sequence[ScoreKey]) -> Mapping[ScoreKey, Scored]: ...
    def put_many(self, scores: Mapping[ScoreKey, Scored]) -> None: ...


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
