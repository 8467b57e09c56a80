"""Numbers: what is written is read back, in every convention, and what has two readings has none."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.metrics import Metric, metric_named
from glow_pipelines.learning.prompts.metrics.number import Convention, parse_number

FORMULA = Path(__file__).parents[4] / "shared" / "data" / "formula"


def read(text: str, convention: Convention = "auto") -> str | None:
    found = parse_number(text, convention)
    return None if found is None else format(found.value.normalize(), "f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", "5"),
        ("\N{MINUS SIGN}5", "-5"),
        ("The answer is 42.", "42"),
        ("**42**", "42"),
        ("`42`", "42"),
        ("x=5", "5"),
        ("1,234.50", "1234.5"),
        ("1.234,50", "1234.5"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1,00,000", "100000"),
        ("1'234.5", "1234.5"),
        ("1\N{NO-BREAK SPACE}234,5", "1234.5"),
        ("0.123", "0.123"),
        ("1234.567", "1234.567"),
        ("-.5", "-0.5"),
        ("(1,234.50)", "-1234.5"),
        ("$(5.00)", "-5"),
        ("($5.00)", "-5"),
        ("-$5.20", "-5.2"),
        ("5.00 €", "5"),
        ("EUR 5,00", "5"),
        ("5 million", "5000000"),
        ("1.5e-3", "0.0015"),
        ("\uff15", "5"),
        ("\u0665", "5"),
        ("profit -5", "-5"),
    ],
)
def test_what_has_one_reading(text: str, value: str) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "no", "1,234", "1.234", "-1,234", "5 and 6", "2024-01-05", "5-6", "1/2", "10:30", "a - 5", "- 5"),
        *("see (3)", "-(5)", "(-5)", "5k", "3rd", "Q3", "#5", "5 CR", "5.00-", "1.2.3.4", "1,234,56", "1 234"),
        *("$5 CHF", "1e500", "2**5", "2^5", "00,123", "v1.2.3", "0,123,456", "9" * 10_001),
    ],
)
def test_what_has_several_readings_or_none(text: str) -> None:
    assert read(text) is None


def test_a_convention_decides_what_is_undecided() -> None:
    assert read("1,234", "point") == "1234"
    assert read("1,234", "comma") == "1.234"
    assert read("1.234,50", "point") is None
    assert read("1,23", "point") is None


amounts = st.decimals(min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=2)
MARKS = {"point": ((",", "'", ""), "."), "comma": ((".", "'", "\N{NO-BREAK SPACE}", ""), ",")}


@given(amounts, st.sampled_from(["point", "comma"]), st.data())
def test_what_is_formatted_is_read_back(amount: Decimal, convention: Convention, data: st.DataObject) -> None:
    groupings, point = MARKS[convention]
    grouping = data.draw(st.sampled_from(groupings))
    digits = f"{abs(amount):,.2f}".replace(",", "\0").replace(".", point).replace("\0", grouping)
    money = data.draw(st.sampled_from(["", "$", "€", "CHF ", "£"]))
    behind = data.draw(st.sampled_from(["", "%", " %"]))
    sign = data.draw(st.sampled_from(["-", "\N{MINUS SIGN}", "("]))
    text = f"{money}{digits}{behind}"
    if amount < 0:
        text = f"({text})" if sign == "(" else sign + text
    found = parse_number(text, convention)
    assert found is not None, text
    assert (found.value, found.decimals, found.percent) == (amount, 2, bool(behind)), text
    # Two decimals leave no doubt, so the convention need not be known either.
    assert parse_number(text) == found, text


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for take in ("only", "first", "last"):
        found = parse_number(text, take=take)
        assert found is None or found.value.is_finite()


@given(st.text(alphabet="0123456789.,'-+() $€%eE", max_size=40))
def test_without_a_convention_a_reading_is_one_of_those_with(text: str) -> None:
    found = parse_number(text)
    if found is not None:
        known = [parse_number(text, convention) for convention in ("point", "comma")]
        readings = {each.value for each in known if each is not None}
        assert readings == {found.value}, text


@pytest.mark.parametrize(
    ("answer", "target", "right", "settings"),
    [
        ("100.0099", "100", True, {}),
        ("100.02", "100", False, {}),
        ("12.3456", "12.35", True, {}),
        ("12.36", "12.35", False, {}),
        ("12.3456", "12.35", False, {"decimals": "ignore"}),
        ("12.4", "12.35", False, {}),
        ("5.4", "5", False, {}),
        ("5.4", "5", True, {"decimals": 0}),
        ("0", "0", True, {}),
        ("0.00001", "0", False, {}),
        ("15%", "15.0", True, {}),
        ("15%", "0.15", True, {"percent": "fraction"}),
        ("15", "15%", False, {"percent": "strict"}),
        ("€5", "$5", False, {}),
        ("$5", "5 USD", True, {}),
        ("5", "5 USD", True, {}),
        ("1,234", "1234", False, {}),
        ("1,234", "1,234", True, {}),
        ("1,234", "1234", True, {"convention": "point"}),
        ("first 5 then 6", "6", False, {}),
        ("first 5 then 6", "6", True, {"take": "last"}),
        ("first 5 then 6", "5", True, {"take": "first"}),
        ("110", "100", True, {"tolerance": 0.1}),
    ],
)
def test_vectors(answer: str, target: str, right: bool, settings: dict[str, Any]) -> None:
    metric = metric_named("numeric", settings)
    assert isinstance(metric, Metric)
    assert metric.score(answer, target) == float(right)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": -1}, r"metric_settings\.tolerance=-1 of metric 'numeric': give a number from 0 to 1"),
        ({"tolerance": True}, "tolerance=True"),
        ({"decimals": 1.5}, "'stated', 'ignore' or a whole number"),
        ({"convention": "swiss"}, "one of 'auto', 'point', 'comma'"),
        ({"digits": 2}, r"digits=2 .*takes tolerance, convention, percent, take, decimals"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric_named("numeric", settings)


@pytest.mark.skipif(not FORMULA.is_dir(), reason="the formula task is not beside this checkout")
def test_every_target_of_the_formula_task_is_read() -> None:
    metric = metric_named("numeric")
    assert isinstance(metric, Metric)
    rows = [json.loads(line) for path in FORMULA.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == 1000
    for row in rows:
        found = parse_number(row["target"])
        assert found is not None, row["target"]
        assert metric.score(f"The result is {found.value:f}.", row["target"]) == 1.0
        assert metric.score(str(found.value * Decimal("1.2") + 1), row["target"]) == 0.0
