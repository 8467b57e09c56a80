"""The asset `prompt_gate`: the finalist against the prompt in force on sealed items.

Belongs here: the asset and its checks. Does not: the test itself (learning/prompts/gate).
"""

from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import bullets, line, percent, table
from glow_pipelines.defs.prompts.common import COMMON, budget_check, usage, waiting, with_optimization
from glow_pipelines.defs.prompts.drawing import evidence_plot
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.steps.optimization import Optimization

CHECKS = ("test_items_fresh", "budget")


@dg.asset(
    **COMMON,
    deps=["prompt_race"],
    kinds={"openai", "scipy"},
    pool="chat",
    check_specs=[dg.AssetCheckSpec(name, asset="prompt_gate", blocking=True) for name in CHECKS],
)
def prompt_gate(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The finalist against the prompt in force on sealed test items, each of which is spent once."""
    return with_optimization(context, services, CHECKS, _gate)


def _gate(work: "Optimization") -> dg.MaterializeResult:
    from glow_pipelines.steps.optimization.checks import spent_elsewhere
    from glow_pipelines.steps.optimization.stages import gate

    found = gate(work)
    if found is None:
        return waiting(work.now()["reason"], *CHECKS)
    foreign = spent_elsewhere(work, found)
    with work.services.store.transaction() as t:
        nights = t.optimizations.gates_of(work.agent, found.incumbent_sha256, found.finalist_sha256)
    return dg.MaterializeResult(
        metadata={
            "verdict": found.verdict,
            "reason": line(found.reason),
            "accuracy in force": found.incumbent_accuracy.estimate,
            "accuracy of the finalist": found.finalist_accuracy.estimate,
            "difference": found.difference.estimate,
            "interval": f"{percent(found.difference.low)} to {percent(found.difference.high)} on {found.n} items",
            "log e-value": found.log_e,
            "e-value needed": 1 / found.level,
            "gain to expect (shrunken)": found.claimed_gain,
            "only the finalist right / only the one in force right": f"{found.b} / {found.c}",
            "notes": bullets(found.notes),
            "evidence over nights": evidence_plot(nights),
            "nights": table(
                ("night", "items", "finalist alone", "in force alone", "e-value", "needed", "verdict"),
                (
                    (
                        f"{row['created_at']:%Y-%m-%d}",
                        row["evidence"]["n"],
                        row["evidence"]["b"],
                        row["evidence"]["c"],
                        f"{2.718281828 ** min(row['evidence']['log_e'], 700):.3g}",
                        f"{1 / row['evidence']['level']:.3g}",
                        row["verdict"],
                    )
                    for row in nights
                ),
            ),
            **usage(work, "gate"),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="test_items_fresh",
                passed=not foreign,
                description=f"{len(foreign)} of {found.n} test items were spent by another gate",
            ),
            budget_check(work),
        ],
    )
