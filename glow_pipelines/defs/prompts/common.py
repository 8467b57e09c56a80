"""What the five assets share: opening the optimization of a run, saying that it waits, showing what it used.

Belongs here: helpers, no definitions.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.metadata import line
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import asked
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization import Optimization

COMMON: dict[str, Any] = {
    "partitions_def": agents,
    "group_name": "prompts",
    "owners": ["team:prompts"],
    "code_version": "2",
}


def with_optimization(
    context: dg.AssetExecutionContext,
    services: Services,
    checks: tuple[str, ...],
    stage: "Callable[[Optimization], dg.MaterializeResult]",
) -> dg.MaterializeResult:
    """The stage's result; nothing to optimize, and time that is over, are honest outcomes and not failures."""
    from glow_pipelines.steps.optimization import NotOptimizable, Paused, open_optimization

    goals = asked(context, services).get("goals") or ()
    try:
        return stage(open_optimization(services, context.partition_key, goals, run=context.run.run_id))
    except (NotOptimizable, Paused) as reason:
        return waiting(str(reason), *checks)


def waiting(reason: str, *checks: str) -> dg.MaterializeResult:
    """Nothing was done, and why."""
    passed = [dg.AssetCheckResult(check_name=each, passed=True, description=line(reason)) for each in checks]
    return dg.MaterializeResult(metadata={"state": line(reason)}, check_results=passed)


def usage(work: "Optimization", stage: str) -> dict[str, Any]:
    """What this stage and those before it used, and what this process paid of it."""
    account = work.now()["spent"].get(stage)
    if account is None:
        return {}
    return {
        "model calls": account["calls"],
        "calls paid in this run": account["paid_calls"],
        "calls answered from the cache": account["cached"],
        "tokens": account["tokens"],
        "cost (USD)": round(account["usd"], 6),
        "seconds": account["seconds"],
    }


def budget_check(work: "Optimization") -> dg.AssetCheckResult:
    """No limit was exceeded, by the answers that are really in the database."""
    from glow_pipelines.steps.optimization.spending import overshoot

    over, words = overshoot(work)
    return dg.AssetCheckResult(
        check_name="budget", passed=over == 0, description=words, metadata={"overshoot": float(over)}
    )
