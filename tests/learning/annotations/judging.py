"""Judgements made from a few letters, and labels with a planted truth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from glow_pipelines.learning.annotations import Judgement, Label

BEGAN = datetime(2026, 9, 1, 9, tzinfo=UTC)
WORDS = {"a": "approve", "c": "correct", "r": "reject"}


def judgement(item: str, reviewer: str, verdict: str = "a", *, hours: float = 0.0, **fields: Any) -> Judgement:
    """A judgement some hours after the beginning."""
    at = BEGAN + timedelta(hours=hours)
    return Judgement(item, reviewer, WORDS[verdict], at, **fields)  # type: ignore[arg-type]


def planted(skills: list[float], items: int, seed: int, classes: str = "xyz") -> tuple[list[Label], dict[str, str]]:
    """Labels by people of these skills, and the truth."""
    rng = np.random.default_rng(seed)
    truth = {f"i{i:04}": classes[rng.integers(len(classes))] for i in range(items)}
    labels = []
    for item, right in truth.items():
        for person, skill in enumerate(skills):
            wrong = [c for c in classes if c != right]
            said = right if rng.random() < skill else wrong[rng.integers(len(wrong))]
            labels.append(Label(item, f"p{person}", said))
    return labels, truth
