"""One pass over a text with every rule.

Belongs here: the order of the rules, and what is looked at first so that most rules need not run. Does not belong here:
the rules themselves, what happens to a hit (redact, screened).
"""

import re
import string
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from glow_pipelines.learning.datasets.screens import credentials, injection, personal
from glow_pipelines.learning.datasets.screens.findings import Finding, Rule, Span
from glow_pipelines.learning.datasets.screens.hidden import (
    BLOB,
    FOLD,
    blobs,
    hidden_characters,
    hidden_markup,
    lay_bare,
)

_LETTERS = dict.fromkeys((ord(c) for c in string.printable if c not in string.ascii_letters), " ")
_LETTERS |= dict.fromkeys((*range(0xA0, 0xC0), 0xD7, 0xF7, *range(0x2010, 0x2060), *range(0x3000, 0x3040)), " ")
_NO_DIGIT = re.compile(r"\D+")
_ROW = re.compile(r"\d[\d .()/–-]{4,}\d")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A text as the rules read it, and what decides which of them run. `rows`: (start, end, digits)."""

    folded: str
    lowered: str
    words: set[str]
    longest: int
    rows: list[tuple[int, int, int]]
    digits: int


class _Rules:
    """Rules in their order, and for each word which of them it may call for."""

    def __init__(self, *rules: Rule) -> None:
        self._rules = rules
        self._always = [at for at, rule in enumerate(rules) if not rule.words]
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for at, rule in enumerate(rules):
            for word in rule.words:
                self._by_word[word].append(at)

    def worth_running(self, words: set[str]) -> list[Rule]:
        called = {at for word in self._by_word.keys() & words for at in self._by_word[word]}
        called = {at for at in called if not self._rules[at].also or not self._rules[at].also.isdisjoint(words)}
        return [self._rules[at] for at in sorted(called.union(self._always))]


_ALL = _Rules(*injection.RULES, *credentials.RULES, *personal.RULES)
_INJECTIONS = _Rules(*injection.RULES)


def screen(text: str) -> tuple[Finding, ...]:
    """Every finding in the text, in the order of the rules; personal data that overlaps is found once.

    Hidden characters are taken out, and look-alikes read as what they look like, before the rules run; spans are those
    of the text as it came. Patterns are bounded: no text makes them explode.
    """
    plain = text.isascii()
    bare, places = (text, None) if plain else lay_bare(text)
    seen = _seen(bare if plain else bare.translate(FOLD))
    found = [] if plain else list(hidden_characters(text))
    inner = list(_by_rules(seen, _ALL))
    if "<" in text:
        inner += hidden_markup(seen.lowered)
    if seen.longest >= BLOB:
        for start, end, said in blobs(seen.folded):
            told = _seen(lay_bare(said)[0].translate(FOLD))
            if next(_by_rules(told, _INJECTIONS), None) is not None:
                inner.append(Finding("injection", "base64", start, end))
    if places is not None:
        inner = [Finding(f.kind, f.name, places[f.start], places[f.end - 1] + 1) for f in inner]
    return (*found, *inner)


def _seen(folded: str) -> _Seen:
    lowered = folded.lower().replace("\n", " ")  # a rule for one sentence, and a line break in it hides nothing
    if len(lowered) != len(folded):
        lowered = "".join(c.lower()[:1] for c in folded)
    rows = [(*row.span(), len(_NO_DIGIT.sub("", row.group()))) for row in _ROW.finditer(folded)]
    return _Seen(
        folded,
        lowered,
        words={word[:4] for word in lowered.translate(_LETTERS).split()},
        longest=max(map(len, folded.split()), default=0),
        rows=rows,
        digits=max((digits for _, _, digits in rows), default=0),
    )


def _by_rules(seen: _Seen, rules: _Rules) -> Iterator[Finding]:
    taken: list[Span] = []  # sorted, none overlapping another
    for rule in rules.worth_running(seen.words):
        if seen.longest < rule.long or seen.digits < rule.digits:
            continue
        if rule.hints and not _any_in(rule.hints, seen.lowered):
            continue
        for match in _matches(rule, seen):
            span = rule.check(match)
            if span is None:
                continue
            if rule.kind == "pii":
                at = bisect(taken, span)
                if (at and taken[at - 1][1] > span[0]) or (at < len(taken) and taken[at][0] < span[1]):
                    continue
                taken.insert(at, span)
            yield Finding(rule.kind, rule.name, *span)


def _any_in(hints: tuple[str, ...], text: str) -> bool:
    for hint in hints:  # noqa: SIM110 -- any() of a generator takes three times as long
        if hint in text:
            return True
    return False


def _matches(rule: Rule, seen: _Seen) -> Iterator[re.Match[str]]:
    text = seen.lowered if rule.folded else seen.folded
    if not rule.digits:
        yield from rule.pattern.finditer(text)
        return
    before, behind = rule.reach
    windows: list[list[int]] = []
    for start, end, digits in seen.rows:
        if digits >= rule.digits:
            if windows and start - before <= windows[-1][1]:
                windows[-1][1] = end + behind
            else:
                windows.append([max(0, start - before), end + behind])
    for begin, end in windows:
        yield from rule.pattern.finditer(text, begin, end)
