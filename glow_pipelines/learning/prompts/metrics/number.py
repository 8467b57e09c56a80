"""Reading numbers as people write them, and refusing to guess.

Belongs here: one text -> one number with what was stated about it. What may mean two things (1,234 where the convention
is unknown, two numbers, a date, a range) is no number: a lucky reading would be counted as knowledge. Does not belong
here: when two numbers are equal (numeric).
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Convention = Literal["auto", "point", "comma"]
Take = Literal["only", "first", "last"]

LONGEST = 10_000
"""Characters read at most: a longer text is no number."""

_CODES = (
    *("USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "SGD", "HKD", "KRW", "TRY", "ILS", "AED", "SAR"),
)
_SYMBOLS = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "₺": "TRY", "₪": "ILS", "zł": "PLN", "US$": "USD"}
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_MINUS = "-\N{MINUS SIGN}\N{EN DASH}\N{FIGURE DASH}"
# No-break, thin and narrow blanks between digits can only group them; a plain blank may also part two numbers.
_JOINING = re.compile(
    "(?<=[0-9])[\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}\N{RIGHT SINGLE QUOTATION MARK}](?=[0-9])"
)
_RUN = re.compile(r"(?:[0-9]|[.,](?=[0-9]))[0-9.,']*(?:[eE][+-]?[0-9]{1,2}(?![0-9A-Za-z]))?")
_GROUPS = re.compile(r"[0-9]{1,3}(?:([.,'])[0-9]{3})(?:\1[0-9]{3})*")
_LAKHS = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
_MONEY = re.compile(r"(?:\b(?:" + "|".join(_CODES) + r")|US\$|zł|[^\W\d_]{0,3}(?:[$¢£¥₠-⃀]))")


@dataclass(frozen=True)
class Number:
    """What a text states: the value, how many decimals were written, whether a percent sign, which currency."""

    value: Decimal
    decimals: int
    percent: bool = False
    currency: str | None = None


def parse_number(text: str, convention: Convention = "auto", take: Take = "only") -> Number | None:
    """The number in a text, or None when there is none, or more than one reading of it.

    `convention` says what a point and a comma are; 'auto' reads only what has one reading (1.234,50 and 1,234.50, but
    not 1,234). `take` says which number when words and several numbers are allowed. Brackets around the whole text, and
    currency signs, mean a negative amount.
    """
    if len(text) > LONGEST:
        return None
    plain = _plain(text)
    if (inner := _bracketed(plain)) is not None:
        found = parse_number(inner, convention)
        return None if found is None or found.value < 0 else _negative(found)
    runs = list(_RUN.finditer(plain))
    if not runs or (take == "only" and len(runs) > 1):
        return None
    run = runs[0] if take == "first" else runs[-1]
    return _read(plain, run.start(), run.end(), convention)


def _read(text: str, start: int, end: int, convention: Convention) -> Number | None:
    while text[end - 1] in ".,'":  # the end of a sentence or of a clause
        end -= 1
    digits = _digits(text[start:end], convention)
    before, after = text[:start], text[end:]
    sign, before = _sign(before)
    currency, before = _money_before(before)
    if sign == 1 and currency:
        sign, before = _sign(before)
    percent = after.lstrip(" ").startswith("%")
    after = after.lstrip(" ").removeprefix("%") if percent else after
    scale, after = _scale(after)
    behind, after = _money_after(after)
    if digits is None or (currency and behind and currency != behind) or _touches(before, after):
        return None
    value, decimals = digits
    return Number(sign * value.scaleb(scale), max(0, decimals - scale), percent, currency or behind)


def _plain(text: str) -> str:
    """ASCII digits, one kind of joining blank (an apostrophe), one minus."""
    shown = _JOINING.sub("'", "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text))
    folded = unicodedata.normalize("NFKC", shown)
    unmarked = re.sub(
        r"(?<![0-9 ])\*\*(?! )|(?<! )\*\*(?![0-9 ])|`+", "", folded
    )  # the emphasis of Markdown; a power stays two numbers
    return " ".join("".join("-" if c in _MINUS else c for c in unmarked).split())


def _bracketed(text: str) -> str | None:
    """What stands in brackets when they hold the whole text, currency before or behind aside."""
    match = re.fullmatch(r"([^()0-9]{0,5})\(([^()]{1,100})\)([^()0-9]{0,5})", text)
    if match is None:
        return None
    before, inner, behind = (part.strip() for part in match.groups())
    outside = [part for part in (before, behind.removeprefix("%").strip()) if part]
    if any(_MONEY.fullmatch(part) is None for part in outside):
        return None
    bare = re.fullmatch(rf"(?:{_MONEY.pattern})? ?[0-9][0-9.,']* ?%? ?(?:{_MONEY.pattern})?", inner)
    return f"{before}{inner}{behind}" if bare else None


def _negative(number: Number) -> Number:
    return Number(-number.value, number.decimals, number.percent, number.currency)


def _digits(run: str, convention: Convention) -> tuple[Decimal, int] | None:
    """Value and decimals of digits with separators, when they have one reading."""
    body, _, power = run.lower().partition("e")
    whole, point, rest = _parted(body, convention)
    if whole is None:
        return None
    grouped = _GROUPS.fullmatch(whole) or _LAKHS.fullmatch(whole)
    if not (whole == "" or whole.isdigit() or (grouped and whole[0] != "0")) or (point and not rest.isdigit()):
        return None
    if grouped and point and point in whole:
        return None
    text = re.sub("[.,']", "", whole) or "0"
    return Decimal(f"{text}.{rest or '0'}e{power or 0}"), max(0, len(rest) - int(power or 0))


def _parted(body: str, convention: Convention) -> tuple[str | None, str, str]:
    """Whole part, decimal mark, decimals; (None, '', '') when it is not known which mark is which."""
    if convention != "auto":
        mark = "." if convention == "point" else ","
        whole, point, rest = body.partition(mark)
        return whole, point, rest
    marks = [c for c in body if c in ".,"]
    if not marks:
        return body, "", ""
    last = marks[-1]
    whole, _, rest = body.rpartition(last)
    if marks.count(last) > 1:
        return (body, "", "") if len(set(marks)) == 1 else (None, "", "")
    if len(marks) > 1 or "'" in whole or len(rest) != 3 or len(whole) > 3 or whole in ("", "0"):
        return whole, last, rest
    return None, "", ""  # 1,234 and 1.234: a thousand or one and a bit


def _sign(before: str) -> tuple[int, str]:
    stripped = before.rstrip(" ")
    if not stripped.endswith(("-", "+")):
        return 1, before
    # A dash behind a word or a digit parts or joins; "5 - 3" and "B-12" are not minus three and minus twelve.
    ahead = stripped[:-1]
    if ahead.rstrip(" ")[-1:].isdigit() or ahead[-1:].isalpha() or ahead.endswith(("-", "+")):
        return 1, before
    if stripped != before:  # "- 5" may be an item of a list
        return 1, before
    return (-1 if stripped.endswith("-") else 1), ahead


def _money_before(before: str) -> tuple[str | None, str]:
    stripped = before.rstrip(" ")
    match = re.search(rf"{_MONEY.pattern}$", stripped[-8:])
    if match is None:
        return None, before
    found = match.group()
    return _SYMBOLS.get(found, found), stripped[: len(stripped) - len(found)]


def _money_after(after: str) -> tuple[str | None, str]:
    stripped = after.lstrip(" ")
    match = re.match(rf"{_MONEY.pattern}(?![A-Za-z])", stripped)
    if match is None:
        return None, after
    return _SYMBOLS.get(match.group(), match.group()), stripped[match.end() :]


def _scale(after: str) -> tuple[int, str]:
    match = re.match(r" ?([A-Za-z]+)", after)
    if match is None or match.group(1).lower() not in _SCALES:
        return 0, after
    return _SCALES[match.group(1).lower()], after[match.end() :]


def _touches(before: str, after: str) -> bool:
    """Whether what stands directly beside the number makes it part of something else."""
    if before[-1:].isalnum() or before[-1:] in tuple("_#/:*^(") or after[:1].isalnum():
        return True
    if re.match(r"[-+/:^*_)%]|\.[0-9A-Za-z]", after) or re.match(r" ?(?:CR|DR)\b| [-+/*^x×=] ?[0-9]", after):
        return True
    return before.rstrip(" ")[-1:] in tuple("-+/*^")
