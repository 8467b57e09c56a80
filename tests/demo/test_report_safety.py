"""Nothing in the figures can reach the reader of the report as code, and everybody can read it."""

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.demo.blocks import Plot, Whisker, clean, diff
from glow_pipelines.demo.plots import whisker_plot
from glow_pipelines.demo.report import write_html
from tests.demo.report_figures import Page, sample, terminal, words

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></desc><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "[bold red]shout[/bold red] [link=https://evil.example]here[/link] :bomb:",
    "\x1b]8;;https://evil.example\x07click\x1b[2J\x9b31m",
    "safe\u202egnp.exe\u2066\u200b\U000e0041",
    "half a pair \ud800",
    "one\r\ntwo\u2028three\x00",
    "long " * 5000,
]


def _poisoned(value: Any, poison: str) -> Any:
    """The same figures with every text in them replaced, but for the words the report itself decides by."""
    kept = ("verdict", "status", "state", "metric", "operator")
    if isinstance(value, dict):
        return {key: each if key in kept else _poisoned(each, poison) for key, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each, poison) for each in value]
    return poison if isinstance(value, str) else value


@pytest.mark.parametrize("poison", HOSTILE)
def test_hostile_text_stays_text(poison: str) -> None:
    figures = _poisoned(sample(), poison)
    figures["feedback"][0]["issues"][0]["issue"] = poison
    figures["prompts"][0]["arms"][1]["operator"] = poison
    figures["prompts"][0]["dataset"]["drops"] = {poison: 1}
    page = write_html(figures)
    page.encode("utf-8")
    found = Page(page)
    assert found.open == []
    assert {tag for tag, _ in found.elements} <= _tags(write_html(sample()))
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069\U000e0041\ud800]", page)
    assert len(page) < 400_000

    text = terminal(figures)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066\u2028]", text)
    assert max(map(len, text.splitlines())) <= 100
    if poison.startswith("["):
        assert "[bold red]shout" in words(text)
        assert ":bomb:" in words(text)


def _tags(page: str) -> set[str]:
    return {tag for tag, _ in Page(page).elements}


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = write_html(sample())
    found = Page(page)
    assert found.open == []
    assert not {"script", "img", "iframe", "object", "form", "a"} & {tag for tag, _ in found.elements}
    assert [attributes["href"] for _, attributes in found.elements if "href" in attributes] == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in unescape(page)


def test_the_page_can_be_read_without_seeing_it() -> None:
    found = Page(write_html(sample())).elements
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in found if "aria-labelledby" in attributes]
    assert {each for names in named for each in (names or "").split()} <= set(ids)
    drawings = [attributes for tag, attributes in found if tag == "svg" and attributes.get("role") == "img"]
    assert len(drawings) == 4
    assert sum(tag == "desc" for tag, _ in found) == len(drawings)
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in found if tag == "th")
    assert sum(tag == "caption" for tag, _ in found) == sum(tag == "table" for tag, _ in found) == 4


def test_a_terminal_that_knows_only_ascii_gets_the_report_too() -> None:
    assert "Improved on the sealed test" in words(terminal(sample(), encoding="ascii"))


@given(st.text(), st.integers(2, 50))
def test_clean_text_is_one_harmless_line(text: str, most: int) -> None:
    found = clean(text, most)
    assert len(found) <= most
    assert len(found.splitlines()) <= 1
    assert clean(found, most) == found
    assert found.isprintable() or not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found)


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
@settings(max_examples=60)
def test_a_diff_holds_both_texts(before: list[str], after: list[str]) -> None:
    lines = diff("\n".join(before), "\n".join(after))
    assert [line[1:] for line in lines if line[0] in " -"] == (before or [""])
    assert [line[1:] for line in lines if line[0] in " +"] == (after or [""])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted), max_size=5))
@settings(max_examples=40)
def test_whiskers_stay_inside_the_drawing(intervals: list[list[float]]) -> None:
    rows = tuple(Whisker("arm", "shown", value, low, high, "tried") for low, value, high in intervals)
    drawn = whisker_plot(Plot("race", rows), "p")
    places = [float(each) for each in re.findall(r'(?:x|x1|x2|cx)="([-\d.]+)%"', drawn)]
    assert all(0 <= place <= 100 for place in places)
    assert [float(each) for each in re.findall(r'<svg x="([\d.]+)%"', drawn)] == [
        pytest.approx(2 + 96 * value, abs=0.01) for _, value, _ in intervals
    ]
