"""What an optimization used and what was really paid for it.

Belongs here: the account of each stage, read back from the answers themselves. Does not: limiting (learning/budget).
"""

from typing import TYPE_CHECKING

from glow_pipelines.store.noun import Row

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization.work import Optimization

STAGES = ("analysis", "candidates", "race", "gate")
_COUNTED = ("calls", "tokens", "usd", "answers", "answers_tokens", "answers_usd", "answers_new")
NOTHING: Row = dict.fromkeys(_COUNTED, 0)


def record(work: "Optimization", stage: str) -> None:
    """Write what all stages up to this one used: their answers when they were fresh, each request once.

    `paid` is read from the answers in the database: those that came since the optimization began.
    """
    budget = work.budget
    before = work.used_before
    with work.services.store.transaction() as t:
        paid = t.optimizations.answers(work.asking.keys, work.row["created_at"])
        account = dict(t.optimizations.get(work.id)["spent"])
        known = account.get(stage, NOTHING)["calls"]
        if known > before["calls"] + budget.calls:  # a run that was stopped early knows less than the one before
            return
        account[stage] = {
            "calls": before["calls"] + budget.calls,
            "tokens": before["tokens"] + budget.tokens,
            "usd": before["usd"] + budget.cost_usd,
            "cached": budget.cached,
            "paid_calls": budget.paid_calls,
            "paid_usd": budget.paid_usd,
            "answers": before["answers"] + paid["calls"],
            "answers_tokens": before["answers_tokens"] + paid["tokens"],
            "answers_usd": before["answers_usd"] + paid["usd"],
            "answers_new": before["answers_new"] + paid["new"],
            "seconds": round(work.asking.seconds, 3),
            "run": work.run,
        }
        t.optimizations.record_spent(work.id, account)


def before(account: Row) -> Row:
    """What the stages before the gate had used when they ended; zeros where there were none."""
    ended = [account[name] for name in STAGES[:-1] if name in account]
    return {name: ended[-1][name] for name in _COUNTED} if ended else NOTHING


def seconds_of(account: Row, run: str) -> float:
    """How long this run has worked on the stages that are over."""
    return sum(float(each["seconds"]) for each in account.values() if run and each.get("run") == run)


def overshoot(work: "Optimization") -> tuple[float, str]:
    """By what share the dearest limit was exceeded, by what was really paid; and the numbers in words."""
    with work.services.store.transaction() as t:
        account = t.optimizations.get(work.id)["spent"]
    total = next((account[stage] for stage in reversed(STAGES) if stage in account), None)
    if total is None:
        return 0.0, "nothing was asked"
    limits = work.limits
    held = (
        ("calls", max(total["calls"], total["answers"]), limits.calls),
        ("tokens", max(total["tokens"], total["answers_tokens"]), limits.tokens),
        ("USD", max(total["usd"], total["answers_usd"]), limits.usd),
    )
    over = [used / limit - 1 if limit else 1.0 for _, used, limit in held if limit is not None and used > limit]
    words = ", ".join(
        f"{used:,.4g} {name}" + ("" if limit is None else f" of {limit:,.4g}") for name, used, limit in held
    )
    return max(over, default=0.0), words
