"""Which move follows from the action of a look.

Belongs here: the choice, by what an experiment is when the look is made. Does not: the action (learning/experiments),
the move itself, which is one statement with its audit row and its notification (store/rollouts).
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from glow_pipelines.learning.experiments import ExperimentPlan, Look, RampPlan, default_stages
from glow_pipelines.learning.experiments.activity import LOST
from glow_pipelines.learning.experiments.observations import harm_threshold
from glow_pipelines.learning.experiments.plan import HARM_ALPHA
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Transaction

MOVER = "pipeline"


def follow(t: Transaction, experiment: Row, rollout: Row | None, plan: ExperimentPlan, seen: Look) -> str:
    """Make the move that a look of a test calls for; returns its name, "" where all stays as it is."""
    experiment_id, state = experiment["experiment_id"], experiment["state"]
    said = (MOVER, seen.reason, evidence(seen))
    action = seen.action
    if action in ("stop_harm", "hold") and rollout is not None:  # it awaits approval: there is nothing to approve now
        return made(t.rollouts.roll_back(experiment_id, *said, decision="harm" if action == "stop_harm" else "invalid"))
    if action == "stop_harm":
        return made(t.rollouts.stop_experiment(experiment_id, "harm", *said))
    if action == "hold":
        return made(t.rollouts.hold_experiment(experiment_id, *said))
    if state == "held" or rollout is not None:
        return ""
    if action == "pause":
        return _pause(t, experiment_id, plan, seen)
    if action == "ship":
        # Who paused it wants nobody new in: the first look after it is resumed says the same again, and is followed.
        return "" if state == "paused" else _ship(t, experiment, plan, seen)
    if action in ("keep", "ask"):
        return made(t.rollouts.stop_experiment(experiment_id, "keep", *said))
    if action == "extend":
        return _extend(t, experiment, plan, seen)
    return ""


def stage_hours(plan: ExperimentPlan) -> float:
    """A day that the monitor can see: what happens in a stage counts once its feedback had its time. A stage of a
    phase of its own that lasted a day alone would end before the monitor saw anybody of it."""
    return 24.0 + plan.maturation_hours


def evidence(seen: Look) -> dict[str, object]:
    """What the audit row of a move keeps of its look; the look itself is a row of its own."""
    return {"look": seen.kind, "day": seen.day, "row": seen.row, "action": seen.action, "units": list(seen.units)}


def acknowledged(moves: Sequence[Row], what: Literal["experiment", "rollout"]) -> set[str]:
    """The alarms that a person saw before letting it go on: they do not stop it again."""
    alarms: set[str] = set()
    seen: set[str] = set()
    for move in moves:
        if move["move"] == f"{what}_paused":
            alarms = set(move["evidence"].get("alarms", ()))
        elif move["move"] == f"{what}_resumed":
            seen |= alarms
    return seen


def _pause(t: Transaction, experiment_id: str, plan: ExperimentPlan, seen: Look) -> str:
    edge = harm_threshold(len(plan.watched), HARM_ALPHA)
    alarms = {each.metric for each in seen.metrics if each.role == "signal" and (each.harm_log_e or 0) >= edge}
    alarms |= {LOST} if seen.activity is not None and seen.activity.lost else set()
    if alarms <= acknowledged(t.rollouts.history(experiment_id), "experiment"):
        return ""
    told = {**evidence(seen), "alarms": sorted(alarms)}
    return made(t.rollouts.pause_experiment(experiment_id, MOVER, seen.reason, told))


def _ship(t: Transaction, experiment: Row, plan: ExperimentPlan, seen: Look) -> str:
    before = t.rollouts.rolled_back_before(experiment["agent"], experiment["kind"], experiment["treatment"])
    if before is not None:
        reason = f"{seen.reason} But its rollout was rolled back in {before}: what mends it is a new version."
        return made(t.rollouts.stop_experiment(experiment["experiment_id"], "keep", MOVER, reason, evidence(seen)))
    asked = {} if experiment["request_id"] is None else t.requests.parameters(experiment["request_id"])
    approval = bool(asked.get("approval"))
    stages = default_stages(
        after_test=True,
        tested_ppm=plan.treatment_ppm,
        users=sum(seen.units),
        hours=stage_hours(plan),
        approval=approval,
    )
    # The monitor goes on with the test's users: what they showed before the rollout is taken off.
    carried = {each.metric: -each.harm_log_e for each in seen.metrics if each.harm_log_e is not None}
    told = {**evidence(seen), "carried": carried if stages[0].phase_offset == 0 else {}}
    rollout = RampPlan.of(plan, stages).to_json()
    return made(t.rollouts.open(experiment["experiment_id"], rollout, MOVER, seen.reason, told))


def _extend(t: Transaction, experiment: Row, plan: ExperimentPlan, seen: Look) -> str:
    """To the next multiple of the planned days, unless somebody has extended it further by hand."""
    day = min(plan.maximum_days, plan.planned_days * (math.floor(seen.day / plan.planned_days) + 1))
    ends = experiment["planned_end"]
    if ends is not None and ends >= experiment["begun_at"] + timedelta(days=day, seconds=-1):
        return ""
    return made(t.rollouts.extend_experiment(experiment["experiment_id"], day, MOVER, seen.reason, evidence(seen)))


def made(receipt: Row) -> str:
    """The move a receipt tells of, "" where nothing moved."""
    status: str = receipt["status"]
    return "" if status == "unchanged" else status
