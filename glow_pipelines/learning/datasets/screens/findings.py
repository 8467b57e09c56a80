"""What a rule is and what it finds.

Belongs here: `Finding`, `Rule`. Does not belong here: any rule.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FindingKind = Literal["injection", "secret", "pii"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found and where: `text[start:end]`. Never the text itself: findings are shown and stored."""

    kind: FindingKind
    name: str
    start: int
    end: int


def whole(match: re.Match[str]) -> Span | None:
    """All of the match is the finding."""
    return match.span()


def value(match: re.Match[str]) -> Span | None:
    """The group `value` is the finding; what stands before it only says that it is one."""
    return match.span("value")


def stems(words: str) -> frozenset[str]:
    """The beginnings of words for `Rule.words`, given with spaces between them."""
    return frozenset(words.split())


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, a check of what matched that answers the span of the finding or None, and when to run it at all.

    Most texts hold nothing, and running sixty patterns to find that out took nine tenths of the time. So a rule says
    what a text must have, all of it: one of `words` and one of `also` as the first four letters of a word; one of
    `hints` anywhere (in lower case without accents); something of `long` characters without a space; `digits` in a row,
    with what people put between them: then the pattern is run around such rows only, from `reach[0]` characters before
    to `reach[1]` behind. `folded`: the pattern is in lower case, too.
    """

    kind: FindingKind
    name: str
    pattern: re.Pattern[str]
    check: Callable[[re.Match[str]], Span | None] = whole
    words: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    hints: tuple[str, ...] = ()
    long: int = 0
    digits: int = 0
    reach: tuple[int, int] = (1, 3)
    folded: bool = False
