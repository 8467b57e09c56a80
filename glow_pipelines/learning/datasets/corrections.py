"""One correction, and what kind of change it makes.

Belongs here: `Correction`, where to find them, word and JSON-path diffs, the kinds. Does not belong here: what a change
is about (topics), counting kinds over many corrections (patterns).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from itertools import islice, zip_longest
from typing import Literal

from glow_pipelines.learning.datasets.text import normalize, text_key
from glow_pipelines.learning.datasets.topics import POLICY, Topic, marked, same_value, topic_of
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow

ChangeKind = Literal["missing", "wrong_value", "format", "tone", "policy", "hallucination", "rewrite"]

_LONGEST = 400  # words of each side that are diffed: difflib is quadratic and the text is hostile
_MOST_PAIRS, _REPETITIVE = 5000, 60  # "a b a b …" against "a a a …" has 20 000 pairs of equal words and took 90 ms
_CHARACTERS = 50_000
_SHOWN, _SHOWN_WORD = 6, 40
_MOST_CHANGES = 30
_REWRITTEN, _REWRITTEN_WORDS = 0.3, 8
_FENCE = re.compile(r"^\s*```\w*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Correction:
    """An output and what someone put in its place.

    `at` is when; `source` the id of the row of feedback, or of annotation where an expert corrected (`kind`).
    """

    agent: str
    execution_id: str
    before: str
    after: str
    person: str | None
    at: datetime
    source: int
    conversation: str | None = None
    kind: Literal["feedback", "annotation"] = "feedback"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its kind, where or what (a JSON path, or the words "before → after"), and what it is about.

    `phrase` is what an output would hold that had the same fault: the words taken out, or those put in; "" where there
    are none to look for.
    """

    kind: ChangeKind
    detail: str
    about: Topic = ""
    phrase: str = ""


def corrections_of(executions: Iterable[ExecutionRow], feedback: Iterable[FeedbackRow]) -> list[Correction]:
    """The corrections among the feedback whose execution is known and whose text differs from the output."""
    known = {execution.id: execution for execution in executions}
    return [
        Correction(
            run.agent,
            run.id,
            run.output,
            row.correction,
            row.user_id,
            row.recorded_at,
            row.id,
            row.conversation_id or run.conversation_id,
        )
        for row in sorted(feedback, key=lambda row: row.id)
        if row.correction is not None
        and (run := known.get(row.execution_id)) is not None
        and row.correction.strip() != run.output.strip()
    ]


def changes(before: str, after: str) -> tuple[Change, ...]:
    """The distinct changes of one correction, sorted; at most thirty.

    JSON on both sides is compared path by path: a path added is `missing`, removed `hallucination`, another value
    `wrong_value` (once for the path, once with the values), another spelling or type of it `format`. Text is compared
    by words; what only adds is `missing`, what only removes `hallucination`, unless the words are of manners or hedges
    (`tone`) or of rules (`policy`); another spelling of the same number or date is `format`. Where less than .3 of the
    words stay it is a `rewrite`, and nothing else.
    """
    left, right = _parsed(before), _parsed(after)
    if left is not None and right is not None:
        found = set(islice(_json_changes(left, right, "$"), 10 * _MOST_CHANGES)) or {Change("format", "layout")}
    elif left is not None or right is not None:
        found = {Change("format", "JSON" if right is not None else "not JSON")}
    else:
        left_text, right_text = before[:_CHARACTERS], after[:_CHARACTERS]
        if left_text == right_text:
            found = {Change("wrong_value", "beyond the words compared")}
        elif text_key(left_text) == text_key(right_text):
            found = {Change("format", "case, spacing or punctuation")}
        else:
            found = set(_word_changes(*(normalize(marked(text)).split() for text in (left_text, right_text))))
            found = found or {Change("wrong_value", "beyond the words compared")}
    return tuple(sorted(found, key=lambda change: (change.kind, change.detail, change.about)))[:_MOST_CHANGES]


def json_paths(text: str) -> frozenset[str]:
    """The paths of the values in a text that is JSON; empty for other text."""
    parsed = _parsed(text)
    return frozenset() if parsed is None else frozenset(islice(_leaves(parsed, "$"), 1000))


def _parsed(text: str) -> object | None:
    """The JSON object or array the text is, fenced or not; a bare number or string counts as text."""
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _leaves(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{_cut(key)}")
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, f"{path}[]")
    else:
        yield path


def _json_changes(before: object, after: object, path: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            below = f"{path}.{_cut(key)}"
            if key not in before:
                yield Change("missing", below, phrase=_phrase([key]))
            elif key not in after:
                yield Change("hallucination", below, phrase=_phrase([key]))
            else:
                yield from _json_changes(before[key], after[key], below)
    elif isinstance(before, list) and isinstance(after, list):
        for left, right in zip(before, after, strict=False):
            yield from _json_changes(left, right, f"{path}[]")
        if len(before) != len(after):
            yield Change("missing" if len(after) > len(before) else "hallucination", f"{path}[]")
    elif type(before) is not type(after) or before != after:
        out, new = (normalize(str(each)[:_CHARACTERS]).split() for each in (before, after))
        topic = topic_of(out, new)
        if text_key(str(before)) == text_key(str(after)) or same_value(out, new):
            yield Change("format", path, topic)
            return
        yield Change("wrong_value", path, topic)
        if not isinstance(before, dict | list) and not isinstance(after, dict | list):
            key = path.rpartition(".")[2].removesuffix("[]")
            yield Change("wrong_value", f"{path}: {_short(out)} → {_short(new)}", topic, _phrase([key, *out]))


def _word_changes(before: list[str], after: list[str]) -> Iterator[Change]:
    """Only between the first and the last word that differ, so that a long answer costs what its change does."""
    start = next((at for at, (a, b) in enumerate(zip_longest(before, after)) if a != b), 0)
    most = min(len(before), len(after)) - start
    end = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    left, right = before[start : len(before) - end], after[start : len(after) - end]
    blocks = _opcodes(left, right)
    kept = start + end + sum(b - a for tag, a, b, _, _ in blocks if tag == "equal")
    if min(len(before), len(after)) >= _REWRITTEN_WORDS and 2 * kept < _REWRITTEN * (len(before) + len(after)):
        yield Change("rewrite", "less than .3 of the words stay")
        return
    for tag, a, b, c, d in blocks:
        if tag != "equal":
            out, new = left[a:b], right[c:d]
            topic = topic_of(out, new)
            yield Change(_kind(out, new, topic), f"{_short(out)} → {_short(new)}", topic, _phrase(out or new))


def _opcodes(left: list[str], right: list[str]) -> list[tuple[str, int, int, int, int]]:
    left, right = left[:_LONGEST], right[:_LONGEST]
    times = Counter(right)
    if sum(times[word] for word in left) > _MOST_PAIRS:
        left, right = left[:_REPETITIVE], right[:_REPETITIVE]
    return list(SequenceMatcher(None, left, right, autojunk=True).get_opcodes())


def _kind(out: list[str], new: list[str], topic: Topic) -> ChangeKind:
    if topic in ("manners", "hedge"):
        return "tone"
    if {*new} & POLICY and not {*out} & POLICY:
        return "policy"
    if not out:
        return "missing"
    if not new:
        return "hallucination"
    return "format" if same_value(out, new) else "wrong_value"


def _phrase(words: list[str]) -> str:
    return normalize(" ".join(words[:_SHOWN]))


def _short(words: list[str]) -> str:
    return " ".join(map(_cut, words[:_SHOWN])) + (" …" if len(words) > _SHOWN else "") if words else "∅"


def _cut(word: str) -> str:
    return word if len(word) <= _SHOWN_WORD else word[: _SHOWN_WORD - 1] + "…"
