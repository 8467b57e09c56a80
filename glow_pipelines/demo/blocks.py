"""What a report is made of, whatever it is shown on.

Belongs here: the few kinds of block, and making text of unknown origin harmless to look at. Does not: what is said
(sections), how it looks in a terminal (report) or in a browser (html).
"""

import difflib
import unicodedata
from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "plain"]
"""Colour of a verdict. Only what was shown to be better is good; kept, dropped and undecided are plain."""

MOST_TEXT = 600
MOST_LINE = 240
MOST_LINES = 240
_JOINERS = "\u200c\u200d"  # invisible, but words of Persian and Hindi need them


@dataclass(frozen=True)
class Mark:
    """A verdict in words. The words alone must do: the tone only repeats them."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Text:
    """A paragraph, led by its verdict if it has one."""

    text: str
    lead: Mark | None = None


@dataclass(frozen=True)
class Items:
    """Names and what is said of each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell names its row. The last `page_only` columns are too much for a terminal."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Mark, ...], ...]
    page_only: int = 0


@dataclass(frozen=True)
class Diff:
    """Lines that begin with "+", "-" or a blank."""

    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Whisker:
    """A value from 0 to 1 with its limits. `kind` is its role: what is in force, what was tried, any other."""

    label: str
    shown: str
    value: float
    low: float
    high: float
    kind: Literal["in force", "tried", "other"] = "other"


@dataclass(frozen=True)
class Plot:
    """Intervals on a common axis from 0 to 1, in percent if `percent`. `page_only`: a table says it in a terminal."""

    caption: str
    whiskers: tuple[Whisker, ...]
    percent: bool = True
    page_only: bool = False


Block = Text | Items | Table | Diff | Plot


@dataclass(frozen=True)
class Section:
    """Blocks under a title; level 2 is a chapter, level 3 a part of the chapter before it."""

    title: str
    blocks: tuple[Block, ...]
    level: Literal[2, 3] = 2


def clean(text: object, most: int = MOST_TEXT) -> str:
    """One line of at most `most` characters without control, direction and invisible characters.

    What is taken out leaves a visible mark: a reviewer should see that a text tried something.
    """
    line = str(text)
    cut = line if len(line) <= most else line[: most - 1] + "…"
    return "".join(_harmless(character) for character in cut)


def diff(before: str, after: str) -> tuple[str, ...]:
    """All lines of both texts; long texts are cut first, since matching is quadratic in the lines."""
    old, new = _lines(before), _lines(after)
    # Two header lines and one hunk line come first: as much context as there are lines leaves exactly one hunk.
    changed = list(difflib.unified_diff(old, new, lineterm="", n=len(old) + len(new)))[3:]
    return tuple(changed or [f" {line}" for line in new])


def _lines(text: str) -> list[str]:
    lines = [clean(line, MOST_LINE) for line in text.split("\n")]
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} more lines"]


def _harmless(character: str) -> str:
    if character in "\n\t ":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS
    return "\N{REPLACEMENT CHARACTER}" if hidden else character
