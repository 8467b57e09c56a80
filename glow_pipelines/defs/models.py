"""Models: the training file and the fine-tuned model of an agent.

Belongs here: the assets `training_file` and `fine_tuned_model`. Does not: whether a run may start (learning/models),
the services (providers/tuning), waiting for a job (a sensor, with the fine-tuning issue).
"""

from typing import Any

import dagster as dg

from glow_pipelines.defs.metadata import counts, line, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import asked
from glow_pipelines.services import Services

GROUP = "models"
PLAN = ("provider", "base_model", "method", "train_count", "validation_count", "estimated_tokens")
COMMON: dict[str, Any] = {"partitions_def": agents, "group_name": GROUP, "owners": ["team:models"], "code_version": "1"}


@dg.asset(
    **COMMON,
    deps=["training_dataset"],
    kinds={"json"},
    check_specs=[dg.AssetCheckSpec("lines_valid", asset="training_file", blocking=True)],
)
def training_file(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The agent's train and validation examples as chat JSONL, each line checked against the services' rules.

    Test examples are never in it.
    """
    from glow_pipelines.learning.datasets import sft_line, validate_line

    agent = context.partition_key
    with services.store.transaction() as t:
        dataset = t.datasets.in_force(agent)
        rows = [] if dataset is None else [row for row in t.datasets.rows(dataset["dataset_id"]) if row.split != "test"]
        prompt = t.prompts.in_force(agent)
    lines = [sft_line(row, "" if prompt is None else prompt.prompt.system) for row in rows]
    problems = [problem for number, line in enumerate(lines, 1) for problem in validate_line(line, "sft", number)]
    folder = services.settings.home / "exports" / "training"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{agent}.jsonl"
    if not problems:  # written whole or not at all: a half file would be uploaded as if it were one
        partial = path.with_suffix(".partial")
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        partial.replace(path)
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(lines),
            "bytes": sum(len(line.encode()) + 1 for line in lines),
            "file": dg.MetadataValue.path(str(path)),
            "sample": table(("line",), ((line,) for line in lines[:3]), empty="no dataset version"),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="lines_valid",
                passed=not problems,
                description=f"{len(problems)} problems in {len(lines)} lines",
                metadata={
                    "problems": table(
                        ("line", "field", "value", "remedy"),
                        ((each.line, each.field, each.value, each.remedy) for each in problems[:20]),
                        empty="none",
                    )
                },
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[training_file],
    kinds={"openai"},
    check_specs=[dg.AssetCheckSpec("run_planned_once", asset="fine_tuned_model", blocking=True)],
    metadata={"dagster/table_name": "glow.training_runs"},
)
def fine_tuned_model(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The training run of the newest dataset: planned and priced; submitted only where a service is configured.

    Without one the state is `disabled` and says what to set: an outcome, not a failure.
    """
    from glow_pipelines.steps.training import plan_run, submit_run

    agent = context.partition_key
    planned = plan_run(services, agent, asked(context, services).get("base_model"))
    if planned is None:
        return dg.MaterializeResult(
            metadata={"state": "no dataset version yet"},
            check_results=[dg.AssetCheckResult(check_name="run_planned_once", passed=True)],
        )
    state, reason = str(planned.state), planned.reason
    if state == "planned":
        state, reason = submit_run(services, planned)
    with services.store.transaction() as t:
        run = t.models.run(planned.run_key)
    return dg.MaterializeResult(
        metadata={
            "state": state,
            "reason": line(reason),
            "plan": counts({name: getattr(planned, name) for name in PLAN}),
            "estimated cost USD": planned.estimated_cost_usd or 0.0,
            "run": planned.run_key,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="run_planned_once", passed=run is not None, description="one row per set of inputs"
            )
        ],
    )
