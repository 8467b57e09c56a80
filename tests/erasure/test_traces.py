"""What counts as a quotation of an erased text, and what is put in its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.defs.metadata import line, plain, table
from glow_pipelines.erasure.leaves import text_without_traces, without_traces
from glow_pipelines.erasure.traces import ERASED, WINDOW, Traces, words

LONG = "My landlord in Example Street 9 wants the deposit back_and I am not *sure* what to do."


@pytest.mark.parametrize(
    "quoting",
    [
        LONG,
        LONG.upper(),
        plain(LONG),
        plain(LONG, 60),
        line(f"they said: {LONG}"),
        f"…{LONG[17:50]}…",
        json.dumps({"a": LONG})[2:],
        LONG.replace(" ", "\n\t"),
    ],
)
def test_a_quotation_is_found_however_it_is_shown(quoting: str) -> None:
    assert Traces([], [LONG]).quoted_by(quoting)


@pytest.mark.parametrize("other", ["", "what to do", "My landlord", "Example Street 9", "nothing of it" * 40])
def test_what_anybody_may_say_is_none(other: str) -> None:
    assert not Traces([], [LONG]).quoted_by(other)


def test_short_ids_are_found_as_words_only_and_very_short_ones_as_whole_values_only() -> None:
    traces = Traces(["user-42", "17"], ["to Bern"])
    assert all(traces.quoted_by(each) for each in ("user-42", "| user\\-42 | 3 |", "17", "go to Bern now"))
    assert not any(traces.quoted_by(each) for each in ("user-421", "superuser-42", "17 rows", "17.5", "to Bernard"))


@given(st.text(min_size=60, max_size=200), st.integers(0, 30), st.text(max_size=40), st.text(max_size=40))
def test_every_window_is_found(text: str, at: int, before: str, after: str) -> None:
    shown = words(text).strip()
    cut = shown[at : at + WINDOW + 2].strip()
    if len(cut) >= WINDOW:
        assert Traces([], [text]).quoted_by(f"{before} {cut} {after}")


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=300))
def test_what_is_left_quotes_nothing(texts: list[str], given_text: str) -> None:
    traces = Traces([], texts)
    kept = traces.without(given_text)
    assert kept == given_text or ERASED in kept
    assert not traces.quoted_by(kept) or words(ERASED) in {words(each) for each in texts}


def test_only_the_lines_that_quote_are_emptied() -> None:
    shown = f"| input | n |\n|---|---|\n| {plain(LONG)} | 3 |\n| another | 4 |"
    assert Traces([], [LONG]).without(shown) == "| input | n |\n|---|---|\n| [erased] |\n| another | 4 |"


def test_json_keeps_its_form_also_where_it_is_kept_as_text() -> None:
    traces = Traces(["person-1"], [LONG])
    value = {
        "__class__": "person-1",
        "n": 3,
        "list": [LONG, "kept"],
        "inner": json.dumps({"q": LONG, "n": None}),
        "plain": {LONG: 1},
    }
    kept = without_traces(value, traces)
    assert kept == {
        "__class__": "person-1",
        "n": 3,
        "list": [ERASED, "kept"],
        "inner": json.dumps({"q": ERASED, "n": None}),
        "plain": {ERASED: 1},
    }
    assert text_without_traces("{not json person-1", traces) == ERASED


def test_somebody_called_like_a_field_of_dagster_breaks_nothing() -> None:
    value = {"__class__": "X", "metadata": {"metadata": "metadata", "n": 1}}
    assert without_traces(value, Traces(["metadata"], [])) == {"__class__": "X", "metadata": {ERASED: ERASED, "n": 1}}


@pytest.mark.parametrize("name", ["r1", "bo", "a|b", "a,b", "x" * 200])
def test_whoever_is_named_in_a_column_of_people_is_found_however_short(name: str) -> None:
    shown = table(
        ("agent", "reviewer", "judgements"), [("desk", name, 17), ("desk", "r11", 17), ("desk", f"{name[:5]}9", 3)]
    ).md_str
    assert Traces([name], []).without(str(shown)).split("\n")[2:] == [f"| {ERASED} |", *str(shown).split("\n")[3:]]
    pairs = str(table(("agent", "reviewers", "agreed"), [("r1", f"r2, {name}", 3), ("r1", "r2, r3", 3)]).md_str)
    assert Traces([name], []).without(pairs).split("\n")[2:] == [f"| {ERASED} |", pairs.split("\n")[3]]


def test_a_name_of_a_dimension_is_found_as_a_name_only() -> None:
    traces = Traces([], [], ["accuracy"])
    shown = str(
        table(("agent", "measure", "n"), [("desk", "accuracy (ordinal)", 3), ("desk", "tone (ordinal)", 3)]).md_str
    )
    assert traces.without(shown).split("\n")[2:] == [f"| {ERASED} |", shown.split("\n")[3]]
    assert without_traces({"measure": "accuracy", "accuracy": 1, "told": "the accuracy of it"}, traces) == {
        "measure": ERASED, ERASED: 1, "told": "the accuracy of it",
    }  # fmt: skip


def test_a_number_that_is_nobodys_name_stays() -> None:
    shown = "| agent | reviewer | n |\n|---|---|---|\n| 17 | r2 | 17 |"
    assert Traces(["17"], []).without(shown) == shown
