"""Numbers of the report in words.

Belongs here: how a share, an interval, a gain is written, and what is written where there is none. Does not: which
numbers are shown where (sections).

An interval is a JSON object with `low`, `high` and `estimate` (or `value`); anything in it may be missing.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from glow_pipelines.demo.blocks import Whisker

NONE = "no data yet"


def number(value: Any) -> float | None:
    """A finite number, or None for whatever else a figure may be."""
    try:
        found = float(value)  # also Decimal, and Decimal written as text, which is how report.json holds it
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def limits(interval: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    """Value, low and high; None unless all are there."""
    given = interval or {}
    value = number(given.get("estimate", given.get("value")))
    low, high = number(given.get("low")), number(given.get("high"))
    return None if value is None or low is None or high is None else (value, low, high)


def share(interval: Mapping[str, Any] | None, digits: int = 1) -> str:
    """21.3 % (14.2–30.6)"""
    found = limits(interval)
    if found is None:
        return NONE
    value, low, high = (f"{100 * each:.{digits}f}" for each in found)
    return f"{value} % ({low}–{high})"


def rate(interval: Mapping[str, Any] | None) -> str:
    """61 % (58–64) of 360"""
    given = interval or {}
    return share(given, 0) if limits(given) is None else f"{share(given, 0)} of {given.get('n', 0):,}"


def points(interval: Mapping[str, Any] | None) -> str:
    """+41.2 points (+30.1 to +52.0)"""
    found = limits(interval)
    if found is None:
        return NONE
    value, low, high = (f"{100 * each:+.1f}" for each in found)
    return f"{value} points ({low} to {high})"


def score(interval: Mapping[str, Any] | None) -> str:
    """0.612 (0.551–0.668)"""
    found = limits(interval)
    return NONE if found is None else "{:.3f} ({:.3f}–{:.3f})".format(*found)


def gain(interval: Mapping[str, Any] | None) -> str:
    """+0.091 (+0.041 to +0.144)"""
    found = limits(interval)
    return NONE if found is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


def against_zero(interval: Mapping[str, Any] | None) -> str:
    """What an interval of a difference allows to say."""
    found = limits(interval)
    if found is None:
        return "no interval is known"
    _, low, high = found
    if low > 0:
        return "the whole interval is above zero"
    return "the whole interval is below zero" if high < 0 else "the interval contains zero: this may be chance"


def amount(value: Any, one: str, many: str | None = None) -> str:
    """1 vote, 1,204 votes; no data counts as none."""
    n = int(number(value) or 0)
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def whisker(
    label: str,
    interval: Mapping[str, Any] | None,
    kind: Literal["in force", "tried", "other"] = "other",
    percent: bool = True,
) -> Whisker | None:
    """An interval to draw; None where there is nothing to draw."""
    found = limits(interval)
    if found is None:
        return None
    value, low, high = (min(1.0, max(0.0, each)) for each in found)
    return Whisker(label, share(interval) if percent else score(interval), value, low, high, kind)


def sentence(text: object) -> str:
    """A reason as a sentence of its own."""
    said = str(text or "").strip() or "No reason is recorded."
    return f"{said[0].upper()}{said[1:]}" + ("" if said[-1] in ".!?" else ".")


def enumerate_words(words: list[str]) -> str:
    """a, b and c"""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
