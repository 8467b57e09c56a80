"""A tick of a gradual rollout: what its monitor sees, and at most one move, in one transaction.

Belongs here: reading a rollout as the pure state machine knows it, and making the move it answers. Does not: when to
advance or roll back (learning/experiments/ramp), what a move does to users (glow.…_rollout).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from glow_pipelines.learning.experiments import ExperimentPlan, Look, Ramp, RampMove, RampPlan, advance
from glow_pipelines.steps.experiments.look import due, fold, strata
from glow_pipelines.steps.experiments.moves import MOVER, acknowledged, made
from glow_pipelines.store import Store
from glow_pipelines.store.noun import Row
from glow_pipelines.store.prompts import MoveRefused
from glow_pipelines.store.store import Transaction

DAY = timedelta(days=1)
ONWARD = ("advance", "await_approval", "complete")
OFF = "LEARNING_ENABLED is false: it goes no further."
OPENED = ("rollout_started", "rollout_awaits_approval")


@dataclass(frozen=True)
class Ticked:
    """A rollout as it is after a tick. `new`: the tick was made now; `moved`: what it moved, "" if nothing.

    `move` is what the monitor said at its newest tick, None where it has said nothing yet.
    """

    experiment: Row
    rollout: Row
    move: RampMove | None
    new: bool = False
    moved: str = ""


def tick(store: Store, experiment_id: str, now: datetime, *, onward: bool = True) -> Ticked:
    """Watch a rollout that goes on, and move it by one stage at most; ticks of one hour are one tick.

    Without `onward` it is watched and taken back where it does harm, and goes no further. `now` is aware. Raises
    KeyError where there is no such experiment, ValueError where it has no rollout.
    """
    fold(store, experiment_id, now)
    try:
        with store.transaction() as t:
            return _tick(t, experiment_id, now, onward)
    except MoveRefused:  # somebody moved it between our reading and our move: what it is now counts
        with store.transaction() as t:
            return _tick(t, experiment_id, now, onward)


def _tick(t: Transaction, experiment_id: str, now: datetime, onward: bool) -> Ticked:
    t.experiments.lock_looks(experiment_id)
    experiment, rollout = t.experiments.find(experiment_id), t.rollouts.current(experiment_id)
    assert experiment is not None
    if rollout is None:
        raise ValueError(f"experiment {experiment_id} has no rollout; it ends as a test does")
    as_of, looks = due(experiment, now), t.experiments.looks(experiment_id, experiment["phase"])
    ticks = [row for row in looks if row["kind"] == "ramp"]
    # In any phase: the tick of this hour may have begun the one that is now.
    if rollout["ended_at"] is not None or t.experiments.was_seen(experiment_id, "ramp", as_of):
        return Ticked(experiment, rollout, RampMove.from_json(ticks[-1]["result"]) if ticks else None)
    day = (as_of - experiment["begun_at"]) / DAY
    plan, ramp = RampPlan.from_json(rollout["plan"]), ramp_of(experiment, rollout, t.rollouts.history(experiment_id))
    statistics = t.experiment_statistics.statistics(
        experiment_id, as_of, ExperimentPlan.from_json(experiment["plan"]), strata(experiment, rollout)
    )
    history = [Look.from_json(row["result"]) for row in looks if row["kind"] != "ramp"]
    move = advance(plan, ramp, day, statistics, history)
    if not onward and move.action in ONWARD:
        move = replace(move, action="wait", ramp=ramp, reason=f"{move.reason} {OFF}")
    t.experiments.record_look(
        experiment_id,
        experiment["phase"],
        "ramp",
        as_of,
        day,
        statistics.to_json(),
        move.to_json(),
        move.action,
        move.reason,
    )
    moved = _make(t, rollout, move)
    after, now_is = t.experiments.find(experiment_id), t.rollouts.current(experiment_id)
    assert after is not None
    assert now_is is not None
    return Ticked(after, now_is, move, new=True, moved=moved)


def ramp_of(experiment: Row, rollout: Row, moves: Sequence[Row]) -> Ramp:
    """A rollout's rows as the state machine knows it; what no column holds is read off its moves.

    Those tell what the test had shown when the rollout began, and which alarms a person saw before letting it go on.
    """
    begun = experiment["begun_at"]
    opened: Row = next((move["evidence"] for move in moves if move["move"] in OPENED), {})
    carried = dict(rollout["carried"] or opened.get("carried", {}))
    paused = rollout["paused_at"]
    return Ramp(
        state=rollout["state"],
        stage=rollout["stage"],
        stage_started_day=(rollout["stage_started_at"] - begun) / DAY,
        carried=carried,
        approved_stage=rollout["approved_stage"],
        paused_day=None if paused is None else (paused - begun) / DAY,
        acknowledged=tuple(sorted(acknowledged(moves, "rollout"))),
        opened=dict(opened.get("carried", {})),
    )


def _make(t: Transaction, rollout: Row, move: RampMove) -> str:
    """Make the move; returns its name, "" where all stays as it is."""
    experiment_id, revision = rollout["experiment_id"], rollout["revision"]
    evidence = {"look": "ramp", "evidence": dict(move.evidence), "alarms": list(move.alarms)}
    match move.action:
        case "roll_back":
            return made(t.rollouts.roll_back(experiment_id, MOVER, move.reason, evidence))
        case "hold":
            return made(t.rollouts.pause(experiment_id, MOVER, move.reason, evidence))
        case "complete":
            return made(t.rollouts.complete(experiment_id, revision, MOVER, move.reason, evidence))
        # The database asks for approval, and tells people once.
        case "advance" | "await_approval" if rollout["state"] == "running":
            carried = dict(move.ramp.carried)
            asks = move.action == "await_approval"
            return made(t.rollouts.advance(experiment_id, revision, MOVER, move.reason, carried, evidence, asks=asks))
    return ""
