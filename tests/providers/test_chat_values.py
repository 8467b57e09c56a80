"""Requests, usage, labels and keys: everything about a chat that needs no server."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.providers import choices
from glow_pipelines.providers.cache import request_key
from glow_pipelines.providers.types import ChatRequest, Message, ProviderError, Usage

BASE = ChatRequest((Message("system", "be brief"), Message("user", "hi")), 10, 0.0, ("a", "b"), 1)
LABELS = st.lists(
    st.text(min_size=1, max_size=12).filter(lambda text: text == text.strip() and "\0" not in text),
    min_size=1,
    max_size=5,
    unique=True,
)


def unescape(text: str) -> tuple[str, int]:
    """Read one quoted GBNF literal by its published rules; the label and how far it went."""
    assert text[0] == '"'
    label, at = "", 1
    while text[at] != '"':
        if text[at] != "\\":
            label, at = label + text[at], at + 1
        elif text[at + 1] == "U":
            label, at = label + chr(int(text[at + 2 : at + 10], 16)), at + 10
        else:
            assert text[at + 1] in '"\\'
            label, at = label + text[at + 1], at + 2
    return label, at + 1


@given(LABELS)
def test_a_grammar_derives_exactly_the_labels(labels: list[str]) -> None:
    rest = choices.grammar(labels).removeprefix("root ::= ")
    read = []
    while rest:
        label, end = unescape(rest)
        read.append(label)
        rest = rest[end:].removeprefix(" | ")
    assert read == labels


@given(LABELS)
def test_a_grammar_is_one_line_of_printable_text(labels: list[str]) -> None:
    assert choices.grammar(labels).isprintable()


@given(LABELS, st.sampled_from(["grammar", "json_schema"]))
def test_a_label_survives_the_wire(labels: list[str], dialect: choices.StructuredOutput) -> None:
    for label in labels:
        sent = label if dialect == "grammar" else json.dumps({"answer": label})
        assert choices.read(sent, labels, dialect) == label
        assert choices.room(labels, dialect) > len(label.encode())


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("A", "grammar"),
        ("a b", "grammar"),
        ("", "grammar"),
        ("a", "json_schema"),
        ('{"answer": "c"}', "json_schema"),
        ('{"answer": ["a"]}', "json_schema"),
        ('{"answer": "a"', "json_schema"),
        ("[]", "json_schema"),
        ("null", "json_schema"),
    ],
)
def test_anything_but_a_label_is_a_permanent_error(text: str, dialect: choices.StructuredOutput) -> None:
    with pytest.raises(ProviderError, match="none of the labels") as caught:
        choices.read(text, ("a", "b"), dialect)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"messages": ()}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"choices": ()}, "choices"),
        ({"choices": ("a", "a")}, "choices"),
        ({"choices": ("a", "")}, "choices"),
        ({"choices": (" a",)}, "choices"),
        ({"choices": ("a\0b",)}, "choices"),
    ],
)
def test_a_request_nobody_could_honour_is_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(BASE, **change)  # type: ignore[arg-type]


def test_equal_requests_have_equal_keys() -> None:
    same = ChatRequest((Message("system", "be brief"), Message("user", "hi")), 10, 0, ("a", "b"), 1)
    assert request_key("m", BASE) == request_key("m", same)


def test_a_key_stays_what_it_was() -> None:
    # Written down so that nobody changes keys by accident: every paid answer would be paid for again.
    assert request_key("m", BASE) == "85fe315900aaaed4f27902ed3aec2ea2b971f2a8eb1bd9bc4e12e09cc1924842"


def test_whatever_may_change_the_answer_changes_the_key() -> None:
    others = [
        replace(BASE, messages=BASE.messages[::-1]),
        replace(BASE, messages=(Message("system", "be briefhi"), Message("user", ""))),
        replace(BASE, messages=(Message("user", "be brief"), Message("user", "hi"))),
        replace(BASE, max_tokens=11),
        replace(BASE, temperature=0.5),
        replace(BASE, choices=None),
        replace(BASE, choices=("b", "a")),
        replace(BASE, choices=("a,b",)),
        replace(BASE, seed=None),
        replace(BASE, seed=0),
    ]
    keys = {request_key("m", request) for request in [BASE, *others]} | {request_key("n", BASE)}
    assert len(keys) == len(others) + 2


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_text_of_a_user_has_a_key(text: str) -> None:
    assert len(request_key("m", ChatRequest((Message("user", text),)))) == 64


def test_usage_adds_up() -> None:
    assert sum([Usage(1, 2, 3, 4.0, 5.0)] * 3, Usage()) == Usage(3, 6, 9, 12.0, 15.0)


def test_the_ports_load_nothing_heavy() -> None:
    code = (
        "import sys; import glow_pipelines.providers.cache, glow_pipelines.providers.local.supervisor;"
        "print([name for name in ('openai', 'xllamacpp', 'onnxruntime', 'numpy', 'starlette') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
