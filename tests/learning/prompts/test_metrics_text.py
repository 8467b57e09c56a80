"""Exact texts and labels: what counts as the same, and what a wrong setting is told."""

from typing import Any

import pytest

from glow_pipelines.learning.prompts.metrics import METRICS, Metric, metric_named


def score(name: str, answer: str, target: str, **settings: Any) -> float:
    metric = metric_named(name, settings)
    assert isinstance(metric, Metric)
    return metric.score(answer, target)


@pytest.mark.parametrize(
    ("metric", "answer", "target", "expected", "settings"),
    [
        ("label", "  TRAVEL \n", "travel", 1.0, {}),
        ("label", "ｔｒａｖｅｌ", "Travel", 1.0, {}),
        ("label", "STRASSE", "straße", 1.0, {}),
        ("label", "office  supplies", "office supplies", 1.0, {}),
        ("label", "travel.", "travel", 0.0, {}),
        ("label", "trip", "travel", 1.0, {"aliases": {"Trip": "travel"}}),
        ("label", "travel", "Trip", 1.0, {"aliases": {"Trip": "travel"}, "labels": ["travel", "meals"]}),
        ("label", "other", "other", 0.0, {"labels": ["travel", "meals"]}),
        ("exact", "Travel", "travel", 1.0, {}),
        ("exact", "Travel", "travel", 0.0, {"case": "keep"}),
        ("exact", " travel\n", "travel", 1.0, {}),
        ("exact", "Travel.", "travel", 0.0, {}),
        ("exact", '"Travel."', "travel", 1.0, {"punctuation": "ends"}),
        ("exact", "5", "-5", 0.0, {"punctuation": "ends"}),
        ("exact", "-5.", "-5", 1.0, {"punctuation": "ends"}),
        ("exact", "5%", "5", 0.0, {"punctuation": "drop"}),
        ("exact", "office-supplies, paper", "office supplies paper", 1.0, {"punctuation": "drop"}),
        ("exact", "1.5", "15", 0.0, {"punctuation": "drop"}),
        ("exact", "-5", "5", 0.0, {"punctuation": "drop"}),
        ("exact", "", "travel", 0.0, {}),
    ],
)
def test_vectors(metric: str, answer: str, target: str, expected: float, settings: dict[str, Any]) -> None:
    assert score(metric, answer, target, **settings) == expected


def test_a_label_outside_the_set_is_invalid() -> None:
    metric = metric_named("label", {"labels": ["travel"], "aliases": {"trip": "travel"}})
    assert isinstance(metric, Metric)
    assert metric.valid is not None
    assert metric.valid("Trip ")
    assert not metric.valid("meals")


@pytest.mark.parametrize(
    ("metric", "settings", "message"),
    [
        ("exact", {"case": "upper"}, r"metric_settings\.case='upper' of metric 'exact': give one of 'fold', 'keep'"),
        ("exact", {"colour": 1}, r"metric_settings\.colour=1 .*takes case, punctuation"),
        ("label", {"labels": ["A", "a "]}, "labels that differ in more than case"),
        ("label", {"labels": ["a", "a"]}, "texts that differ"),
        ("label", {"labels": ["a"], "aliases": {"b": "c"}}, r"aliases\.b='c'.*one of the labels"),
        ("label", {"labels": ["a", "b"], "aliases": {"B": "a"}}, "not itself another label"),
        ("label", {"labels": "a"}, "at most 1000 texts"),
        ("label", [1], "give an object"),
    ],
)
def test_wrong_settings_are_named(metric: str, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric_named(metric, settings)


def test_unknown_metric_names_the_known_ones() -> None:
    assert "label" in METRICS
    with pytest.raises(ValueError, match=r"metric='vibes'.*exact.*label"):
        metric_named("vibes")
