"""What people keep correcting.

Belongs here: the asset `correction_patterns` (all agents at once) and its check. Does not: what a pattern is
(learning/datasets), what becomes of a correction (datasets).
"""

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.services import Services

GROUP = "datasets"
CONSUMER = "correction_patterns"
MOST_CORRECTIONS, MOST_OUTPUTS, MOST_PATTERNS = 10_000, 5_000, 200
"""Of one agent, the newest: a night costs what the news of a night does, at most some seven CPU seconds an agent."""


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "python"},
    owners=["team:experts"],
    deps=["feedback", "annotations", "executions"],
    code_version="1",
    metadata={"dagster/table_name": "glow.correction_patterns"},
)
def correction_patterns(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Changes that people keep making to an agent's outputs: how often, by whom, compared with what nobody corrected.

    Reads from its own watermark; agents whose corrections have not changed are not looked at. Each agent's snapshot is
    replaced in a transaction of its own, and all of them before the watermark moves: a failed run repeats, and loses
    nothing.
    """
    from glow_pipelines.learning.datasets import BehaviorLearner

    with services.store.transaction() as t:
        horizon = t.feedback.horizon()
        names = t.patterns.agents_with_news(t.operations.watermark(CONSUMER), horizon)
    for name in names:
        with services.store.transaction() as t:
            t.patterns.lock()
            corrections = t.patterns.corrections(name, MOST_CORRECTIONS)
            outputs = t.patterns.uncorrected_outputs(name, MOST_OUTPUTS)
            found = BehaviorLearner().analyze_correction_patterns(corrections, ((name, output) for output in outputs))
            t.patterns.replace(name, found[:MOST_PATTERNS], len(corrections), len(outputs))
    with services.store.transaction() as t:
        t.operations.set_watermark(CONSUMER, horizon)
        snapshots, shown = t.patterns.snapshots(), t.patterns.shown(5)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["named"] + row["emerging"] for row in snapshots),
            "looked at": len(names),
            "agents": table(
                ("agent", "corrections", "compared with outputs", "named", "emerging"),
                (
                    tuple(row[key] for key in ("agent", "corrections", "outputs", "named", "emerging"))
                    for row in snapshots
                ),
                empty="nobody has corrected anything",
            ),
            # The words of users: where erasure looks for them.
            "sample": table(
                ("agent", "standing", "kind", "change", "times", "people", "share"),
                (
                    (
                        row["agent"],
                        row["standing"],
                        f"{row['kind']} ({row['about']})" if row["about"] else row["kind"],
                        row["detail"],
                        row["count"],
                        row["people"],
                        percent(row["share"]),
                    )
                    for row in shown
                ),
            ),
        }
    )


@dg.asset_check(asset=correction_patterns)
def no_correction_rises(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """No named pattern's share of the corrections grows from week to week (95 % limits of the slope above 0)."""
    with services.store.transaction() as t:
        rising = t.patterns.rising()
    return dg.AssetCheckResult(
        passed=not rising,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rising": len(rising),
            "sample": table(
                ("agent", "kind", "change", "times", "points a week", "at least"),
                (
                    (
                        row["agent"],
                        row["kind"],
                        row["detail"],
                        row["count"],
                        f"{100 * row['trend']:.1f}",
                        f"{100 * row['trend_low']:.1f}",
                    )
                    for row in rising
                ),
                empty="none rises",
            ),
        },
    )
