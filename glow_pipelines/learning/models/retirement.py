"""Whether a model lives long enough to be trained or kept: the watch over shutdown dates.

A fine-tuned model dies with its base. Belongs here: the rule and the announced dates. Does not: asking the service
(providers/tuning), what is done about a warning (steps).
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

REFUSE_BELOW_DAYS: Final = 90
WARN_BELOW_DAYS: Final = 180


@dataclass(frozen=True)
class Announcement:
    """A shutdown that a provider announced for models whose name begins with `prefix`, as seen on the day `as_of`."""

    provider: str
    prefix: str
    shutdown: date
    as_of: date


_SEEN = date(2026, 11, 22)
ANNOUNCED: Final = (
    Announcement("openai", "gpt-4o", date(2027, 1, 14), _SEEN),
    Announcement("openai", "gpt-4.1", date(2027, 1, 14), _SEEN),
    Announcement("openai", "gpt-4.1-nano", date(2026, 10, 23), _SEEN),
    Announcement("openai", "o4-mini", date(2026, 10, 23), _SEEN),
)


@dataclass(frozen=True)
class Outlook:
    """What is known of a model's end. `days` until then, negative when it is past, None where nothing is announced."""

    verdict: Literal["lasting", "warn", "refuse"]
    shutdown: date | None
    days: int | None
    reason: str


def outlook(
    model: str,
    shutdown: date | None,
    today: date,
    *,
    refuse_below_days: int = REFUSE_BELOW_DAYS,
    warn_below_days: int = WARN_BELOW_DAYS,
) -> Outlook:
    """Whether to train on, or keep serving, a model that shuts down on `shutdown`.

    Fewer than `refuse_below_days` left: nothing new is trained on it. Fewer than `warn_below_days`: it is told.
    """
    if shutdown is None:
        return Outlook("lasting", None, None, f"no shutdown of {model} is announced")
    days = (shutdown - today).days
    when = f"{model} shuts down on {shutdown}, {f'in {days} days' if days >= 0 else f'{-days} days ago'}"
    if days < refuse_below_days:
        return Outlook(
            "refuse", shutdown, days, f"{when}; nothing is trained on it with fewer than {refuse_below_days}"
        )
    if days < warn_below_days:
        return Outlook("warn", shutdown, days, f"{when}; plan its successor")
    return Outlook("lasting", shutdown, days, when)


def announced_shutdown(provider: str, model: str) -> date | None:
    """The announced date of the longest matching prefix, also of a model tuned from it (ft:base:...)."""
    base = model.split(":")[1] if model.startswith("ft:") and model.count(":") >= 2 else model
    fitting = [each for each in ANNOUNCED if each.provider == provider and base.startswith(each.prefix)]
    longest = max(fitting, key=lambda each: len(each.prefix), default=None)
    return longest.shutdown if longest else None


def earliest(*dates: date | None) -> date | None:
    """The first of the dates that are known: of what the service says and what was announced, the sooner counts."""
    return min((each for each in dates if each is not None), default=None)
