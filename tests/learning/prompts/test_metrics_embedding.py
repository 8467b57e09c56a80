"""Nearness: the cosine, and a threshold that experts' judgements choose."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.metrics import Metric, metric_named
from glow_pipelines.learning.prompts.metrics.embedding import fit_threshold

VECTORS = {"a": [1, 0], "near a": [0.8, 0.6], "not a": [-1, 0], "nothing": [0, 0]}


class Counting:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def test_a_near_answer_is_right_from_the_threshold_on() -> None:
    embed = Counting()
    metric = metric_named("embedding", {"threshold": 0.7}, embed)
    assert isinstance(metric, Metric)
    assert (metric.right_at, metric.graded, metric.may_gate) == (0.7, True, False)
    assert metric.prepare is not None
    metric.prepare(["a", "near a", "a"])
    assert metric.score("near a", "a") == pytest.approx(0.8)
    assert metric.score("not a", "a") == 0.0
    assert metric.score("nothing", "a") == 0.0
    assert metric.score("", "a") == 0.0
    assert embed.asked == ["a", "near a", "not a", "nothing"]


def test_it_needs_vectors_and_a_threshold() -> None:
    with pytest.raises(ValueError, match="needs vectors"):
        metric_named("embedding")
    with pytest.raises(ValueError, match=r"threshold=2 .*0 to 1"):
        metric_named("embedding", {"threshold": 2}, Counting())


def test_the_threshold_lies_where_experts_part_and_is_judged_on_the_other_half() -> None:
    rng = np.random.default_rng(1)
    good = np.arange(200) < 120
    cosines = np.where(good, rng.normal(0.85, 0.05, 200), rng.normal(0.6, 0.05, 200))
    found = fit_threshold(cosines.tolist(), good.tolist(), rng)
    assert 0.65 < found.value < 0.8
    assert found.kappa.kappa is not None
    assert found.kappa.kappa > 0.9
    noise = fit_threshold(rng.random(200).tolist(), good.tolist(), rng)
    assert noise.kappa.kappa is not None
    assert noise.kappa.kappa < 0.2  # on the half it was fitted to it would look better than chance


def test_too_little_to_fit_is_said() -> None:
    with pytest.raises(ValueError, match="a threshold needs 20, with 4 of each kind"):
        fit_threshold([0.5] * 30, [True] * 30, np.random.default_rng(1))
