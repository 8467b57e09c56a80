"""What training costs: a dated table. Prices move; verify one before money is spent and replace it with its date.

Reserving and settling money belongs to the budget ledger.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

_SEEN = date(2026, 11, 22)
STALE_AFTER_DAYS: Final = 90


@dataclass(frozen=True)
class Price:
    """List price of training tokens for base models whose name begins with `prefix`, as seen on the day `as_of`.

    Where `billions` is set it holds for models of up to that many billion parameters, read off their name.
    """

    provider: str
    prefix: str
    usd_per_million_tokens: float
    as_of: date
    billions: float | None = None

    def is_stale(self, today: date) -> bool:
        """Whether the price was last seen too long ago to be believed."""
        return (today - self.as_of).days > STALE_AFTER_DAYS


PRICES = (
    Price("openai", "gpt-4o-mini", 3.0, _SEEN),
    Price("openai", "gpt-4o", 25.0, _SEEN),
    Price("together", "", 0.50, _SEEN, billions=16),
    Price("fireworks", "", 0.50, _SEEN, billions=16),
    Price("fireworks", "", 3.00, _SEEN, billions=80),
    Price("fireworks", "accounts/fireworks/models/deepseek", 10.00, _SEEN),
    Price("local", "", 0.0, _SEEN),
)
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:[.p]\d+)?)b(?![a-z0-9])", re.IGNORECASE)


def price_of(provider: str, base_model: str) -> Price | None:
    """The price with the longest matching prefix, then the smallest fitting size.

    None where the table has none: an unknown price is not a price of zero. So is the price by size of a model whose
    name does not tell it.
    """
    fitting = [
        price
        for price in PRICES
        if price.provider == provider and base_model.startswith(price.prefix) and _fits(price, base_model)
    ]
    return min(fitting, key=lambda price: (-len(price.prefix), price.billions or 0), default=None)


def billions_of(base_model: str) -> float | None:
    """Billions of parameters as the name tells them (8B, 1p5b, 8x7b); None where it does not. The largest counts."""
    sizes = [float(size.lower().replace("p", ".")) * float(experts or 1) for experts, size in _SIZE.findall(base_model)]
    return max(sizes, default=None)


def _fits(price: Price, base_model: str) -> bool:
    return price.billions is None or ((size := billions_of(base_model)) is not None and size <= price.billions)
