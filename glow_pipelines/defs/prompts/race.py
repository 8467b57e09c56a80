"""The asset `prompt_race`: candidates against each other on shared validation items.

Belongs here: the asset and its checks. Does not: the race itself (learning/prompts/race).
"""

from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.defs.prompts.common import COMMON, budget_check, usage, with_optimization
from glow_pipelines.defs.prompts.drawing import race_plot
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization import Optimization


@dg.asset(
    **COMMON,
    deps=["prompt_candidates"],
    kinds={"openai", "python"},
    pool="chat",
    check_specs=[
        dg.AssetCheckSpec("budget", asset="prompt_race", blocking=True),
        dg.AssetCheckSpec("lint", asset="prompt_race", blocking=True),
    ],
)
def prompt_race(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Sequential halving over the candidates on shared validation items. Its scores rank; they are not gains."""

    def stage(work: "Optimization") -> dg.MaterializeResult:
        return _race(work, context)

    return with_optimization(context, services, ("budget", "lint"), stage)


def _race(work: "Optimization", context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from glow_pipelines.steps.optimization.checks import rejected_and_evaluated
    from glow_pipelines.steps.optimization.stages import race

    found = race(work, context.log.info)
    breaches = rejected_and_evaluated(work)
    return dg.MaterializeResult(
        metadata={
            "evaluations": found.evaluations,
            "best validation accuracy": max((arm.accuracy.estimate for arm in found.arms if arm.n), default=0.0),
            "race": race_plot(found, work.incumbent.sha256),
            "arms": table(
                ("operator", "items", "right", "validation accuracy", "tokens", "left because"),
                (
                    (arm.operator, arm.n, arm.right, _share(arm), arm.prompt_tokens, arm.reason or "still in")
                    for arm in sorted(found.arms, key=lambda arm: (-arm.n, -arm.right))
                ),
            ),
            **usage(work, "race"),
        },
        check_results=[
            budget_check(work),
            dg.AssetCheckResult(
                check_name="lint",
                passed=not breaches,
                description=f"{len(breaches)} candidates that lint rejected were asked anything",
            ),
        ],
    )


def _share(arm: object) -> str:
    from glow_pipelines.learning.prompts.types import Arm

    assert isinstance(arm, Arm)
    return percent(arm.accuracy.estimate) if arm.n else "–"
