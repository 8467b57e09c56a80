"""Values, scores, messages and mapping files."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.importing import values, votes
from glow_pipelines.importing.mapping import MappedRecords, MappingError, parse_mapping
from glow_pipelines.importing.messages import as_text, dialogue
from glow_pipelines.importing.parsers.pieces import dig
from glow_pipelines.importing.records import Options, Passed, Refusal, Row, Unacceptable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01 10:00:00", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01 10:00:00.5+02:00", "2026-03-01T10:00:00.500000+02:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        (1772359200, "2026-03-01T10:00:00+00:00"),
        ("1772359200", "2026-03-01T10:00:00+00:00"),
        (1772359200000, "2026-03-01T10:00:00+00:00"),
        ("1772359200000", "2026-03-01T10:00:00+00:00"),
        (1772359200000000, "2026-03-01T10:00:00+00:00"),
        (1772359200000000000, "2026-03-01T10:00:00+00:00"),
        (1712011200000, "2024-04-01T22:40:00+00:00"),
        ("1712011200000", "2024-04-01T22:40:00+00:00"),  # also a moment of 1712 in ISO 8601's basic form
    ],
)
def test_moments_have_a_zone(value: object, expected: str) -> None:
    assert values.instant("t", value) == expected


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "", float("nan"), 1e300, [], {}])
def test_what_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises(Unacceptable, match="t: "):
        values.instant("t", value)


@given(st.floats(0, 1))
def test_a_scale_maps_its_ends_on_ours_and_keeps_the_order(value: float) -> None:
    assert values.scaled("x", 0, 0, 1) == 1
    assert values.scaled("x", 1, 0, 1) == 5
    assert 1 <= values.scaled("x", value, 0, 1) <= 5
    assert values.scaled("x", value, 0, 1) == pytest.approx(6 - values.scaled("x", value, 1, 0), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "value", "scale", "expected"),
    [
        ("user-feedback", 1, None, {"thumbs": 1}),
        ("user_feedback", 0, None, {"thumbs": -1}),
        ("thumbs", True, None, {"thumbs": 1}),
        ("anything", "👎", None, {"thumbs": -1}),
        ("anything", "thumbs_up", None, {"thumbs": 1}),
        ("anything", "too long", None, {"comment": "too long"}),
        ("quality", 0.5, None, {"rating": 3}),
        ("quality", 3, None, {"rating": 3}),
        ("quality", 1, (0, 1), {"rating": 5}),
        ("quality", 1, (1, 5), {"rating": 1}),
        ("quality", 10, (0, 10), {"rating": 5}),
        ("stars", 1, None, {"rating": 1}),
        ("Accuracy", 0.75, None, {"dimensions": {"accuracy": 4.0}}),
        ("clarity", True, None, {"dimensions": {"clarity": 5}}),
        ("quality", None, None, {}),
    ],
)
def test_scores_become_feedback(name: str, value: object, scale: tuple[float, float] | None, expected: object) -> None:
    assert votes.said(name, value, None, scale) == expected


@pytest.mark.parametrize(
    ("name", "value", "scale"), [("quality", 1, None), ("accuracy", 1.0, None), ("quality", 7, None), ("q", 2, (0, 1))]
)
def test_a_score_that_could_be_best_or_worst_is_not_guessed(name: str, value: object, scale: object) -> None:
    with pytest.raises(Unacceptable):
        votes.said(name, value, None, scale)  # type: ignore[arg-type]


def test_scores_of_one_person_are_one_vote() -> None:
    given = [
        {"thumbs": 1, "comment": "a"},
        {"dimensions": {"clarity": 2}},
        {"dimensions": {"accuracy": 3}, "comment": "b"},
    ]
    assert votes.together(given) == {"thumbs": 1, "comment": "a\nb", "dimensions": {"clarity": 2, "accuracy": 3}}


def test_one_question_is_the_input_and_several_turns_a_transcript() -> None:
    one = dialogue(
        [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    )
    assert (one.input, one.output, one.system) == ("q", "a", "s")
    turns = [{"role": role, "content": role[0]} for role in ("user", "assistant", "user")]
    assert dialogue(turns).input == "User: u\n\nAssistant: a\n\nUser: u"
    assert dialogue(turns).output is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ('{"question": "what?"}', "what?"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        ("{not json", "{not json"),
        ({"messages": [{"role": "user", "content": "q"}]}, "q"),
        ({"choices": [{"message": {"role": "assistant", "content": "a"}}]}, "a"),
        ([{"text": "a"}, {"text": "b"}], "a\nb"),
        (5, "5"),
        (None, ""),
    ],
)
def test_inputs_are_unwrapped_to_their_text(value: object, expected: str) -> None:
    assert as_text(value) == expected


def test_paths_find_whole_names_first_and_look_into_json_text() -> None:
    record = {"a.b": 1, "a": {"b": 2, "c": [{"d": 3}]}, "json": '{"x": {"y": 4}}', "p.q": {"r": 5}}
    found = [dig(record, path) for path in ("a.b", "a.c.0.d", "json.x.y", "p.q.r", "a.c.1", "nowhere.at.all", "")]
    assert found == [1, 3, 4, 5, None, None, None]


MAPPING = """
[[row]]
kind = "execution"
fields = { input = "q", output = "a", metadata.shop = "shop" }
[[row]]
kind = "feedback"
when = "vote"
fields = { user_id = "who", thumbs = { path = "vote", values = { up = 1, "1" = 1, down = -1 } } }
"""


def test_rows_of_a_record_without_an_id_belong_together_whatever_file_they_came_in() -> None:
    parse = MappedRecords(parse_mapping(MAPPING), Options("desk"))
    record = {"q": "?", "a": "!", "vote": 1, "who": 3, "shop": "eu"}
    execution, feedback = parse(record)
    assert isinstance(execution, Row)
    assert isinstance(feedback, Row)
    assert execution.payload == {"input": "?", "output": "!", "metadata": {"shop": "eu"}, "agent": "desk"}
    assert feedback.payload["thumbs"] == 1
    assert feedback.payload["user_id"] == "3"
    assert feedback.payload["execution_id"].startswith("import:")
    assert parse(dict(reversed(record.items()))) == [execution, feedback]
    (_, refused) = parse(record | {"vote": "sideways"})
    assert isinstance(refused, Refusal)
    assert "up, 1, down" in str(refused.hint)
    (nothing,) = MappedRecords(
        parse_mapping(MAPPING.split('[[row]]\nkind = "execution"')[0] + "[[row]]" + MAPPING.split("[[row]]")[2]),
        Options(),
    )({})
    assert isinstance(nothing, Passed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[\[row\]\]"),
        ("a = ", "no TOML"),
        ("rows = 1", "unknown: rows"),
        ('[[row]]\nkind = "votes"\n', "kind = 'votes' is not accepted: execution"),
        ('[[row]]\nkind = "feedback"\n', "row 1: kind, "),
        ('[[row]]\nkind = "feedback"\nfields = { stars = "s" }', "no field 'stars'; accepted: agent"),
        ('[[row]]\nkind = "feedback"\nfields = { rating.x = "s" }', "rating: x is not accepted here"),
        ('[[row]]\nkind = "feedback"\nfields = { rating = { path = "s", time = "x" } }', "time is not accepted here"),
        ('[[row]]\nkind = "feedback"\nfields = { rating = 5 }', "a fixed value is"),
        ('[[row]]\nkind = "feedback"\nfields = { rating = { path = "s", constant = 5 } }', "either a path"),
        ('[[row]]\nkind = "feedback"\nfields = { rating = { path = "s", scale = 5 } }', r"scale = \[0, 1\]"),
        ('[[row]]\nkind = "feedback"\nfields = { occurred_at = { path = "s", zone = "Mars/X" } }', "no time zone"),
    ],
)
def test_a_mapping_file_that_cannot_be_used_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        parse_mapping(text)


def test_the_mapping_of_the_documentation_is_accepted() -> None:
    text = (Path(__file__).parents[2] / "docs/import.md").read_text("utf-8")
    (mapping,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    record = {
        "id": "e",
        "request": {"question": "?"},
        "response": {"text": "!"},
        "ts": "01/03/2026 10:00",
        "vote": "👍",
        "metadata": {"user": {"id": 5}},
        "clear": 10,
    }
    execution, feedback = MappedRecords(parse_mapping(mapping), Options("desk"))(record)
    assert isinstance(execution, Row)
    assert execution.payload["started_at"] == "2026-03-01T10:00:00+01:00"
    assert isinstance(feedback, Row)
    assert feedback.payload == {
        "execution_id": "e",
        "user_id": "5",
        "thumbs": 1,
        "dimensions": {"clarity": 5.0},
        "agent": "desk",
    }
