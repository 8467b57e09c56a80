"""Lines are the same bytes every time, a tuning service accepts them, and what it would refuse is told how to mend."""

import json

import pytest
from dataset_builders import AT, example
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import (
    DatasetRule,
    VersionRow,
    build_version,
    export_lines,
    manifest,
    manifest_hash,
    preference_line,
    sft_line,
    validate_line,
)

VERSION = build_version(
    DatasetRule("coder"),
    [example("Taxi", "6100", group="g1"), example("Hotel", "6200", group="g2")],
    {"g1": "train", "g2": "test"},
    AT,
)


def test_sft_golden() -> None:
    assert list(export_lines(VERSION, "Give the account.", "train")) == [
        '{"messages":[{"content":"Give the account.","role":"system"},{"content":"Taxi","role":"user"},'
        '{"content":"6100","role":"assistant"}]}'
    ]
    assert len(list(export_lines(VERSION, ""))) == 2
    assert '"system"' not in next(export_lines(VERSION, " "))


def test_preference_golden() -> None:
    rule = DatasetRule("coder", "preference")
    version = build_version(rule, [example("Taxi", "6100", rejected_target="6300")], {}, AT)
    assert list(export_lines(version, "")) == [
        '{"input":{"messages":[{"content":"Taxi","role":"user"}]},'
        '"non_preferred_output":[{"content":"6300","role":"assistant"}],'
        '"preferred_output":[{"content":"6100","role":"assistant"}]}'
    ]
    with pytest.raises(ValueError, match="no rejected output"):
        preference_line(VERSION.rows[0], "")


TEXT = st.text(min_size=1).filter(str.strip)


@given(TEXT, TEXT, TEXT, st.text())
def test_every_line_we_write_is_one_line_and_accepted(asked: str, right: str, wrong: str, system: str) -> None:
    row = VersionRow(example(asked, right, rejected_target=wrong), "train")
    assert validate_line(sft_line(row, system), "sft") == []
    assert len(sft_line(row, system).splitlines()) == 1
    found = validate_line(preference_line(row, system), "preference")
    given = json.loads(preference_line(row, system))
    same = given["preferred_output"] == given["non_preferred_output"]
    assert [problem.field for problem in found] == ["non_preferred_output"] * same


def chat(*messages: tuple[str, object]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})


@pytest.mark.parametrize(
    ("line", "field", "remedy"),
    [
        ("{", "", "one JSON object a line"),
        ('{"messages": NaN}', "", "NaN is not JSON"),
        ("[" * 100_000, "", "one JSON object a line"),
        ("[]", "", "write a JSON object"),
        ('{"messages": []}', "messages", "give a list of messages"),
        (chat(("user", "a")), "messages[0].role", "end with the assistant's answer"),
        (chat(("user", "a"), ("bot", "b"), ("assistant", "c")), "messages[1].role", "use one of system"),
        (chat(("user", "a"), ("assistant", " ")), "messages[1].content", "not blank"),
        (chat(("system", "a"), ("assistant", "b")), "messages", "add the user's message"),
        ('{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"id":7}', "id", "remove it"),
    ],
)
def test_sft_problems(line: str, field: str, remedy: str) -> None:
    (found,) = validate_line(line, "sft", 12)
    assert (found.line, found.field) == (12, field)
    assert remedy in found.remedy
    assert len(found.value) <= 80


def test_preference_problems() -> None:
    line = json.dumps(
        {"input": {"messages": [{"role": "assistant", "content": "x"}]}, "preferred_output": [{"role": "user"}]}
    )
    assert {problem.field for problem in validate_line(line, "preference")} == {
        "input.messages",
        "input.messages[0].role",
        "preferred_output[0].role",
        "non_preferred_output",
    }
    assert {problem.field for problem in validate_line("{}", "preference")} == {
        "input",
        "preferred_output",
        "non_preferred_output",
    }


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["messages", "role", "content", "input"]) | st.text(), x)
        ),
    )
)
def test_the_validator_never_raises(value: object) -> None:
    for kind in ("sft", "preference"):
        assert validate_line(json.dumps(value), kind)  # type: ignore[arg-type]


def test_manifest_names_what_was_exported() -> None:
    ids = [row.example.id for row in VERSION.rows]
    found = manifest(VERSION)
    assert (found.rows, found.content_hash, found.manifest_hash) == (2, VERSION.content_hash, manifest_hash(ids))
    assert manifest_hash(ids) != manifest_hash(ids[::-1])
    assert manifest(VERSION, "train").rows == 1
    assert json.loads(found.rule)["agent"] == "coder"
