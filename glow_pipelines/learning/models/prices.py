"""What training costs: a dated table. Prices move; verify one before money is spent and replace it with its date.

Reserving and settling money belongs to the budget ledger.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Price:
    """List price of training tokens for base models whose name begins with `prefix`, as seen on the day `as_of`."""

    provider: str
    prefix: str
    usd_per_million_tokens: float
    as_of: date


PRICES = (
    Price("openai", "gpt-4o-mini", 3.0, date(2026, 11, 22)),
    Price("openai", "gpt-4o", 25.0, date(2026, 11, 22)),
    Price("local", "", 0.0, date(2026, 11, 22)),
)


def price_of(provider: str, base_model: str) -> Price | None:
    """The price with the longest matching prefix, or None: an unknown price is not a price of zero."""
    fitting = [price for price in PRICES if price.provider == provider and base_model.startswith(price.prefix)]
    return max(fitting, key=lambda price: len(price.prefix), default=None)
