"""Feedback and executions: what the apps wrote.

Belongs here: the external asset `feedback`, the asset `executions`, their checks. Does not: judging what users said
(datasets), the events that tell of arrivals (sensors).
"""

from datetime import timedelta

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services

GROUP = "feedback"
OWNERS = ["team:apps"]

feedback = dg.AssetSpec(
    "feedback",
    description="Votes, ratings, issues, comments and corrections; apps write them with glow_api.submit_feedback.",
    partitions_def=agents,
    group_name=GROUP,
    kinds={"postgres", "sql"},
    owners=OWNERS,
    metadata={"dagster/table_name": "glow.agent_feedback"},
)


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "sql"},
    owners=OWNERS,
    deps=[feedback],
    code_version="1",
    metadata={"dagster/table_name": "glow.executions"},
)
def executions(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Runs of the agents with the feedback each got; late feedback is joined to its execution here."""
    with services.store.transaction() as t:
        rows = t.feedback.execution_summary()
    total = sum(row["executions"] for row in rows)
    heard = sum(row["with_feedback"] for row in rows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": total,
            "feedback share": heard / total if total else 0.0,
            "agents": table(
                ("agent", "executions", "with feedback", "latency p95 ms", "tokens", "cost USD"),
                (
                    (
                        row["agent"],
                        row["executions"],
                        percent(row["with_feedback"] / row["executions"]) if row["executions"] else "–",
                        round(row["latency_p95_ms"] or 0),
                        row["tokens"],
                        f"{row['cost_usd']:.4f}",
                    )
                    for row in rows
                ),
            ),
        }
    )


@dg.asset_check(asset=executions)
def feedback_has_execution(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """No feedback waits longer than a day for an execution that never came: an app logs one and not the other."""
    with services.store.transaction() as t:
        waiting = t.feedback.waiting_feedback(timedelta(days=1))
    return dg.AssetCheckResult(
        passed=not waiting,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"waiting": table(("agent", "rows"), waiting.items(), empty="none waits")},
    )


@dg.asset_check(asset=feedback.key)
def feedback_is_varied(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """No single person gives more than a third of an agent's votes: the agent would learn that person's taste."""
    with services.store.transaction() as t:
        loud = {}
        for agent in t.feedback.agents():
            rows = t.feedback.positive_feedback(agent.name)
            votes = sum(row["votes"] for row in rows)
            by_user: dict[str, int] = {}
            for row in rows:
                by_user[row["user_id"]] = by_user.get(row["user_id"], 0) + row["votes"]
            if votes >= 30 and max(by_user.values()) > votes / 3:
                loud[agent.name] = f"{max(by_user.values())} of {votes}"
    return dg.AssetCheckResult(
        passed=not loud,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"loudest": table(("agent", "votes of one person"), loud.items(), empty="nobody dominates")},
    )
