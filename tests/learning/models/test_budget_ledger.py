"""The budget: whatever the order of what happens, no cap is overshot and a finished run costs what was settled."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.models.ledger import (
    BudgetCaps,
    BudgetEntry,
    Refusal,
    balance,
    is_open,
    money,
    overrun,
    release,
    reserve,
    settle,
)

CAPS = BudgetCaps(run=Decimal(10), agent_month=Decimal(15), project_month=Decimal(25))
AMOUNTS = st.decimals(0, 12, places=6)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "settle over"]),
        st.sampled_from([f"run-{number}" for number in range(6)]),
        AMOUNTS,
    ),
    max_size=40,
)


def agent_of(run: str) -> str:
    return "tax" if int(run[-1]) % 2 else "triage"


def month_of(run: str) -> str:
    return "2026-11" if int(run[-1]) < 4 else "2026-12"


def committed(entries: list[BudgetEntry], **where: str) -> Decimal:
    """Counted a second time, run by run: an open reservation, else what was settled."""
    total = Decimal(0)
    for run in {each.run_key for each in entries}:
        mine = [each for each in entries if each.run_key == run]
        if any(getattr(mine[0], name) != value for name, value in where.items()):
            continue
        paid = [each.usd for each in mine if each.kind == "settled"]
        last = [each for each in mine if each.kind != "settled"][-1]
        total += paid[0] if paid else last.usd if last.kind == "reserved" else Decimal(0)
    return total


@given(STEPS)
def test_no_order_of_events_overshoots_a_cap_by_reserving_or_leaves_a_wrong_balance(
    steps: list[tuple[str, str, Decimal]],
) -> None:
    entries: list[BudgetEntry] = []
    paid: dict[str, Decimal] = {}
    for step, run, amount in steps:
        before = {name: committed(entries, month="2026-11", **where) for name, where in WHERE.items()}
        if step == "reserve":
            answer = reserve(entries, run, agent_of(run), month_of(run), amount, CAPS)
            if isinstance(answer, Refusal):
                continue
            if answer:
                assert amount <= 10
                assert committed([*entries, *answer], month=month_of(run)) <= 25
                assert committed([*entries, *answer], month=month_of(run), agent=agent_of(run)) <= 15
            entries += answer
        elif step == "release":
            entries += release(entries, run)
        else:
            held = balance(entries, run_key=run)
            cost = held + amount if step == "settle over" else min(amount, held)
            if answer_ := settle(entries, run, cost):
                paid[run] = cost
                entries += answer_
                if step == "settle":  # within the reservation nothing grows, so no cap can be overshot
                    after = {name: committed(entries, month="2026-11", **where) for name, where in WHERE.items()}
                    assert all(after[name] <= before[name] for name in before)
        for each in {entry.run_key for entry in entries}:
            assert balance(entries, run_key=each) >= 0
    for run, cost in paid.items():
        assert balance(entries, run_key=run) == cost
        assert not is_open(entries, run)
    for run in {entry.run_key for entry in entries} - paid.keys():
        assert is_open(entries, run) or balance(entries, run_key=run) == 0
    assert balance(entries) == committed(entries)
    assert all(entry.usd >= 0 for entry in entries)


WHERE: dict[str, dict[str, str]] = {"project": {}, "tax": {"agent": "tax"}, "triage": {"agent": "triage"}}


@given(AMOUNTS, AMOUNTS)
def test_whatever_is_done_twice_is_done_once(asked: Decimal, cost: Decimal) -> None:
    entries = list(opened(asked))
    assert reserve(entries, "run-1", "tax", "2026-11", asked, BudgetCaps()) == ()
    entries += settle(entries, "run-1", cost)
    assert settle(entries, "run-1", cost) == ()
    assert release(entries, "run-1") == ()
    assert balance(entries) == cost
    assert overrun(entries, "run-1") == max(Decimal(0), cost - asked)


def opened(usd: Decimal) -> tuple[BudgetEntry, ...]:
    found = reserve([], "run-1", "tax", "2026-11", usd, BudgetCaps())
    assert not isinstance(found, Refusal)
    return found


@pytest.mark.parametrize(
    ("caps", "asked", "cap"),
    [
        (BudgetCaps(run=Decimal(5)), Decimal("5.000001"), "of a run"),
        (BudgetCaps(agent_month=Decimal(5)), Decimal("2.000001"), "of tax in 2026-11"),
        (BudgetCaps(project_month=Decimal(5)), Decimal("2.000001"), "of the project in 2026-11"),
        (BudgetCaps(run=Decimal(5)), None, "of a run"),
    ],
)
def test_a_refusal_names_the_cap(caps: BudgetCaps, asked: Decimal | None, cap: str) -> None:
    answer = reserve(opened(Decimal(3)), "run-2", "tax", "2026-11", asked, caps)
    assert isinstance(answer, Refusal)
    assert answer.cap == cap
    assert cap in answer.reason
    assert "$5" in answer.reason


def test_the_last_cent_of_a_cap_may_be_reserved_and_another_month_is_another_cap() -> None:
    caps = BudgetCaps(agent_month=Decimal(5))
    entries = opened(Decimal(3))
    assert len(tuple(reserve(entries, "run-2", "tax", "2026-11", Decimal(2), caps))) == 1  # type: ignore[arg-type]
    assert len(tuple(reserve(entries, "run-2", "tax", "2026-12", Decimal(5), caps))) == 1  # type: ignore[arg-type]
    assert len(tuple(reserve(entries, "run-2", "other", "2026-11", Decimal(5), caps))) == 1  # type: ignore[arg-type]


def test_an_unknown_price_may_be_reserved_only_where_there_is_no_cap() -> None:
    answer = reserve([], "run-1", "tax", "2026-11", None, BudgetCaps())
    assert answer == (BudgetEntry("run-1", "tax", "2026-11", "reserved", Decimal(0)),)


def test_a_released_run_may_reserve_again_and_a_settled_one_may_not() -> None:
    entries = [*opened(Decimal(3))]
    entries += release(entries, "run-1")
    again = reserve(entries, "run-1", "tax", "2026-12", Decimal(4), BudgetCaps())
    assert isinstance(again, tuple)
    entries += again
    entries += settle(entries, "run-1", Decimal("3.5"))
    assert {each.month for each in entries if each.kind == "settled"} == {"2026-12"}
    assert balance(entries, run_key="run-1") == Decimal("3.5")
    answer = reserve(entries, "run-1", "tax", "2026-12", Decimal(4), BudgetCaps())
    assert isinstance(answer, Refusal)
    assert "another attempt" in answer.reason


def test_money_is_rounded_up_to_the_millionth_and_no_nonsense() -> None:
    assert money(0.1) == Decimal("0.1")
    assert money("0.0000001") == Decimal("0.000001")
    for wrong in (-1, float("nan"), float("inf"), "-0.01"):
        with pytest.raises(ValueError, match="no amount of money"):
            money(wrong)
