"""Faults: what is wrong with a free-text answer, told by its difference from the target.

Belongs here: the kinds and telling them. Kinds of change are those of corrections (datasets), so that an evaluation and
a user's edit are counted the same way. Does not belong here: what to do about a fault (advice).
"""

import json
import re
from collections import Counter
from typing import Literal

from glow_pipelines.learning.datasets.corrections import ChangeKind, changes

Form = Literal["not_json", "not_a_number", "several_lines", "too_long"]
Fault = Literal[ChangeKind, Form]
# An answer that says what it must not is worse than one that leaves something out, and that than one badly spelled.
_SEVERITY: tuple[ChangeKind, ...] = (
    "policy",
    "hallucination",
    "wrong_value",
    "missing",
    "format",
    "tone",
    "rewrite",
)
_NUMBER = re.compile(r"[-+(]?\s*[€$£]?\s*\d[\d.,' ]*\s*(?:%|[€$£])?\)?")
_LONGER, _LONGER_BY = 1.5, 5  # times and words more than the target before an answer counts as too long


def faults(answer: str, target: str) -> tuple[Fault, ...]:
    """Every fault of an answer, the most telling first; () when it is the target. Nothing at all is `missing`."""
    if answer == target:
        return ()
    if not answer.strip():
        return ("missing",)
    kinds = Counter(change.kind for change in changes(answer, target))
    ranked = sorted(kinds, key=lambda kind: (-kinds[kind], _SEVERITY.index(kind)))
    return (*ranked, *_forms(answer, target))


def _forms(answer: str, target: str) -> tuple[Form, ...]:
    found: list[Form] = []
    if is_json(target) and not is_json(answer):
        found.append("not_json")
    if is_number(target) and not is_number(answer):
        found.append("not_a_number")
    if "\n" not in target.strip() and "\n" in answer.strip():
        found.append("several_lines")
    told, wanted = len(answer.split()), len(target.split())
    if told > _LONGER * wanted and told > wanted + _LONGER_BY:
        found.append("too_long")
    return tuple(found)


def is_json(text: str) -> bool:
    """Whether the text is one JSON object or array and nothing around it."""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def is_number(text: str) -> bool:
    """Whether the text is one number, with its sign, currency or percent sign at most."""
    return len(text) <= 40 and _NUMBER.fullmatch(text.strip()) is not None
