"""The asset `rollout`: a treatment on its way to everybody, watched hourly.

Belongs here: the asset and its checks. Does not: the tick (steps/experiments/rollout), tests (decisions, guardrails).
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.experiments.drawing import share_plot
from glow_pipelines.defs.experiments.together import for_each
from glow_pipelines.defs.metadata import line, sql, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.experiments import Ticked
    from glow_pipelines.store.noun import Row

AUDIT = "select * from glow_api.rollout_history(experiment_id => '{}');"
CHECKS = ("no_harm", "no_alarm")


@dg.asset(
    partitions_def=agents,
    group_name="experiments",
    owners=["team:product"],
    kinds={"postgres", "scipy"},
    code_version="1",
    deps=["experiment"],
    check_specs=[dg.AssetCheckSpec(name, asset="rollout") for name in CHECKS],
    metadata={"dagster/table_name": "glow.rollouts"},
)
def rollout(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """What won, stage by stage to everybody: one stage an hour at most, and back in one transaction where it does harm.

    With LEARNING_ENABLED=false it is watched and taken back, and goes no further.
    """
    from glow_pipelines.steps.experiments import tick

    with services.store.transaction() as t:
        open_now = [row["experiment_id"] for row in t.rollouts.going_on(context.partition_key)]
    now = datetime.now(UTC)
    onward = services.settings.learning_enabled
    ticked = for_each(open_now, lambda each: tick(services.store, each, now, onward=onward))
    if not ticked:
        return dg.MaterializeResult(metadata={"state": "nothing is being rolled out"}, check_results=_checks(()))
    with services.store.transaction() as t:
        moves = {each: t.rollouts.history(each) for each in open_now}
    return dg.MaterializeResult(
        metadata={
            "moved": ", ".join(each.moved for each in ticked if each.moved) or "nothing",
            "rollouts": _overview(ticked),
            **_in_full(ticked[0], moves[open_now[0]]),
        },
        check_results=_checks(ticked),
    )


def _overview(ticked: "Sequence[Ticked]") -> dg.MarkdownMetadataValue:
    return table(
        ("experiment", "varies", "state", "stage", "share", "why"),
        (
            (
                each.experiment["experiment_id"],
                each.experiment["kind"],
                each.rollout["state"],
                f"{each.rollout['stage'] + 1} of {len(each.rollout['plan']['stages'])}",
                f"{each.experiment['treatment_ppm'] / 1e4:g} %",
                line(_reason(each), 200),
            )
            for each in ticked
        ),
    )


def _in_full(ticked: "Ticked", moves: "Sequence[Row]") -> dict[str, Any]:
    """The oldest rollout of the agent, with its stages, its evidence and its history."""
    from glow_pipelines.learning.experiments.observations import harm_threshold

    row = ticked.rollout
    plan = row["plan"]
    evidence = {} if ticked.move is None else ticked.move.evidence
    needed = harm_threshold(len(plan["metrics"]), plan["alpha"])
    return {
        "rollout": row["experiment_id"],
        "state": row["state"],
        "reason": line(_reason(ticked), 600),
        "share over time": share_plot([move for move in moves if move["rollout"] is not None]),
        "stages": table(
            ("stage", "treatment", "control", "hours at least", "units at least", "asks", "now"),
            (
                (
                    number + 1,
                    f"{stage['treatment_ppm'] / 1e4:g} %",
                    f"{stage['control_ppm'] / 1e4:g} %",
                    f"{stage['hours']:g}",
                    stage["units"],
                    "a person" if stage["approval"] else _blind(stage),
                    "here" if number == row["stage"] else "done" if number < row["stage"] else "",
                )
                for number, stage in enumerate(plan["stages"])
            ),
        ),
        "evidence of harm": table(
            ("metric", "e-value over the whole rollout", "rolled back at"),
            (
                (name, f"10^{log_e / math.log(10):.1f}", f"10^{needed / math.log(10):.1f}")
                for name, log_e in evidence.items()
            ),
            empty="nobody measured yet",
        ),
        "history": table(
            ("when", "move", "share", "by", "why"),
            (
                (
                    f"{move['moved_at']:%Y-%m-%d %H:%M}",
                    move["move"],
                    f"{move['treatment_ppm'] / 1e4:g} %",
                    move["moved_by"],
                    line(move["reason"], 160),
                )
                for move in moves[-30:]
            ),
        ),
        "audit": sql(AUDIT.format(row["experiment_id"])),
    }


def _blind(stage: dict[str, Any]) -> str:
    return f"a person before the next: {stage['blind']}" if stage.get("blind") else "–"


def _checks(ticked: "Sequence[Ticked]") -> list[dg.AssetCheckResult]:
    back = [each for each in ticked if each.rollout["state"] == "rolled_back"]
    alarmed = [each for each in ticked if each.move is not None and each.move.alarms]
    return [
        _check("no_harm", "no rollout was taken back", back),
        _check("no_alarm", "no rollout waits for a person to look at an alarm", alarmed),
    ]


def _check(name: str, good: str, bad: "Sequence[Ticked]") -> dg.AssetCheckResult:
    told = "; ".join(f"{each.experiment['experiment_id']}: {_reason(each)}" for each in bad)
    return dg.AssetCheckResult(
        check_name=name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description=line(told, 600) if bad else good,
    )


def _reason(ticked: "Ticked") -> str:
    return (ticked.move.reason if ticked.move is not None else ticked.rollout["reason"]) or "no tick yet"
