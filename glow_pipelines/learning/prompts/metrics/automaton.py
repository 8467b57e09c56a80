"""Regular expressions that cannot run away: all alternatives at once, one character after the other.

Belongs here: a matcher whose time is (length of the text) x (states of the pattern), for every pattern and every text;
a backtracking one needs 2^n steps for (a+)+b. Thompson's construction (K. Thompson, CACM 11(6), 1968). What it cannot
do in linear time (backreferences, look-around) is refused. Does not belong here: metrics.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST = 10_000
"""Characters of a text looked at; a longer one is neither matched nor not."""
MOST_STATES = 400
"""Of one pattern, repetitions written out: with LONGEST at most four million steps, a few seconds."""
DEEPEST = 50

Accepts = Callable[[str], bool]


class PatternError(ValueError):
    """What is accepted instead of this pattern."""


@dataclass
class _State:
    """One step: a character that `accepts` takes leads to `after[0]`; without it all of `after` follow at once.

    `where` is a condition on the place: ^, $, \\b or \\B.
    """

    accepts: Accepts | None = None
    where: str = ""
    after: list[int] = field(default_factory=list)


@dataclass
class _Part:
    """A piece of the automaton: where it begins, and the one state where it ends."""

    start: int
    end: int


class Automaton:
    """A compiled pattern: literals, `.`, classes, \\d \\w \\s \\b ^ $, groups, | and * + ? {m,n}. `$` is
    the very end.

    Raises PatternError naming what is accepted.
    """

    def __init__(self, pattern: str, ignore_case: bool = False) -> None:
        try:
            # "[[" may one day mean more to re than it does now, and it warns of that.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as wrong:
            raise PatternError(f"a regular expression ({wrong})") from None
        self._states: list[_State] = []
        self._ignore_case = ignore_case
        self._pattern, self._at, self._depth = pattern, 0, 0
        whole = self._either()
        if self._at < len(pattern):
            raise PatternError(f"balanced brackets; at {self._at} is {pattern[self._at]!r}")
        self._start, self._end = whole.start, whole.end

    def matches(self, text: str, full: bool = False) -> bool | None:
        """Whether the pattern occurs in the text, or is all of it; None when the text is too long to look at."""
        if len(text) > LONGEST:
            return None
        now: set[int] = set()
        for at in range(len(text) + 1):
            before, character = text[at - 1 : at], text[at : at + 1]
            starts = {self._start} if at == 0 or not full else set()
            now = self._follow(now | starts, before, character, character == "")
            if self._end in now and (not full or not character):
                return True
            now = {
                state.after[0]
                for state in map(self._states.__getitem__, now)
                if character and state.accepts is not None and state.accepts(character)
            }
        return False

    def _follow(self, states: set[int], before: str, after: str, last: bool) -> set[int]:
        """All states reached without taking a character."""
        reached, waiting = set(states), list(states)
        while waiting:
            state = self._states[waiting.pop()]
            if state.accepts is None and _holds(state.where, before, after):
                fresh = [each for each in state.after if each not in reached]
                reached.update(fresh)
                waiting += fresh
        return reached

    def _new(self, accepts: Accepts | None = None, where: str = "") -> int:
        if len(self._states) >= MOST_STATES:
            raise PatternError(f"a pattern of at most {MOST_STATES} steps, repetitions written out")
        self._states.append(_State(accepts, where))
        return len(self._states) - 1

    def _link(self, one: int, other: int) -> None:
        self._states[one].after.append(other)

    def _either(self) -> _Part:
        start, end = self._new(), self._new()
        while True:
            branch = self._sequence()
            self._link(start, branch.start)
            self._link(branch.end, end)
            if self._peek() != "|":
                return _Part(start, end)
            self._at += 1

    def _sequence(self) -> _Part:
        start = end = self._new()
        while self._peek() not in ("", "|", ")"):
            begins = self._at
            piece = self._atom()
            piece = self._repeated(piece, begins)
            self._link(end, piece.start)
            end = piece.end
        return _Part(start, end)

    def _atom(self) -> _Part:
        character = self._take()
        if character == "(":
            return self._group()
        if character in "^$":
            return self._place(character)
        if character == "[":
            return self._one_of(self._class())
        if character == ".":
            return self._one_of(".")
        if character != "\\":
            return self._one_of(re.escape(character))
        escaped = self._take()
        if escaped in "bB":
            return self._place("\\" + escaped)
        if escaped in "dDwWsSntrfv" or not escaped.isalnum():
            return self._one_of("\\" + escaped)
        raise PatternError(f"no \\{escaped}: a backreference or an escape not known here")

    def _group(self) -> _Part:
        if self._peek() == "?":
            if not self._pattern.startswith("?:", self._at):
                raise PatternError("groups (…) and (?:…), but no look-around, names or flags")
            self._at += 2
        self._depth += 1
        if self._depth > DEEPEST:
            raise PatternError(f"groups at most {DEEPEST} deep")
        part = self._either()
        self._depth -= 1
        self._at += 1  # the closing bracket: re.compile has seen it
        return part

    def _class(self) -> str:
        start = self._at - 1
        self._at += self._peek() == "^"
        self._at += self._peek() == "]"
        while self._peek() != "]":
            self._at += 2 if self._peek() == "\\" else 1
        self._at += 1
        return self._pattern[start : self._at]

    def _one_of(self, pattern: str) -> _Part:
        """One character, decided by `re` on that character alone."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            takes = re.compile(pattern, re.IGNORECASE if self._ignore_case else 0).fullmatch
        start, end = self._new(lambda character: takes(character) is not None), self._new()
        self._link(start, end)
        return _Part(start, end)

    def _place(self, where: str) -> _Part:
        start, end = self._new(where=where), self._new()
        self._link(start, end)
        return _Part(start, end)

    def _repeated(self, part: _Part, begins: int) -> _Part:
        low, high = self._counts()
        after = self._at
        if (low, high) == (1, 1):
            return part
        first, start = True, self._new()
        end = start

        def copy() -> _Part:
            nonlocal first
            if first:
                first = False
                return part
            self._at = begins
            again = self._atom()
            self._at = after
            return again

        for _ in range(low):
            piece = copy()
            self._link(end, piece.start)
            end = piece.end
        if high is None:
            piece, out = copy(), self._new()
            for one, other in ((end, piece.start), (end, out), (piece.end, piece.start), (piece.end, out)):
                self._link(one, other)
            return _Part(start, out)
        out = self._new()
        for _ in range(high - low):
            self._link(end, out)
            piece = copy()
            self._link(end, piece.start)
            end = piece.end
        self._link(end, out)
        return _Part(start, out)

    def _counts(self) -> tuple[int, int | None]:
        match = re.compile(r"[*+?]|\{([0-9]*)(,?)([0-9]*)\}").match(self._pattern, self._at)
        if match is None or match.group() == "{}":
            return 1, 1
        self._at = match.end()
        if self._peek() in ("?", "+"):  # lazy or possessive
            if self._peek() == "+":
                raise PatternError("no possessive repetition")
            self._at += 1
        short = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if match.group() in short:
            return short[match.group()]
        low, comma, high = match.groups()
        most = None if comma and not high else int(high or low)
        return int(low or 0), most

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        return character


def _holds(where: str, before: str, after: str) -> bool:
    if where in ("\\b", "\\B"):
        border = _in_word(before) != _in_word(after)
        return border if where == "\\b" else not border
    return {"": True, "^": not before, "$": not after}[where]


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
