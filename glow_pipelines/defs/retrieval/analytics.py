"""How search does: figures with intervals, what nothing answers, what belongs together, whether it drifts.

Belongs here: the asset `retrieval_analytics` with its check. Does not: the report (steps/retrieval/performance).
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import line, percent, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.retrieval.common import GROUP, OWNERS, check, rounded
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.learning.intervals import Interval

DAYS = timedelta(days=28)
_RATES = ("liked_rate", "citation_rate", "answer_support_rate", "zero_hit_rate", "low_score_rate", "rejected_rate")


@dg.asset(
    partitions_def=agents,
    group_name=GROUP,
    owners=OWNERS,
    code_version="1",
    deps=["retrieval_index", "feedback"],
    kinds={"postgres", "numpy"},
    check_specs=[dg.AssetCheckSpec("retrieval_drift", asset="retrieval_analytics")],
    metadata={"dagster/table_name": "glow.retrieval_events"},
)
def retrieval_analytics(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]
) -> dg.MaterializeResult:
    """Four weeks of searches, the last two against the two before. `glow retrieval analyze` prints the whole of it."""
    from glow_pipelines.steps.retrieval.performance import analyze
    from glow_pipelines.store.retrieval_analytics import Period

    agent = context.partition_key
    with services.store.transaction() as t:
        until, in_force = t.experiments.now(), t.retrieval.in_force(agent)
        if in_force is None:
            said = "no document is indexed, so nothing was searched"
            return dg.MaterializeResult(
                metadata={"state": said}, check_results=[check("retrieval_drift", True, said, warn=True)]
            )
        found = analyze(t, Period(agent, until - DAYS, until), in_force.model, until - DAYS / 2)
    drifts = [
        name
        for name, drift in (("what is listed", found.popularity.drift), ("best scores", found.scores))
        if drift.matters
    ]
    if found.popularity.collapsing:
        drifts.append("fewer chunks take more of the lists, though none went away")
    return dg.MaterializeResult(
        metadata={
            "searches": found.totals["events"],
            "people": found.totals["users"],
            "conversations": found.totals["conversations"],
            "latency p95 (ms)": rounded(found.totals["latency_p95"], 0),
            "figures": table(
                ("part", "name", "searches", *(name.replace("_", " ") for name in _RATES)),
                (
                    (part.kind, part.name[:40], part.events, *(_interval(part.figures.get(name)) for name in _RATES))
                    for part in found.slices
                ),
                empty="nobody searched in four weeks",
            ),
            "what nothing answers": table(
                ("question", "wordings", "searches", "people", "unanswered"),
                ((m.medoid, m.queries, m.events, m.users, _interval(m.share)) for m in found.missing[:10]),
                empty="nothing stands out",
            ),
            "what belongs together": table(
                ("chunk", "chunk", "kind", "lists", "NPMI", "merge"),
                (
                    (a.first, a.second, a.kind, a.together, rounded(a.npmi, 2), "yes" if a.merge else "")
                    for a in found.associations[:10]
                ),
                empty="nothing beyond chance",
            ),
            "in every tenth list": table(
                ("chunk", "of lists", "liked there"),
                ((hub.chunk_id, percent(hub.share), percent(hub.liked)) for hub in found.hubs[:10]),
                empty="no chunk",
            ),
            "drift": table(
                ("of", "PSI", "chance", "matters"),
                (
                    (name, rounded(drift.psi), f"{drift.chance:.2g}", "yes" if drift.matters else "no")
                    for name, drift in (("what is listed", found.popularity.drift), ("best scores", found.scores))
                ),
            ),
            "compared": line(f"two weeks before and after {found.turn:%Y-%m-%d %H:%M} UTC"),
        },
        check_results=[
            check(
                "retrieval_drift",
                not drifts,
                f"drifts: {'; '.join(drifts)}" if drifts else "no drift beyond chance",
                warn=True,
            )
        ],
    )


def _interval(value: "Interval | None") -> str:
    if value is None:
        return "–"
    return f"{100 * value.estimate:.0f} % ({100 * value.low:.0f}–{100 * value.high:.0f})"
