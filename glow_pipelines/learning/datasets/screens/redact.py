"""Placeholders for what identifies somebody.

Belongs here: replacing findings in the texts of one example, so that what was the same stays the same. Does not belong
here: finding (scan), deciding (policies).
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.datasets.screens.findings import Finding
from glow_pipelines.learning.datasets.screens.scan import screen

_LABELS = {
    "e-mail": "EMAIL",
    "IBAN": "IBAN",
    "card": "CARD",
    "phone": "PHONE",
    "IP address": "IP",
    "birth date": "BIRTH_DATE",
    "passport": "PASSPORT",
    "name": "NAME",
}
_NUMBERED = re.compile(r"<(EMAIL|IBAN|CARD|PHONE|IP|BIRTH_DATE|PASSPORT|NAME|ID|SECRET)_(\d{1,6})>")
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Redacted:
    """The texts with placeholders, how many values of each name were replaced, and whether that is safe to keep.

    `clean` is False when something is still found, or when a text was JSON and no longer is (a number became a
    placeholder).
    """

    texts: tuple[str, ...]
    replaced: Mapping[str, int]
    clean: bool


def redact(texts: Sequence[str], wanted: Callable[[Finding], bool] = lambda finding: finding.kind == "pii") -> Redacted:
    """Replace the wanted findings by <EMAIL_1>, <CARD_1>, …, numbered in the order in which they appear.

    The same value has the same number in all texts, whatever its case and spacing. Numbers that a text already uses are
    not given again. A name that was found is replaced wherever else it stands.
    """
    numbers = _Numbers(texts)
    done = list(texts)
    for _ in range(_PASSES):
        found = [[finding for finding in screen(text) if wanted(finding)] for text in done]
        if not any(found):
            break
        names = {
            text[f.start : f.end] for text, each in zip(done, found, strict=True) for f in each if f.name == "name"
        }
        done = [_replace(text, _with(names, text, each), numbers) for text, each in zip(done, found, strict=True)]
    left = any(wanted(finding) for text in done for finding in screen(text)) if numbers.given else False
    broken = any(_is_json(before) and not _is_json(after) for before, after in zip(texts, done, strict=True))
    return Redacted(tuple(done), dict(sorted(numbers.given.items())), not left and not broken)


class _Numbers:
    """Which placeholder stands for which value."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.given: Counter[str] = Counter()
        self._known: dict[tuple[str, str], str] = {}
        self._last: Counter[str] = Counter()
        for text in texts:
            for label, number in _NUMBERED.findall(text):
                self._last[label] = max(self._last[label], int(number))

    def placeholder(self, finding: Finding, value: str) -> str:
        label = "SECRET" if finding.kind == "secret" else _LABELS.get(finding.name, "ID")
        folded = value.casefold()
        key = label, folded if label == "EMAIL" else "".join(c for c in folded if c.isalnum())
        if key not in self._known:
            self._last[label] += 1
            self._known[key] = f"<{label}_{self._last[label]}>"
            self.given[finding.name] += 1
        return self._known[key]


def _with(names: set[str], text: str, found: list[Finding]) -> list[Finding]:
    """The findings and the other places of the names, from left to right, none overlapping another."""
    also = [
        Finding("pii", "name", *match.span())
        for name in sorted(names, key=len, reverse=True)
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    kept: list[Finding] = []
    for finding in sorted([*found, *also], key=lambda f: (f.start, -f.end)):
        if kept and finding.start < kept[-1].end:
            continue
        kept.append(finding)
    return kept


def _replace(text: str, found: list[Finding], numbers: _Numbers) -> str:
    parts, at = [], 0
    for finding in found:
        parts += [text[at : finding.start], numbers.placeholder(finding, text[finding.start : finding.end])]
        at = finding.end
    return "".join([*parts, text[at:]])


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
