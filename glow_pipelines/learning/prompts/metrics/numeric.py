"""`numeric`: whether the answer states the target's number.

Belongs here: when two numbers are equal. Does not belong here: reading them (number).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.number import Convention, Number, Take, parse_number
from glow_pipelines.learning.prompts.metrics.settings import Settings
from glow_pipelines.learning.prompts.metrics.text import normalize


def numeric(settings: Mapping[str, Any] | None = None) -> Metric:
    """1.0 when the answer's number equals the target's within the relative tolerance, or rounds to its decimals.

    Settings: `tolerance`, relative to the target (1e-4); `decimals` 'stated' (as many as the target writes, when it
    writes any; the default), 'ignore', or a number of them for all; `convention` 'auto', 'point' (1,234.5) or 'comma'
    (1.234,5); `percent` 'number' (5 % is 5, the default), 'fraction' (5 % is 0.05) or 'strict' (a sign on one side
    only is wrong); `take` 'only' (the answer holds one number, the default), 'first' or 'last'. Two different
    currencies are never equal; a side without one says nothing. The target holds one number, whatever `take` says.
    """
    read = Settings("numeric", settings)
    tolerance = Decimal(repr(read.number("tolerance", 0, 1, 1e-4)))
    convention = cast(Convention, read.choice("convention", ("auto", "point", "comma"), "auto"))
    percent = read.choice("percent", ("number", "fraction", "strict"), "number")
    take = cast(Take, read.choice("take", ("only", "first", "last"), "only"))
    decimals = _decimals(read)
    given = read.finish()

    def value(number: Number) -> Decimal:
        return number.value / 100 if percent == "fraction" and number.percent else number.value

    def score(answer: str, target: str) -> float:
        if normalize(answer) == normalize(target):  # whatever it means, it is the same
            return 1.0
        said, right = parse_number(answer, convention, take), parse_number(target, convention)
        if said is None or right is None or not _same_money(said.currency, right.currency):
            return 0.0
        if percent == "strict" and said.percent != right.percent:
            return 0.0
        places = right.decimals if decimals == "stated" else decimals
        rounding = Decimal(0)
        if isinstance(places, int) and (places > 0 or decimals != "stated"):
            rounding = Decimal(5).scaleb(-places - 1)
            rounding = rounding / 100 if percent == "fraction" and right.percent else rounding
        return float(abs(value(said) - value(right)) <= max(tolerance * abs(value(right)), rounding))

    return Metric(
        "numeric", 1, score, settings=given, valid=lambda answer: parse_number(answer, convention, take) is not None
    )


def _decimals(read: Settings) -> int | str:
    """'stated', 'ignore', or a number of decimals."""
    value = read.any("decimals", "stated")
    if value in ("stated", "ignore") or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 20):
        return cast(int | str, value)
    raise read.wrong("decimals", value, "'stated', 'ignore' or a whole number from 0 to 20")


def _same_money(one: str | None, other: str | None) -> bool:
    """A dollar sign may be any dollar, a yen sign the yen or the yuan."""
    if one is None or other is None or one == other:
        return True
    loose = {"$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"), "¥": ("JPY", "CNY")}
    return other in loose.get(one, ()) or one in loose.get(other, ())
