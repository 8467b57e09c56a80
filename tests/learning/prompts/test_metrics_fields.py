"""Answers in JSON: which fields are right, whatever the order of arrays and the way values are written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.metrics import Metric, metric_named
from glow_pipelines.learning.prompts.metrics.coerce import Kind, equal


def fields(settings: dict[str, Any] | None = None) -> Metric:
    metric = metric_named("json_fields", settings)
    assert isinstance(metric, Metric)
    return metric


INVOICE = {"total": 100.0, "vendor": "Acme", "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}


@pytest.mark.parametrize(
    ("answer", "settings", "score"),
    [
        (INVOICE, {}, 1.0),
        ({**INVOICE, "total": "100.00 EUR", "vendor": " ACME"}, {}, 1.0),
        ({**INVOICE, "total": 101}, {}, 2 / 3),
        ({**INVOICE, "total": 101}, {"fields": {"total": {"weight": 3}, "vendor": {}}}, 0.25),
        ({**INVOICE, "lines": INVOICE["lines"][::-1]}, {"fields": {"lines": {"key": "sku"}}}, 1.0),  # type: ignore[index]
        ({**INVOICE, "lines": [{"sku": "b", "n": 2}]}, {"fields": {"lines": {"key": "sku"}}}, 0.5),
        (
            {**INVOICE, "lines": [{"sku": "a", "n": 9}, {"sku": "b", "n": 2}]},
            {"fields": {"lines": {"key": "sku"}}},
            0.5,
        ),
        ({**INVOICE, "lines": [{"sku": "a", "n": 1}] * 2}, {"fields": {"lines": {"key": "sku"}}}, 0.0),
        ({**INVOICE, "lines": [{"sku": "b", "n": 2}]}, {"fields": {"lines": {}}}, 0.5),
        ({**INVOICE, "more": 1}, {}, 1.0),
        ({**INVOICE, "more": 1}, {"extra": "wrong"}, 0.75),
        ({}, {}, 0.0),
    ],
)
def test_vectors(answer: dict[str, Any], settings: dict[str, Any], score: float) -> None:
    metric = fields(settings)
    found = metric.score(json.dumps(answer), json.dumps(INVOICE))
    assert found == pytest.approx(score)
    assert metric.graded
    assert metric.parts is not None
    assert metric.parts(json.dumps(answer), json.dumps(INVOICE))["valid"] == 1.0


@pytest.mark.parametrize(
    "answer",
    ["", "total: 100", "[1]", "5", '{"a": 1, "a": 1}', '{"a": NaN}', '{"a": 1} and more', '{"a": 1', "[" * 100_000],
)
def test_what_is_no_object_is_invalid_and_wrong(answer: str) -> None:
    metric = fields()
    assert metric.valid is not None
    assert metric.parts is not None
    assert not metric.valid(answer)
    assert metric.score(answer, '{"a": 1}') == 0.0
    assert metric.parts(answer, '{"a": 1}') == {"valid": 0.0, "field:a": 0.0}


def test_a_fence_is_taken_off_unless_told_otherwise() -> None:
    answer = '```json\n{"a": 1}\n```'
    assert fields().score(answer, '{"a": 1}') == 1.0
    assert fields({"fenced": False}).score(answer, '{"a": 1}') == 0.0


def test_nested_paths_and_keys_with_dots() -> None:
    metric = fields({"fields": {"a.b": {"type": "integer"}, "c.d": {}}})
    assert metric.score('{"a": {"b": "5"}, "c.d": "x"}', '{"a": {"b": 5}, "c.d": "x"}') == 1.0
    assert metric.score('{"a": {"b": 5.5}, "c.d": "x"}', '{"a": {"b": 5}, "c.d": "x"}') == 0.5


@pytest.mark.parametrize(
    ("said", "right", "kind", "same"),
    [
        ("5", 5, "any", True),
        (5, "5", "any", True),
        (5, "5", "text", True),
        ("5.0", 5, "integer", True),
        (5.5, 5.5, "integer", False),
        (True, 1, "number", False),
        (1, True, "boolean", False),
        ("Yes", True, "boolean", True),
        ("2024-03-01T10:00:00", "2024-03-01", "date", True),
        ("03/01/2024", "2024-03-01", "date", False),
        ("20240301", "2024-03-01", "date", False),
        (None, None, "number", True),
        (None, 0, "number", False),
        ("", None, "any", False),
        ("1,234.5", 1234.5, "number", True),
        ({"x": [1, "a"]}, {"x": [1.0, "A"]}, "any", True),
        ({"x": [1, "a"]}, {"x": ["a", 1]}, "any", False),
        (float("inf"), 1, "number", False),
    ],
)
def test_coercion_table(said: Any, right: Any, kind: Kind, same: bool) -> None:
    assert equal(said, right, kind, 1e-4, "point") is same


leaves = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.randoms(use_true_random=False))
def test_an_object_equals_itself_whatever_the_order_of_its_arrays(target: dict[str, Any], random: Any) -> None:
    shuffled = {key: random.sample(v, len(v)) if isinstance(v, list) else v for key, v in target.items()}
    assert fields().score(json.dumps(shuffled), json.dumps(target)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fields": {"a": {"wieght": 1}}}, r"metric_settings\.fields\.a=.*weight, type and key"),
        ({"fields": {"a": {"weight": -1}}}, r"fields\.a\.weight=-1"),
        ({"fields": {"a": {"type": "money"}}}, r"fields\.a\.type='money'.*'date'"),
        ({"fields": {"a": {"key": 5}}}, r"fields\.a\.key=5"),
        ({"fields": {"a..b": {}}}, "single dots"),
        ({"fields": {"a": {"weight": 0}}}, "sum is above 0"),
        ({"extra": "fine"}, "'ignore', 'wrong'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric_named("json_fields", settings)
