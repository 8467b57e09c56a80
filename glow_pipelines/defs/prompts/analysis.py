"""The asset `prompt_analysis`: where the prompt in force fails, and what an optimization may cost.

Belongs here: the asset and its checks. Does not: the analysis itself (learning/prompts/analysis).
"""

from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import bullets, counts, percent, table
from glow_pipelines.defs.prompts.common import COMMON, usage, with_optimization
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization import Optimization

CHECKS = ("enough_examples", "split_leakage")


@dg.asset(
    **COMMON,
    deps=["training_dataset"],
    kinds={"openai", "python"},
    pool="chat",
    check_specs=[
        dg.AssetCheckSpec("enough_examples", asset="prompt_analysis"),
        dg.AssetCheckSpec("split_leakage", asset="prompt_analysis", blocking=True),
    ],
)
def prompt_analysis(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Where the prompt in force fails, measured on train examples, in votes and in users' corrections; and the plan."""
    return with_optimization(context, services, CHECKS, _analysis)


def _analysis(work: "Optimization") -> dg.MaterializeResult:
    from glow_pipelines.steps.optimization.checks import leaks
    from glow_pipelines.steps.optimization.stages import analyze

    leaking = leaks(work)
    leak_check = dg.AssetCheckResult(
        check_name="split_leakage",
        passed=not leaking,
        description=f"{len(leaking)} groups of {len(work.examples)} examples stand in two splits",
    )
    if leaking:  # whatever came of them would be no test
        nothing = dg.AssetCheckResult(check_name="enough_examples", passed=True, description="not looked at")
        return dg.MaterializeResult(check_results=[nothing, leak_check])
    found, plan = analyze(work), work.plan
    shown: dict[str, float] = {} if not found.n else {"accuracy on train": found.accuracy.estimate}
    return dg.MaterializeResult(
        metadata={
            **shown,
            "interval": f"{percent(found.accuracy.low)} to {percent(found.accuracy.high)} on {found.n}",
            "goals": ", ".join(work.goals.names),
            "plan": table(("stage", "calls at most"), plan.stages),
            "cost at most (USD)": plan.most_usd,
            "tokens, about": plan.tokens,
            "notes": bullets([*plan.notes, *plan.missing]),
            **usage(work, "analysis"),
            "by target": table(
                ("target", "right", "of"), ((each.target, each.right, each.n) for each in found.targets[:50])
            ),
            "samples": table(
                ("should be", "answered", "times", "for example", "right on"),
                (
                    (
                        each.target,
                        each.answered,
                        each.count,
                        (each.example_inputs or ("",))[0],
                        (each.passing_inputs or ("",))[0],
                    )
                    for each in found.clusters[:8]
                ),
                empty="no failures",
            ),
            "issues": counts(dict(found.issues)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="enough_examples",
                passed=not work.missing,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(work.missing) or f"{len(work.examples)} examples",
                metadata={"power": table(("true gain", "test items needed"), _power(work))} if work.missing else {},
            ),
            leak_check,
        ],
    )


def _power(work: "Optimization") -> list[tuple[str, object]]:
    return [(f"+{100 * row.gain:.0f} points", row.pairs) for row in work.plan.power]
