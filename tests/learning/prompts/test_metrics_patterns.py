"""Texts and patterns within answers; a pattern that would run for hours elsewhere ends here at once."""

import re
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.metrics import Metric, metric_named
from glow_pipelines.learning.prompts.metrics.automaton import LONGEST, Automaton, PatternError


def score(name: str, answer: str, target: str = "", /, **settings: Any) -> float:
    metric = metric_named(name, settings)
    assert isinstance(metric, Metric)
    return metric.score(answer, target)


@pytest.mark.parametrize(
    ("answer", "settings", "found"),
    [
        ("It is Travel.", {}, True),
        ("It is travelling.", {}, False),
        ("It is travelling.", {"words": False}, True),
        ("travel and meals", {"all": ["travel", "Meals"]}, True),
        ("travel", {"all": ["travel", "meals"]}, False),
        ("meals", {"any": ["travel", "meals"]}, True),
        ("rent", {"any": ["travel", "meals"]}, False),
        ("travel, sorry", {"target": True, "none": ["sorry"]}, False),
        ("meals", {"all": ["meals"], "target": True}, False),
        ("", {}, False),
        ("$5.00 due", {"all": ["$5.00"]}, True),
        ("$5.005 due", {"all": ["$5.00"]}, False),
    ],
)
def test_contains(answer: str, settings: dict[str, Any], found: bool) -> None:
    assert score("contains", answer, "travel", **settings) == float(found)


def test_nothing_contains_an_empty_target() -> None:
    assert score("contains", "anything", " ") == 0.0


@pytest.mark.parametrize(
    ("pattern", "answer", "settings", "found"),
    [
        (r"^INV-\d{4,6}$", "INV-12345", {}, True),
        (r"^INV-\d{4,6}$", "INV-1234567", {}, False),
        (r"\bcat\b", "a cat sat", {}, True),
        (r"\bcat\b", "concat", {}, False),
        (r"[^a-c]+", "abd", {"match": "full"}, False),
        (r"(?:yes|no)[.!]?", "YES!", {"match": "full", "ignore_case": True}, True),
        (r"sorry", "I am sorry", {"negate": True}, False),
        (r"a{,2}b", "aab", {"match": "full"}, True),
        (r"[[]", "[", {}, True),
    ],
)
def test_regex(pattern: str, answer: str, settings: dict[str, Any], found: bool) -> None:
    assert score("regex", answer, pattern=pattern, **settings) == float(found)


@pytest.mark.parametrize("pattern", [r"^(a+)+b$", r"(a|a)*b", r"(a|aa)+$b", r"(.*)*x", r"a*a*a*a*a*a*b", r"(\w+\s?)*!"])
def test_patterns_that_run_away_elsewhere_end(pattern: str) -> None:
    assert score("regex", "a" * 2_000, pattern=pattern) == 0.0


def test_a_text_beyond_the_limit_is_wrong_also_when_negated() -> None:
    assert score("regex", "a" * (LONGEST + 1), pattern="a") == 0.0
    assert score("regex", "a" * (LONGEST + 1), pattern="b", negate=True) == 0.0


@pytest.mark.parametrize(
    "pattern",
    ["(a", r"(a)\1", "(?=a)", "(?<!a)b", "(?P<n>a)", "(?i)a", "a{500}", "a++", "(((a{9}){9}){9})", r"\q", "*"],
)
def test_what_cannot_be_matched_in_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Automaton(pattern)
    with pytest.raises(ValueError, match=r"metric_settings\.pattern="):
        metric_named("regex", {"pattern": pattern})


atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", r"\b", "^", "$", "c", r"\."])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{1,}", "*?"]))
    return (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})")
        | repeated.map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        | inner.map(lambda one: f"({one})")
    )


@given(st.recursive(atoms, _grow, max_leaves=6), st.text(alphabet="abc.1 ", max_size=8), st.booleans())
def test_it_matches_what_re_matches(pattern: str, text: str, full: bool) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = re.compile(pattern)
        automaton = Automaton(pattern)
    except (re.error, PatternError):
        return
    expected = whole.fullmatch(text) if full else whole.search(text)
    assert automaton.matches(text, full) == (expected is not None), (pattern, text)


@pytest.mark.parametrize(
    ("metric", "settings", "message"),
    [
        ("regex", {}, r"pattern=None .*a text of 1 to 500"),
        ("regex", {"pattern": "a" * 501}, "1 to 500"),
        ("contains", {"target": False}, "true, or texts in all, any or none"),
        ("contains", {"all": [" "]}, "not only white space"),
    ],
)
def test_wrong_settings_are_named(metric: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric_named(metric, settings)
