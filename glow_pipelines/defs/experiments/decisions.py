"""The asset `experiment`: what starts, and the daily look that may decide it.

Belongs here: the asset and its checks. Does not: starting, looking, moving (steps/experiments).
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.experiments.shown import CHECKS, checks, in_full, nothing, overview
from glow_pipelines.defs.experiments.together import for_each
from glow_pipelines.defs.jobs import experimentation
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.requests import TAG, asked
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glow_pipelines.steps.experiments import Seen
    from glow_pipelines.store.store import Transaction


@dg.asset(
    partitions_def=agents,
    group_name="experiments",
    owners=["team:product"],
    kinds={"postgres", "scipy"},
    code_version="2",
    deps=["candidate_prompt"],
    check_specs=[dg.AssetCheckSpec(name, asset="experiment") for name in CHECKS],
    metadata={"dagster/table_name": "glow.learning_experiments"},
)
def experiment(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """A candidate against what is in force, by users: started with a frozen plan, looked at once a day, decided.

    One row of the decision table holds at each look, and says why in a sentence. A win becomes a gradual rollout.
    """
    from glow_pipelines.steps.experiments import look_at

    agent, wanted = context.partition_key, asked(context, services)
    with services.store.transaction() as t:
        # Run by itself it ends no turn: what a turn before it read, and did not finish, stays to be learned.
        if context.run.job_name != experimentation.name:
            _end_turn(t, agent)
        main = _start(t, services, agent, int(context.run.tags.get(TAG, 0)), wanted)
        shown = [row["experiment_id"] for row in t.experiments.active(agent)]
        # What an ended one found stays to be read; looking at it again only reads.
        if not shown and (newest := t.experiments.newest(agent)):
            shown = [newest["experiment_id"]]
    now = datetime.now(UTC)
    seen = for_each(shown, lambda each: look_at(services.store, each, "decision", now))
    if not seen:
        return nothing("no candidate to test", "experiment")
    return dg.MaterializeResult(
        metadata={**_shown(services, _main(seen, main)), "experiments": overview(seen)},
        check_results=checks(seen, "experiment"),
    )


def _end_turn(t: "Transaction", agent: str) -> None:
    """What the agent's dataset had read is now learned, and only now. A run that failed before this line, or left its
    optimization undecided, is asked for again."""
    optimization = t.optimizations.latest(agent)
    if optimization is None or optimization["state"] != "running":
        t.operations.set_watermark("turn", t.operations.watermark("training_dataset", agent), agent)


def _start(
    t: "Transaction", services: Services, agent: str, request_id: int, wanted: "Mapping[str, Any]"
) -> str | None:
    """Start what was asked for, else the candidate that passed its gate; returns the experiment asked for."""
    from glow_pipelines.steps.experiments import start_asked
    from glow_pipelines.steps.hand_over import hand_over

    if wanted.keys() & {"prompt_version", "treatment", "config"}:
        return start_asked(t, services.settings, agent, request_id, wanted)
    if t.experiments.running(agent) is None:
        # Handed over already, unless an earlier experiment stood in its way then.
        hand_over(t, services.settings, agent)
    return None


def _main(seen: "list[Seen]", asked_for: str | None) -> "Seen":
    """Of which one the asset tells in full."""
    for each in seen:
        if each.experiment["experiment_id"] == asked_for:
            return each
    return next((each for each in seen if each.experiment["kind"] == "prompt"), seen[0])


def _shown(services: Services, seen: "Seen") -> dict[str, Any]:
    from glow_pipelines.learning.experiments import ExperimentPlan, Look

    experiment = seen.experiment
    with services.store.transaction() as t:
        rows = t.experiments.looks(experiment["experiment_id"], experiment["phase"])
    looks = [Look.from_json(row["result"]) for row in rows if row["kind"] != "ramp"]
    return in_full(seen, looks, ExperimentPlan.from_json(experiment["plan"]))
