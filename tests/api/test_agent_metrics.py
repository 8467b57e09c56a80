"""An agent's metric and its settings: refused by name in the database, and by the same names in Python."""

import re
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from glow_pipelines.learning.prompts.metrics import METRICS, metric_named
from tests.api.calling import call

GOOD: dict[str, dict[str, Any]] = {
    "exact": {"case": "keep", "punctuation": "ends"},
    "label": {"labels": ["a", "b"], "aliases": {"c": "a"}},
    "numeric": {"tolerance": 0.01, "decimals": 2, "convention": "comma", "percent": "strict", "take": "last"},
    "json_fields": {"fields": {"a.b": {"weight": 2, "type": "number"}}, "extra": "wrong", "right_at": 0.9},
    "contains": {"all": ["x"], "any": [], "none": ["y"], "words": False, "target": True},
    "regex": {"pattern": "^a+$", "match": "full", "ignore_case": True, "negate": False},
    "embedding": {"threshold": 0.7},
    "rubric_judge": {"items": [{"id": "a", "criterion": "b"}], "right_at": 0.5, "task": "c"},
    "pairwise_judge": {"criterion": "c", "right_at": 1},
}


def register(connection: psycopg.Connection, metric: Any, settings: Any = None) -> Any:
    evaluation = {"metric": metric} | ({} if settings is None else {"metric_settings": settings})
    return call(connection, "register_agent", agent="measured", evaluation=Jsonb(evaluation))


@pytest.mark.parametrize("metric", sorted(GOOD))
def test_good_settings_are_taken_by_both(connection: psycopg.Connection, metric: str) -> None:
    register(connection, metric, GOOD[metric])
    row = connection.execute("select metric, metric_settings from glow.agents where agent = 'measured'").fetchone()
    assert row == (metric, GOOD[metric])
    if metric != "embedding":
        assert metric_named(metric, GOOD[metric]).settings == GOOD[metric]


def test_without_settings_there_is_an_empty_object(connection: psycopg.Connection) -> None:
    for number, evaluation in enumerate(({"metric": "label"}, {"metric": "label", "metric_settings": None}, {})):
        call(connection, "register_agent", agent=f"a{number}", evaluation=Jsonb(evaluation))
    rows = connection.execute("select distinct metric_settings from glow.agents").fetchall()
    assert rows == [({},)]


@pytest.mark.parametrize(
    ("metric", "settings", "field"),
    [
        ("vibes", None, "evaluation.metric"),
        (None, {"case": "keep"}, "evaluation.metric_settings"),
        ("exact", [1], "evaluation.metric_settings"),
        ("exact", {"colour": 1}, "evaluation.metric_settings.colour"),
        ("exact", {"case": "upper"}, "evaluation.metric_settings.case"),
        ("exact", {"case": None}, "evaluation.metric_settings.case"),
        ("label", {"labels": "a"}, "evaluation.metric_settings.labels"),
        ("label", {"labels": ["a", 1]}, "evaluation.metric_settings.labels"),
        ("label", {"aliases": ["a"]}, "evaluation.metric_settings.aliases"),
        ("numeric", {"tolerance": 2}, "evaluation.metric_settings.tolerance"),
        ("numeric", {"tolerance": "0.1"}, "evaluation.metric_settings.tolerance"),
        ("numeric", {"decimals": 1.5}, "evaluation.metric_settings.decimals"),
        ("numeric", {"decimals": "all"}, "evaluation.metric_settings.decimals"),
        ("json_fields", {"fenced": 1}, "evaluation.metric_settings.fenced"),
        ("regex", {}, "evaluation.metric_settings.pattern"),
        ("regex", {"pattern": "a" * 501}, "evaluation.metric_settings.pattern"),
        ("rubric_judge", None, "evaluation.metric_settings.items"),
        ("rubric_judge", {"items": ["a"]}, "evaluation.metric_settings.items"),
        ("rubric_judge", {"items": [{"id": "a", "criterion": "b"}] * 21}, "evaluation.metric_settings.items"),
        ("pairwise_judge", {"right_at": 0.2}, "evaluation.metric_settings.right_at"),
    ],
)
def test_wrong_ones_are_refused_by_name(connection: psycopg.Connection, metric: Any, settings: Any, field: str) -> None:
    with pytest.raises(psycopg.errors.DatabaseError) as refused:
        register(connection, metric, settings)
    assert refused.value.sqlstate == "PT422"
    assert str(refused.value).startswith(f"{field}: ")
    if metric in METRICS and metric != "embedding":
        with pytest.raises(ValueError, match="metric_settings"):
            metric_named(metric, settings)


def test_the_database_and_python_know_the_same_names(connection: psycopg.Connection) -> None:
    rows = connection.execute("select metric, field from glow_api.metric_fields()").fetchall()
    assert {metric for metric, _ in rows} == set(METRICS) == set(GOOD)
    for metric in METRICS:
        good = {key: value for key, value in GOOD[metric].items() if key in ("pattern", "items")}
        with pytest.raises(ValueError, match="another field") as wrong:
            metric_named(metric, {**good, "colour": 1})
        named = re.search(r"takes (.*)$", str(wrong.value))
        assert named is not None
        assert sorted(named.group(1).split(", ")) == sorted(field for name, field in rows if name == metric), metric
