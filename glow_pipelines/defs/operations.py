"""Operations: the success metrics, target and actual side by side, and the upkeep of storage.

Belongs here: the assets `success_metrics` and `storage_upkeep` with their checks. Does not: how a metric is computed
(learning/operations), how a month is made or dropped (sql/migrations).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import line, table
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.store.operations import Operations

MOST_HELD = timedelta(minutes=5)
MOST_OUTSIDE = timedelta(days=1)
LEAST_AHEAD = 2
BATCH = 20_000
"""Rows that one transaction of upkeep deletes: more would hold back every incremental reader."""


@dg.asset(
    group_name="operations",
    kinds={"postgres"},
    owners=["team:operations"],
    deps=["executions", "annotations", "learning_examples"],
    code_version="1",
    check_specs=[dg.AssetCheckSpec("targets_met", asset="success_metrics")],
    metadata={"dagster/table_name": "glow.success_metrics"},
)
def success_metrics(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The charter's figures against their targets, each with its interval or "not enough data"."""
    from glow_pipelines.learning.intervals import Interval
    from glow_pipelines.learning.operations import SUCCESS_METRICS, OperationCounts, measure_all, shown

    units = {metric.name: metric.unit for metric in SUCCESS_METRICS}
    known = {field.name for field in fields(OperationCounts)}
    with services.store.transaction() as t:
        raw = {key: value for key, value in t.operations.success_counts().items() if key in known}
        gained = t.operations.prompt_difference()
        found = t.operations.retrieval_gain()
        measurements = measure_all(
            OperationCounts(
                **raw,
                prompt_improvement=None if gained is None else Interval(**gained),
                retrieval_improvement=None if found is None else Interval(**found, confidence=0.95, method="ratio"),
            )
        )
        for each in measurements:
            t.operations.record_measurement(each)
    missed = [each.metric for each in measurements if each.status == "missed"]
    return dg.MaterializeResult(
        metadata={
            "met": sum(each.status == "met" for each in measurements),
            "missed": len(missed),
            "not enough data": sum(each.status == "not_enough_data" for each in measurements),
            "metrics": table(
                ("metric", "actual", "status", "detail"),
                (
                    (each.metric, shown(each.value, units[each.metric]), each.status, each.detail)
                    for each in measurements
                ),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="targets_met",
                passed=not missed,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"missed: {', '.join(missed) or 'none'}",
            )
        ],
    )


@dg.asset(
    group_name="operations",
    kinds={"postgres", "sql"},
    owners=["team:operations"],
    deps=["executions"],
    code_version="1",
)
def storage_upkeep(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Tables in months: the next ones made ahead, old ones dropped where GLOW_RETENTION_MONTHS or a policy says so.

    It never waits for a table that somebody works with, because everybody else would wait behind it: what was busy is
    done by the next run. Three months are made ahead, so that it may be busy for weeks.
    """
    keep = services.settings.retention_months
    made: list[str] = []
    dropped: list[str] = []
    busy: list[str] = []
    with _giving_way(services, busy, "making months") as operations:
        made = operations.ensure_partitions()
    with services.store.transaction() as t:
        tables = t.operations.partitioned_tables()
        kept = t.operations.kept_months(keep)
    if any(months is not None for months in kept.values()):
        for name in tables:  # one by one: a table is locked as a whole, so only for as long as dropping takes
            with _giving_way(services, busy, f"dropping {name}") as operations:
                dropped += operations.drop_partitions(name, keep)
        if not busy:  # takes its time, and would hold those locks all the while if it still found a month to drop
            with _giving_way(services, busy, "expiring what belonged to dropped rows") as operations:
                operations.expire(keep)
    pruned = {name: _pruned(services, name) for name, months in kept.items() if months is not None}
    with services.store.transaction() as t:
        calls, staged = t.operations.forget_calls(), t.operations.forget_staged_rows()
        months = t.operations.monthly_tables()
    return dg.MaterializeResult(
        metadata={
            "made": table(("partition",), ((name,) for name in made), empty="none was missing"),
            "dropped": table(("partition",), ((name,) for name in dropped), empty=_kept(keep)),
            "kept": table(
                ("table", "months", "rows deleted"),
                ((name, months or "for ever", pruned.get(name, 0)) for name, months in kept.items()),
            ),
            "busy": line(", ".join(busy) or "nothing"),
            "call samples deleted": calls,
            "staged import rows deleted": staged,
            "bytes": sum(each.bytes for each in months),
            "tables": table(
                ("table", "months", "oldest", "newest", "ahead", "rows, about", "MB", "rows outside a month"),
                (
                    (
                        each.name,
                        each.months,
                        each.oldest or "–",
                        each.newest or "–",
                        each.ahead,
                        each.rows,
                        f"{each.bytes / 1e6:.1f}",
                        each.outside_rows,
                    )
                    for each in months
                ),
            ),
        }
    )


@dg.asset_check(asset=storage_upkeep)
def partitions_are_ahead(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Two months are made ahead. Rows that came in a month nobody had made are kept, and moved within a day."""
    with services.store.transaction() as t:
        months = t.operations.monthly_tables()
    short = {each.name: each.ahead for each in months if each.ahead < LEAST_AHEAD}
    stray = {
        each.name: each.outside_rows
        for each in months
        if each.outside_seconds is not None and each.outside_seconds > MOST_OUTSIDE.total_seconds()
    }
    return dg.AssetCheckResult(
        passed=not short and not stray,
        severity=dg.AssetCheckSeverity.ERROR if stray else dg.AssetCheckSeverity.WARN,
        description=f"{len(short)} tables lack months ahead, {len(stray)} hold old rows outside a month",
        metadata={
            "months ahead": table(("table", "ahead"), short.items(), empty="enough"),
            "rows outside a month": table(("table", "rows"), stray.items(), empty="none"),
        },
    )


@dg.asset_check(asset=storage_upkeep)
def horizon_is_fresh(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """No write transaction is open for more than five minutes: nothing that came after it began is learned from."""
    with services.store.transaction() as t:
        horizon = t.operations.horizon_age()
    hidden = "unknown to this login; grant it pg_read_all_stats"
    return dg.AssetCheckResult(
        passed=max(horizon.open_seconds or 0.0, horizon.held_seconds) <= MOST_HELD.total_seconds(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "oldest write transaction, seconds": hidden if horizon.open_seconds is None else horizon.open_seconds,
            "oldest row held back, seconds": horizon.held_seconds,
            "held by": line(horizon.holder or "nobody"),
        },
    )


@contextmanager
def _giving_way(services: Services, busy: list[str], what: str) -> Iterator["Operations"]:
    """Work in a transaction of its own; what has to give way to others is undone and noted."""
    from glow_pipelines.store.operations import TablesBusy

    try:
        with services.store.transaction() as t:
            yield t.operations
    except TablesBusy:
        busy.append(what)


def _pruned(services: Services, name: str) -> int:
    """Delete what a policy wants gone, batch by batch; returns how many rows."""
    deleted = 0
    while True:
        with services.store.transaction() as t:
            batch = t.operations.prune(name, BATCH)
        deleted += batch
        if batch < BATCH:
            return deleted


def _kept(months: int | None) -> str:
    return (
        "GLOW_RETENTION_MONTHS is not set: everything is kept"
        if months is None
        else f"none is older than {months} months"
    )
