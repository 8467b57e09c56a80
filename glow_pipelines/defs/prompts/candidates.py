"""The asset `prompt_candidates`: what was proposed, and what lint said of it.

Belongs here: the asset and its check. Does not: proposing (learning/prompts/operators).
"""

from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import diff, line, table
from glow_pipelines.defs.prompts.common import COMMON, usage, with_optimization
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization import Optimization


@dg.asset(
    **COMMON,
    deps=["prompt_analysis"],
    kinds={"openai", "python"},
    pool="chat",
    check_specs=[dg.AssetCheckSpec("lineage", asset="prompt_candidates", blocking=True)],
)
def prompt_candidates(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Proposed prompts, each linted before a call is paid for it; a rejected one is kept with its reason."""
    return with_optimization(context, services, ("lineage",), _candidates)


def _candidates(work: "Optimization") -> dg.MaterializeResult:
    from glow_pipelines.steps.optimization.checks import untraced
    from glow_pipelines.steps.optimization.stages import propose

    found = propose(work)
    parts = sum(len(each.prompt.rules) + len(each.prompt.demonstrations) for each in found)
    lost = untraced(work)
    longest = max(found, key=lambda each: each.prompt.tokens, default=None)
    return dg.MaterializeResult(
        metadata={
            "candidates": len(found),
            "rejected by lint": sum(bool(each.findings) for each in found),
            "proposals": table(
                ("operator", "why", "rules", "demonstrations", "tokens", "lint"),
                (
                    (
                        each.operator,
                        each.reason,
                        len(each.prompt.rules),
                        len(each.prompt.demonstrations),
                        each.prompt.tokens,
                        f"{len(each.findings)} findings" if each.findings else "clean",
                    )
                    for each in found
                ),
            ),
            "samples": table(
                ("operator", "lint says"),
                ((each.operator, "; ".join(each.findings)) for each in found if each.findings),
            ),
            "rules": table(
                ("operator", "rule"), ((each.operator, rule.text) for each in found for rule in each.prompt.rules[:8])
            ),
            **({} if longest is None else {"diff": diff(work.incumbent.describe(), longest.prompt.describe())}),
            **usage(work, "candidates"),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="lineage",
                passed=not lost,
                description=line(f"{parts - len(lost)} of {parts} rules and demonstrations trace to source rows"),
            )
        ],
    )
