"""Finding erased texts in other texts.

Belongs here: when a text quotes an erased one, and what is put in its place. Does not: where texts lie (leaves, files).

Compared are words: letters and digits without case, everything between them one blank. Markdown's backslashes, HTML's
markup, cut-off ends and other spacing change nothing then.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

ERASED = "[erased]"
WINDOW = 24
"""Characters in a row that make a quotation. Two people's texts share fewer by chance; a sample is cut at 120."""
_GRAM = 12
_STEP = WINDOW - _GRAM + 1  # every window of 24 holds a whole gram that begins at a multiple of 13
_SHORTEST = 6
"""Below it a text or id ("17", "yes") is found only where it is the whole value: it is in half of all lines."""
NAMING = frozenset({"reviewer", "reviewers", "user", "person", "expert", "measure"})
"""Columns of Markdown tables whose cells are names, several between commas: even the shortest is found there."""
_WORD = re.compile(r"[^\W_]+")
_CELL = re.compile(r"(?<!\\)\|")
_ADDED = re.compile(r" \\\([a-z]+\\\)$")  # "tone \\(ordinal\\)"


def words(text: str) -> str:
    """The words of a text with a blank before, between and after them."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


class Traces:
    """Ids and texts to look for, and names that are found as whole values only.

    Building it costs some hundred bytes for each character; asking, about 1 µs for 10."""

    def __init__(self, ids: Iterable[str], texts: Iterable[str], names: Iterable[str] = ()) -> None:
        plain = {words(each) for each in texts} - {"  "}
        named = {words(each) for each in ids} - {"  "}
        self._long = [each.strip() for each in plain if len(each) - 2 >= WINDOW]
        whole = {each for each in plain if len(each) - 2 < WINDOW} | named
        self._whole = frozenset(whole | {words(each) for each in names} - {"  "})
        self._short: dict[str, list[str]] = defaultdict(list)
        for each in whole:
            if len(each) - 2 >= _SHORTEST:
                self._short[each[:_SHORTEST]].append(each)

    def __bool__(self) -> bool:
        return bool(self._long or self._whole)

    @cached_property
    def _grams(self) -> dict[str, list[tuple[int, int]]]:
        """Every gram of the long texts → where: (text, place)."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, text in enumerate(self._long):
            for place in range(len(text) - _GRAM + 1):
                places = found[text[place : place + _GRAM]]
                if len(places) < 64:  # "------------" of a megabyte
                    places.append((number, place))
        return found

    def quoted_by(self, text: str) -> bool:
        """Whether a text holds an erased id or text, or `WINDOW` characters of one in a row."""
        return next(self._spans(words(text)), None) is not None

    def quoting_lines(self, text: str) -> set[int]:
        """The lines, from 0, that have part in a quotation: of one over several lines all of them."""
        lines: list[int] = []
        starts: list[int] = []
        at = 1
        for number, line in enumerate(text.split("\n")):
            for word in _WORD.findall(line.casefold()):
                lines.append(number)
                starts.append(at)
                at += len(word) + 1
        found: set[int] = set()
        for begin, end in self._spans(words(text)):
            first = max(0, bisect_right(starts, begin) - 1)
            found.update(lines[first : bisect_left(starts, end)])
        return found | self._naming_rows(text)

    def _naming_rows(self, text: str) -> set[int]:
        """Rows of Markdown tables with an erased id or name in a column of names."""
        found: set[int] = set()
        naming: list[int] = []
        inside = False
        for number, line in enumerate(text.split("\n")):
            if not line.startswith("|"):
                inside = False
                continue
            cells = [cell.strip() for cell in _CELL.split(line)]
            if not inside:
                naming = [place for place, cell in enumerate(cells) if cell in NAMING]
            elif any(self._named_by(cells[at]) for at in naming if at < len(cells)):
                found.add(number)
            inside = True
        return found

    def _named_by(self, cell: str) -> bool:
        """Whether a cell of names holds an erased one, also one with commas, also one that was cut."""
        parts = _ADDED.sub("", cell).split(",")
        names = [words(",".join(parts[a:b])) for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)]
        if any(name in self._whole for name in names):
            return True
        cut = [name.rstrip() for name in names if cell.endswith("…") and len(name) > WINDOW]
        return bool(cut) and any(each.startswith(tuple(cut)) for each in self._whole)

    def without(self, text: str) -> str:
        """The text with `[erased]` for every line that quotes; for all of it, where lines alone do not help."""
        quoting = self.quoting_lines(text)
        if not quoting:
            return text
        lines = text.split("\n")
        if len(lines) > 1:
            kept = "\n".join(_emptied(line) if number in quoting else line for number, line in enumerate(lines))
            if not self.quoted_by(kept):
                return kept
        return ERASED

    def _spans(self, given: str) -> Iterator[tuple[int, int]]:
        """Where a text's words quote: from, to."""
        if given in self._whole:
            yield 0, len(given)
            return
        place = given.find(" ") if self._short else -1
        while place >= 0:
            for each in self._short.get(given[place : place + _SHORTEST], ()):
                if given.startswith(each, place):
                    yield place, place + len(each)
            place = given.find(" ", place + 1)
        if not self._long:
            return
        behind = 0
        for place in range(0, len(given) - _GRAM + 1, _STEP):
            if place + _GRAM > behind and (at := self._grams.get(given[place : place + _GRAM])):
                begin, end = max((self._window(given, place, *each) for each in at), key=lambda span: span[1] - span[0])
                if end - begin >= WINDOW:
                    yield begin, end
                    behind = end

    def _window(self, given: str, place: int, number: int, at: int) -> tuple[int, int]:
        """The longest common piece around a gram that is at `place` here and at `at` there."""
        text = self._long[number]
        back = 0
        while back < min(place, at) and given[place - back - 1] == text[at - back - 1]:
            back += 1
        ahead, most = _GRAM, min(len(given) - place, len(text) - at)
        while ahead < most and given[place + ahead] == text[at + ahead]:
            ahead += 1
        return place - back, place + ahead


def _emptied(line: str) -> str:
    """A row of a Markdown table stays one, a line of a diff keeps its sign."""
    return f"| {ERASED} |" if line.startswith("|") else f"{line[:1]}{ERASED}" if line[:1] in "+-" else ERASED
