"""The review queue: what experts judge next.

Belongs here: the asset `review_queue` and its checks. Does not: which rules let an item in (sql/queries/reviews), what
it is worth (learning/annotations), how an expert works with it (glow_api).
"""

from datetime import timedelta

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.services import Services

MOST_WAITING = timedelta(days=7)
MOST_UNDECIDED = timedelta(days=3)
CONTROL_WINDOW = timedelta(days=28)
WEEK = timedelta(days=7)


@dg.asset(
    group_name="annotations",
    kinds={"postgres", "numpy"},
    owners=["team:experts"],
    deps=["feedback", "executions", "annotations", "learning_examples"],
    code_version="1",
    metadata={"dagster/table_name": "glow.review_items"},
)
def review_queue(services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """What experts are asked to judge, the most instructive first, with a control sample drawn by chance.

    Reads from its own watermark: a failed run loses no news.
    """
    from glow_pipelines.learning.annotations import control_estimate

    with services.store.transaction() as t:
        entered = t.reviews.enqueue(t.feedback.horizon())
    with services.store.transaction() as t:
        moved = t.reviews.reprioritise()
    with services.store.transaction() as t:
        state, waiting, events = t.reviews.state(), t.reviews.waiting(), t.reviews.events(WEEK)
        controls = {
            agent.name: control_estimate(t.reviews.control_items(agent.name, CONTROL_WINDOW))
            for agent in t.feedback.agents()
        }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": state.waiting,
            "entered": sum(entered.items.values()),
            "reordered": moved,
            "reviews at work": state.leased,
            "oldest waits (hours)": round(state.oldest_hours, 1),
            "adjudications waiting": state.adjudications,
            "waiting": table(
                ("agent", "reason", "items", "oldest"),
                ((row.agent, row.reason, row.items, f"{row.oldest:%Y-%m-%d %H:%M}") for row in waiting),
                empty="nothing waits",
            ),
            "approval rate (control sample)": table(
                ("agent", "approved", "95 % interval", "looked at", "waiting"),
                (
                    (
                        name,
                        percent(found.rate.value),
                        f"{percent(found.rate.low)} to {percent(found.rate.high)}",
                        found.rate.n,
                        found.waiting,
                    )
                    for name, found in controls.items()
                ),
            ),
            "drift": table(
                ("agent", "negative votes before", "this week", "p"),
                (
                    (name, percent(drift.before.value), percent(drift.now.value), f"{drift.p_value:.2g}")
                    for name, drift in entered.drifts.items()
                ),
                empty="nobody complains more than before",
            ),
            "reviewers' week": table(
                ("agent", "event", "events", "reviewers"),
                ((row["agent"], row["event"], row["events"], row["reviewers"]) for row in events),
            ),
        }
    )


@dg.asset_check(asset=review_queue)
def review_queue_moves(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """No item waits longer than a week, no disagreement longer than three days: experts are too few, or not asked."""
    with services.store.transaction() as t:
        state = t.reviews.state()
    waits, undecided = timedelta(hours=state.oldest_hours), timedelta(hours=state.oldest_adjudication_hours)
    return dg.AssetCheckResult(
        passed=waits <= MOST_WAITING and undecided <= MOST_UNDECIDED,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "oldest waits (hours)": round(state.oldest_hours, 1),
            "waiting": state.waiting,
            "adjudications waiting": state.adjudications,
            "oldest adjudication (hours)": round(state.oldest_adjudication_hours, 1),
        },
    )
