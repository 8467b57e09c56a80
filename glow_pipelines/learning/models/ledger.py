"""The rules of the budget for training: what may be reserved under which caps, what settling and releasing write.

Pure: entries in, entries out. Keeping them, under a lock, belongs to the database (glow.reserve_budget), which holds to
the same rules. Entries are only ever added. Money is in US dollars to the millionth, in decimals: with floats a balance
would not be what was settled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Literal

EntryKind = Literal["reserved", "settled", "released"]
_MILLIONTH = Decimal("0.000001")
_SIGNS: dict[EntryKind, int] = {"reserved": 1, "settled": 1, "released": -1}


@dataclass(frozen=True)
class BudgetEntry:
    """One line of the ledger; `usd` is never negative, the kind says which way it counts. `month` is YYYY-MM."""

    run_key: str
    agent: str
    month: str
    kind: EntryKind
    usd: Decimal

    @property
    def signed(self) -> Decimal:
        """What the entry adds to a balance."""
        return _SIGNS[self.kind] * self.usd


@dataclass(frozen=True)
class BudgetCaps:
    """US dollars that may be committed: by one run, by an agent in a month, by the project in a month. None: no cap."""

    run: Decimal | None = None
    agent_month: Decimal | None = None
    project_month: Decimal | None = None


@dataclass(frozen=True)
class Refusal:
    """Why nothing was reserved, for a person to read; `cap` names the cap that it would have overshot, if one."""

    reason: str
    cap: str | None = None


def money(usd: float | int | str | Decimal) -> Decimal:
    """An amount to the millionth, rounded up. Raises ValueError below zero and for what is no finite number."""
    amount = Decimal(str(usd)) if isinstance(usd, float) else Decimal(usd)
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{usd!r} is no amount of money; expected a number of 0 or more")
    return amount.quantize(_MILLIONTH, ROUND_CEILING)


def balance(entries: Iterable[BudgetEntry], *, run_key: str | None = None) -> Decimal:
    """What the entries commit, or those of one run: its reservation while it is open, then exactly what was settled."""
    return sum((each.signed for each in entries if run_key in (None, each.run_key)), Decimal(0))


def is_open(entries: Iterable[BudgetEntry], run_key: str) -> bool:
    """Whether the run has a reservation that was not released."""
    return _held([each for each in entries if each.run_key == run_key]) is not None


def reserve(
    entries: Iterable[BudgetEntry], run_key: str, agent: str, month: str, usd: Decimal | None, caps: BudgetCaps
) -> tuple[BudgetEntry, ...] | Refusal:
    """What to add to the ledger before a job is paid for: one entry, or none where the run's reservation is open.

    `usd` is the most the run is expected to cost; None, an unknown price, is refused while there is any cap. A run that
    was released may reserve again; one that was settled may not, since it was paid for. A refusal adds nothing.
    """
    known = tuple(entries)
    mine = [each for each in known if each.run_key == run_key]
    if any(each.kind == "settled" for each in mine):
        return Refusal(f"run {run_key[:12]} was paid for already; plan another attempt to pay again")
    if _held(mine) is not None:
        return ()
    limits = (
        ("of a run", caps.run, Decimal(0)),
        (f"of {agent} in {month}", caps.agent_month, _committed(known, month, agent)),
        (f"of the project in {month}", caps.project_month, _committed(known, month)),
    )
    for cap, limit, committed in limits:
        if limit is not None and usd is None:
            return Refusal(f"the price is unknown, which is not zero, and there is a cap {cap} of ${limit}", cap)
        if limit is not None and usd is not None and committed + usd > limit:
            return Refusal(f"${usd} over the ${committed} committed overshoots the cap {cap} of ${limit}", cap)
    return (BudgetEntry(run_key, agent, month, "reserved", usd or Decimal(0)),)


def settle(entries: Iterable[BudgetEntry], run_key: str, usd: Decimal) -> tuple[BudgetEntry, ...]:
    """What to add, in one transaction, when a run's cost is known: the cost, and its reservation released.

    None where the run has no open reservation: it was settled before, or never reserved. A cost above the reservation
    is written as it is, since it was paid; it counts against the caps of later reservations (see `overrun`).
    """
    return _closed(entries, run_key, usd)


def release(entries: Iterable[BudgetEntry], run_key: str) -> tuple[BudgetEntry, ...]:
    """What to add when a run ended without a cost: its reservation released. None where none is open."""
    return _closed(entries, run_key, None)


def overrun(entries: Iterable[BudgetEntry], run_key: str) -> Decimal:
    """What a settled run cost above its reservation: 0 or more. Worth an alarm: the estimate is to be the most."""
    mine = [each for each in entries if each.run_key == run_key]
    settled = sum((each.usd for each in mine if each.kind == "settled"), Decimal(0))
    reserved = next((each.usd for each in reversed(mine) if each.kind == "reserved"), Decimal(0))
    return max(Decimal(0), settled - reserved)


def _closed(entries: Iterable[BudgetEntry], run_key: str, usd: Decimal | None) -> tuple[BudgetEntry, ...]:
    held = _held([each for each in entries if each.run_key == run_key])
    if held is None:
        return ()
    freed = replace(held, kind="released")
    # In the month of the reservation, also when the job ends in the next: there the cap was checked.
    return (freed,) if usd is None else (replace(held, kind="settled", usd=usd), freed)


def _held(mine: Sequence[BudgetEntry]) -> BudgetEntry | None:
    """The open reservation among a run's entries, in the order they were written."""
    last = next((each for each in reversed(mine) if each.kind in ("reserved", "released")), None)
    return last if last is not None and last.kind == "reserved" else None


def _committed(entries: Iterable[BudgetEntry], month: str, agent: str | None = None) -> Decimal:
    return balance(each for each in entries if each.month == month and agent in (None, each.agent))
