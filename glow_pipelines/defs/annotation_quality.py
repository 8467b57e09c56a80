"""The quality of reviewers: agreement, calibration, what each one's word counts.

Belongs here: the assets `annotation_quality` and `annotation_report` with their checks. Does not: what is measured
(learning/annotations), what a report holds (steps/annotation_quality).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.metadata import percent, person, table
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.store.quality import StoredReport

GROUP = "annotations"
OWNERS = ["team:experts"]
CONSUMER = "annotation_quality"
MOST_ROWS = 200
"""Of one table in the metadata: what nobody reads to the end."""


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "numpy"},
    owners=OWNERS,
    deps=["annotations"],
    code_version="1",
    metadata={"dagster/table_name": "glow.reviewer_reliability"},
)
def annotation_quality(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """How far reviewers agree and what each one's word counts, of every agent with new annotations.

    Reads from its own watermark; the tables show all agents, as each was measured last.
    """
    from glow_pipelines.steps.annotation_quality import measure_reviewers, week_of

    measured = 0
    with services.store.transaction() as t:
        horizon = t.feedback.horizon()
        touched = t.quality.judged_agents(t.operations.watermark(CONSUMER), horizon)
    now = datetime.now(UTC)
    week = week_of(now, services.settings.time_zone)
    for name in touched:  # a transaction each: a thousand agents' figures need not be held in one
        with services.store.transaction() as t:
            report = measure_reviewers(t, t.feedback.agent(name), now)
            if report is not None:
                changed = t.quality.set_reliability(name, report["weights"], report["aggregator"]["name"])
                t.curation.mark_stale_of_reviewers(name, changed, "weight of a reviewer")
                t.quality.write_report(name, week, report)
                measured += 1
    with services.store.transaction() as t:
        t.operations.set_watermark(CONSUMER, horizon)
        reports = t.quality.latest_reports()
    return dg.MaterializeResult(
        metadata={
            "measured anew": measured,
            "agreement": table(
                ("agent", "domain", "measure", "alpha", "95 %", "Fleiss", "items"), _first(_agreements(reports))
            ),
            "pairs": table(
                ("agent", "reviewers", "Cohen", "95 %", "agreed", "items"),
                _first(_pairs(reports)),
                empty="no two reviewers have ten items in common",
            ),
            "reviewers": table(
                ("agent", "reviewer", "weight", "judgements", "approved", "on gold", "95 %", "milder", "a day"),
                _first(_reviewers(reports)),
            ),
            "warnings": table(
                ("agent", "reviewer", "what", "figures", "suggestion"), _first(_warnings(reports)), empty="none"
            ),
        }
    )


@dg.asset_check(asset=annotation_quality)
def reviewers_agree(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """The lower limit of alpha is at least .667 wherever 50 items were judged twice."""
    with services.store.transaction() as t:
        found = [(each.agent, each.report["agreement"]) for each in t.quality.latest_reports()]
    by_status = {
        status: [(agent, verdict["detail"]) for agent, verdict in found if verdict["status"] == status]
        for status in ("too little", "enough", "not enough data")
    }
    return dg.AssetCheckResult(
        passed=not by_status["too little"],
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(f"{len(rows)} agents {status}" for status, rows in by_status.items()),
        metadata={
            status: table(("agent", "figures"), _first(rows), empty="none") for status, rows in by_status.items()
        },
    )


@dg.asset_check(asset=annotation_quality)
def approvals_are_considered(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Nobody with 20 judgements approves more than 90 %: who does may not be reading."""
    return _about(services, "approval", "20 judgements", lambda each: each["approval"]["n"] >= 20)


@dg.asset_check(asset=annotation_quality)
def reviewers_know_gold(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Everybody with 20 gold items is right on more than 80 % of them with 95 % confidence."""
    return _about(
        services, "accuracy", "20 gold items", lambda each: bool(each["gold"]) and each["gold"]["items"] >= 20
    )


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "numpy"},
    owners=OWNERS,
    deps=[annotation_quality],
    code_version="1",
    metadata={"dagster/table_name": "glow.annotation_reports"},
)
def annotation_report(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Last week's report on the reviewers of every agent: agreement, calibration, and of whom one should hear."""
    from glow_pipelines.steps.annotation_quality import end_of_week, measure_reviewers, week_of

    zone = services.settings.time_zone
    week = week_of(datetime.now(UTC), zone) - timedelta(days=7)
    with services.store.transaction() as t:
        agents = t.feedback.agents()
    written = []
    end = end_of_week(week, zone)
    for agent in agents:
        with services.store.transaction() as t:
            report = measure_reviewers(t, agent, end, until=end)
            if report is not None:
                t.quality.write_report(agent.name, week, report)
                written.append((agent.name, report))
    return dg.MaterializeResult(
        metadata={
            "week": week.isoformat(),
            "reports": table(
                ("agent", "judgements", "reviewers", "agreement", "warnings"),
                _first(
                    (
                        name,
                        each["judgements"],
                        len(each["reviewers"]),
                        each["agreement"]["detail"],
                        len(each["warnings"]),
                    )
                    for name, each in written
                ),
                empty="nothing was judged before that week's end",
            ),
        }
    )


@dg.asset_check(asset=annotation_report)
def reports_are_complete(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Every agent judged before last week's end has its report of that week."""
    from glow_pipelines.steps.annotation_quality import end_of_week, week_of

    zone = services.settings.time_zone
    week = week_of(datetime.now(UTC), zone) - timedelta(days=7)
    with services.store.transaction() as t:
        missing = t.quality.unreported(week, end_of_week(week, zone))
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without a report": table(("agent",), ((name,) for name in missing), empty="none")},
    )


Rows = Iterator[tuple[object, ...]]


def _first(rows: Iterable[tuple[object, ...]]) -> Rows:
    return islice(rows, MOST_ROWS)


def _about(
    services: Services, kind: str, enough: str, has_enough: Callable[[dict[str, Any]], bool]
) -> dg.AssetCheckResult:
    """The check that no warning of a kind is in the newest reports."""
    with services.store.transaction() as t:
        reports = t.quality.latest_reports()
    known = sum(has_enough(reviewer) for each in reports for reviewer in each.report["reviewers"])
    found = [row for row in _warnings(reports) if row[2] == kind]
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(found)} of {known} reviewers" if known else f"not enough data: nobody has {enough}",
        metadata={
            "reviewers": table(("agent", "reviewer", "what", "figures", "suggestion"), _first(found), empty="none")
        },
    )


def _agreements(reports: Sequence["StoredReport"]) -> Rows:
    for each in reports:
        for found in each.report["agreements"]:
            alpha, fleiss = found["alpha"], found["fleiss"]
            yield (
                each.agent,
                found["domain"] or "all",
                f"{found['measure']['name']} ({found['measure']['level']})",
                _number(alpha["alpha"]),
                _limits(alpha["interval"]),
                _number(fleiss and fleiss["kappa"]),
                alpha["items"],
            )


def _pairs(reports: Sequence["StoredReport"]) -> Rows:
    for each in reports:
        for pair in each.report["pairs"]:
            kappa = pair["kappa"]
            yield (
                each.agent,
                f"{person(pair['first'])}, {person(pair['second'])}",
                _number(kappa["kappa"]),
                _limits(kappa["interval"]),
                pair["agreed"],
                kappa["items"],
            )


def _reviewers(reports: Sequence["StoredReport"]) -> Rows:
    for each in reports:
        for reviewer in each.report["reviewers"]:
            gold, name = reviewer["gold"], reviewer["reviewer"]
            milder = next((bias["difference"] for bias in reviewer["biases"] if bias["measure"] == "approval"), None)
            yield (
                each.agent,
                person(name),
                _number(each.report["weights"][name]),
                reviewer["judgements"],
                percent(reviewer["approval"]["value"]),
                f"{gold['right']} of {gold['items']}" if gold else "–",
                _limits(gold and gold["accuracy"]),
                _number(milder and milder["estimate"]),
                _number(reviewer["throughput"]["per_day"]),
            )


def _warnings(reports: Sequence["StoredReport"]) -> Rows:
    for each in reports:
        for warning in each.report["warnings"]:
            yield (each.agent, person(warning["reviewer"]), warning["kind"], warning["detail"], warning["suggestion"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _limits(interval: dict[str, Any] | None) -> str:
    """Of an interval; a limit that is not finite is null in JSON."""
    return "–" if not interval else f"{_number(interval['low'])} to {_number(interval['high'])}"
