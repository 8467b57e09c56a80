"""How the text of an environment variable becomes a value: parsers, and the accepted form each of them names.

What a setting means and its default belong to settings.py. Nothing here reads the environment.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_CRON_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    (0, 7, {name: i for i, name in enumerate(_DAYS)}),
)
_POSTGRES_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"}


@dataclass(frozen=True)
class Parser:
    """`read` turns text into a value or raises ValueError; `form` is how a person is told what would be accepted."""

    form: str
    read: Callable[[str], Any]


def _boolean(text: str) -> bool:
    if (value := _WORDS.get(text.lower())) is None:
        raise ValueError(text)
    return value


def whole(low: int, high: int) -> Parser:
    """An integer in [low, high]."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not low <= (value := int(text)) <= high:
            raise ValueError(text)
        return value

    return Parser(f"a whole number from {low} to {high}", read)


def number(low: float, high: float, *, open_ends: bool = False) -> Parser:
    """A decimal in [low, high], or strictly between them; never nan or infinite (both would pass a one-sided check)."""

    def read(text: str) -> float:
        value = float(text)
        inside = low < value < high if open_ends else low <= value <= high
        if not inside:
            raise ValueError(text)
        return value

    return Parser(
        f"a number {'strictly between' if open_ends else 'from'} {low:g} {'and' if open_ends else 'to'} {high:g}", read
    )


def choice(*words: str) -> Parser:
    """One of the words, exactly."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Parser(" or ".join(words), read)


def _cron_number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names[text.lower()] if text.lower() in names else int(text) if re.fullmatch("[0-9]{1,2}", text) else -1
    if not low <= value <= high:
        raise ValueError(text)
    return value


def _cron_part(part: str, low: int, high: int, names: dict[str, int]) -> None:
    span, slash, step = part.partition("/")
    if slash and not (re.fullmatch("[0-9]{1,2}", step) and int(step) >= 1):
        raise ValueError(part)
    if span == "*":
        return
    first, dash, last = span.partition("-")
    start = _cron_number(first, low, high, names)
    if dash and _cron_number(last, low, high, names) < start:
        raise ValueError(part)


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(text)
    for field, (low, high, names) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            _cron_part(part, low, high, names)
    return " ".join(fields)


def _postgres(text: str) -> str:
    """The libpq spelling, whatever driver was named: who opens the connection names the driver."""
    parts = urlsplit(text)
    if parts.scheme not in _POSTGRES_SCHEMES or not parts.path.strip("/") or "/" in parts.path[1:]:
        raise ValueError(text)
    _ = parts.port  # a port that is no number raises only when it is read
    return urlunsplit(parts._replace(scheme="postgresql"))


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:  # "~name" of nobody
        raise ValueError(text) from problem


def _http(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(text)
    _ = parts.port
    return text.rstrip("/")


def _time_zone(text: str) -> str:
    if text != "UTC":  # always there, even without a time zone database
        try:
            ZoneInfo(text)
        except (OSError, LookupError) as problem:
            raise ValueError(text) from problem
    return text


def _prices(text: str) -> tuple[float, float]:
    prompt, slash, completion = text.partition("/")
    found = (float(prompt), float(completion))
    if not slash or not all(0 <= price < 1e6 for price in found):
        raise ValueError(text)
    return found


BOOLEAN = Parser("true or false (also 1/0, yes/no, on/off)", _boolean)
CRON = Parser('five cron fields: minute hour day month weekday, such as "0 2 * * *"', _cron)
POSTGRES = Parser("postgresql://user:password@host:port/database", _postgres)
HTTP = Parser("http(s)://host[:port]/path, without user or password in it", _http)
TIME_ZONE = Parser("a name of the IANA time zone database, such as Europe/Kigali", _time_zone)
PATH = Parser("a path", _path)
PRICES = Parser("two prices in US dollars per million tokens, prompt/completion, such as 0.15/0.60", _prices)
TEXT = Parser("text", str)
