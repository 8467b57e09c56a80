"""One correction, and what kind of change it makes.

Belongs here: `Correction`, where to find them, word and JSON-path diffs, the kinds. Does not belong here: counting
kinds over many corrections (patterns).
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Literal

from glow_pipelines.learning.datasets.text import normalize, text_key
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow

ChangeKind = Literal["missing", "wrong_value", "format", "tone", "policy", "hallucination"]

_MANNERS = (
    "please sorry thank thanks unfortunately kindly dear hi hello hey apologies apologize apologise regards welcome "
    "glad happy obviously simply just sincerely certainly absolutely sure afraid appreciate"
)
_RULES = (
    "policy policies guideline guidelines regulation regulations compliance compliant permitted prohibited forbidden "
    "mandatory approval approved disclaimer confidential consult advisor adviser escalate"
)
_TONE, _POLICY = frozenset(_MANNERS.split()), frozenset(_RULES.split())
_LONGEST = 400  # words of each side that are diffed: difflib is quadratic and the text is hostile
_FENCE = re.compile(r"^\s*```\w*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Correction:
    """An output and what someone put in its place. `at` is when; `source` the feedback row."""

    agent: str
    execution_id: str
    before: str
    after: str
    person: str | None
    at: datetime
    source: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its kind and where or what: a JSON path, or the words "before → after"."""

    kind: ChangeKind
    detail: str


def corrections_of(executions: Iterable[ExecutionRow], feedback: Iterable[FeedbackRow]) -> list[Correction]:
    """The corrections among the feedback whose execution is known and whose text differs from the output."""
    known = {execution.id: execution for execution in executions}
    return [
        Correction(run.agent, run.id, run.output, row.correction, row.user_id, row.recorded_at, row.id)
        for row in sorted(feedback, key=lambda row: row.id)
        if row.correction is not None
        and (run := known.get(row.execution_id)) is not None
        and row.correction.strip() != run.output.strip()
    ]


def changes(before: str, after: str) -> tuple[Change, ...]:
    """The distinct changes of one correction, sorted.

    JSON on both sides is compared path by path: a path added is `missing`, removed `hallucination`, another value
    `wrong_value`, another spelling or type of it `format`. Text is compared by words; what only adds is `missing`,
    what only removes `hallucination`, unless the words are of manners (`tone`) or of rules (`policy`, English).
    """
    left, right = _parsed(before), _parsed(after)
    if left is not None and right is not None:
        found = set(_json_changes(left, right, "$")) or {Change("format", "layout")}
    elif left is not None or right is not None:
        found = {Change("format", "JSON" if right is not None else "not JSON")}
    elif text_key(before) == text_key(after):
        found = {Change("format", "case, spacing or punctuation")}
    else:
        found = set(_word_changes(normalize(before).split()[:_LONGEST], normalize(after).split()[:_LONGEST]))
        found = found or {Change("wrong_value", "beyond the words compared")}
    return tuple(sorted(found, key=lambda change: (change.kind, change.detail)))


def _parsed(text: str) -> object | None:
    """The JSON object or array the text is, fenced or not; a bare number or string counts as text."""
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _json_changes(before: object, after: object, path: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in before:
                yield Change("missing", f"{path}.{key}")
            elif key not in after:
                yield Change("hallucination", f"{path}.{key}")
            else:
                yield from _json_changes(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for left, right in zip(before, after, strict=False):
            yield from _json_changes(left, right, f"{path}[]")
        if len(before) != len(after):
            yield Change("missing" if len(after) > len(before) else "hallucination", f"{path}[]")
    elif type(before) is not type(after) or before != after:
        same = text_key(str(before)) == text_key(str(after))
        yield Change("format" if same else "wrong_value", path)


def _word_changes(before: list[str], after: list[str]) -> Iterator[Change]:
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=True).get_opcodes():
        if tag == "equal":
            continue
        out, new = before[a:b], after[c:d]
        yield Change(_kind(out, new), f"{_short(out)} → {_short(new)}")


def _kind(out: list[str], new: list[str]) -> ChangeKind:
    touched = {*out, *new}
    # Words of manners decide only when they are much of the change: "sorry, 42" → "43" is a wrong value.
    if 2 * len(touched & _TONE) >= len(touched):
        return "tone"
    if set(new) & _POLICY and not set(out) & _POLICY:
        return "policy"
    if not out:
        return "missing"
    return "hallucination" if not new else "wrong_value"


def _short(words: list[str]) -> str:
    return " ".join(words[:6]) + (" …" if len(words) > 6 else "") if words else "∅"
