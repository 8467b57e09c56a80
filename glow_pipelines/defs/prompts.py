"""Prompts: analysis, candidates, race, gate, candidate.

Belongs here: the five assets of one optimization, each a stage that reads what the one before wrote. Does not: the
stages' reasoning (learning/prompts), traffic (experiments).

An optimization is one dataset version against one prompt in force. Its id is the hash of those, and every model answer
is cached, so that a run that was killed takes the same decisions again and pays only for what is missing.
"""

from typing import Any

import dagster as dg

from glow_pipelines.defs.metadata import counts, diff, line, percent, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services

GROUP = "prompts"
COMMON: dict[str, Any] = {
    "partitions_def": agents,
    "group_name": GROUP,
    "owners": ["team:prompts"],
    "code_version": "1",
}


def _waiting(reason: str, check: str) -> dg.MaterializeResult:
    """An agent with nothing to optimize is an honest outcome, not a failure."""
    return dg.MaterializeResult(
        metadata={"state": line(reason)},
        check_results=[dg.AssetCheckResult(check_name=check, passed=True, description=reason)],
    )


@dg.asset(
    **COMMON,
    deps=["training_dataset"],
    kinds={"postgres", "python"},
    check_specs=[dg.AssetCheckSpec("enough_examples", asset="prompt_analysis")],
)
def prompt_analysis(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Where the prompt in force fails, measured on train examples and in users' corrections."""
    from glow_pipelines.steps.optimization import NotOptimizable, Optimization

    try:
        work = Optimization.open(services, context.partition_key)
    except NotOptimizable as nothing:
        return _waiting(str(nothing), "enough_examples")
    analysis = work.analyze()
    return dg.MaterializeResult(
        metadata={
            "accuracy on train": analysis.accuracy.estimate,
            "interval": f"{percent(analysis.accuracy.low)} to {percent(analysis.accuracy.high)} on {analysis.n}",
            "model calls": work.budget.calls,
            "by target": table(
                ("target", "right", "of"), ((each.target, each.right, each.n) for each in analysis.targets)
            ),
            "failures": table(
                ("should be", "answered", "times", "for example"),
                (
                    (each.target, each.answered, each.count, (each.example_inputs or ("",))[0])
                    for each in analysis.clusters[:8]
                ),
                empty="none",
            ),
            "issues": counts(dict(analysis.issues)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="enough_examples",
                passed=not work.missing,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(work.missing) or f"{len(work.examples)} examples",
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[prompt_analysis],
    kinds={"postgres", "python"},
    check_specs=[dg.AssetCheckSpec("lineage", asset="prompt_candidates", blocking=True)],
)
def prompt_candidates(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Proposed prompts, each linted before a call is paid for it; a rejected one is kept with its reason."""
    from glow_pipelines.steps.optimization import NotOptimizable, Optimization

    try:
        work = Optimization.open(services, context.partition_key)
    except NotOptimizable as nothing:
        return _waiting(str(nothing), "lineage")
    candidates = work.propose()
    untraced = work.untraced()
    return dg.MaterializeResult(
        metadata={
            "candidates": len(candidates),
            "rejected by lint": sum(bool(each.findings) for each in candidates),
            "proposals": table(
                ("operator", "rules", "demonstrations", "tokens", "lint"),
                (
                    (
                        each.operator,
                        len(each.prompt.rules),
                        len(each.prompt.demonstrations),
                        each.prompt.tokens,
                        "; ".join(each.findings) or "clean",
                    )
                    for each in candidates
                ),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="lineage",
                passed=not untraced,
                description="rules and demonstrations without a source row: " + (", ".join(untraced) or "none"),
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[prompt_candidates],
    kinds={"openai", "python"},
    pool="chat",
    check_specs=[dg.AssetCheckSpec("budget", asset="prompt_race", blocking=True)],
)
def prompt_race(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Sequential halving over the candidates on shared validation items. Its scores rank; they are not gains."""
    from glow_pipelines.steps.optimization import NotOptimizable, Optimization

    try:
        work = Optimization.open(services, context.partition_key)
    except NotOptimizable as nothing:
        return _waiting(str(nothing), "budget")
    race = work.race(context.log.info)
    return dg.MaterializeResult(
        metadata={
            "evaluations": race.evaluations,
            "model calls": work.budget.calls,
            "best validation accuracy": max((arm.accuracy.estimate for arm in race.arms), default=0.0),
            "arms": table(
                ("operator", "items", "right", "validation accuracy", "left because"),
                (
                    (arm.operator, arm.n, arm.right, percent(arm.accuracy.estimate), arm.reason or "still in")
                    for arm in sorted(race.arms, key=lambda arm: (-arm.n, -arm.right))
                ),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="budget",
                passed=work.budget.calls <= work.budget.max_calls,
                description=f"{work.budget.calls} of {work.budget.max_calls} calls",
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[prompt_race],
    kinds={"openai", "scipy"},
    pool="chat",
    check_specs=[dg.AssetCheckSpec("test_items_fresh", asset="prompt_gate", blocking=True)],
)
def prompt_gate(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The finalist against the prompt in force on sealed test items, each of which is spent once."""
    from glow_pipelines.steps.optimization import NotOptimizable, Optimization

    try:
        work = Optimization.open(services, context.partition_key)
    except NotOptimizable as nothing:
        return _waiting(str(nothing), "test_items_fresh")
    gate = work.gate()
    if gate is None:
        return _waiting(work.outcome(), "test_items_fresh")
    foreign = work.spent_elsewhere(gate)
    return dg.MaterializeResult(
        metadata={
            "verdict": gate.verdict,
            "reason": line(gate.reason),
            "accuracy in force": gate.incumbent_accuracy.estimate,
            "accuracy of the finalist": gate.finalist_accuracy.estimate,
            "difference": gate.difference.estimate,
            "interval": f"{percent(gate.difference.low)} to {percent(gate.difference.high)} on {gate.n} items",
            "log e-value": gate.log_e,
            "gain to expect (shrunken)": gate.shrunken_gain,
            "only the finalist right / only the one in force right": f"{gate.b} / {gate.c}",
            "model calls": work.budget.calls,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="test_items_fresh",
                passed=not foreign,
                description=f"{len(foreign)} of {gate.n} test items were spent by another gate",
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[prompt_gate],
    kinds={"postgres"},
    check_specs=[dg.AssetCheckSpec("candidate_has_gate", asset="candidate_prompt", blocking=True)],
)
def candidate_prompt(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The prompt that passed the gate, if one did, as a diff to the one in force, with the rows it came from."""
    agent = context.partition_key
    with services.store.transaction() as t:
        gate = t.optimizations.latest_gate(agent)
        production = t.prompts.in_force(agent)
        promoted = gate if gate is not None and gate["verdict"] == "promote" else None
        if promoted and production and promoted["incumbent"] == production.prompt.sha256:
            t.prompts.move_alias(
                agent, "candidate", promoted["finalist"], "pipeline", "passed the gate", promoted["gate_id"]
            )
        candidate = t.prompts.in_force(agent, "candidate")
        behind = t.prompts.gate_of_alias(agent, "candidate")
        lineage = [] if candidate is None else t.prompts.lineage(agent, candidate.prompt.sha256)
    if candidate is None or production is None:
        return _waiting("no candidate: nothing has passed the gate yet", "candidate_has_gate")
    passed = behind is not None and behind["verdict"] == "promote"
    gated = passed and behind is not None and behind["finalist"] == candidate.prompt.sha256
    return dg.MaterializeResult(
        data_version=dg.DataVersion(candidate.prompt.sha256),
        metadata={
            "prompt version": candidate.prompt.sha256,
            "operator": candidate.operator,
            "diff": diff(production.prompt.describe(), candidate.prompt.describe()),
            "source rows": len(lineage),
            "lineage": table(
                ("role", "rule", "kind", "id", "from", "row"),
                (
                    (
                        row["role"],
                        row["rule_id"],
                        row["kind"],
                        row["source_id"][:12],
                        row["from_kind"] or "",
                        row["from_id"] or "",
                    )
                    for row in lineage[:30]
                ),
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="candidate_has_gate",
                passed=gated,
                description="the gate behind the alias promoted exactly this prompt",
            )
        ],
    )
