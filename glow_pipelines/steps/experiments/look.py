"""A look at a test and what follows from it, in one transaction: the row that says why, and the move.

Belongs here: when a look is due, and that it is made once. Does not: what the numbers say (learning/experiments), which
move an action is (moves), rollouts (rollout).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from glow_pipelines.learning.experiments import ExperimentPlan, Look, take_look
from glow_pipelines.steps.experiments.moves import follow
from glow_pipelines.store import Store
from glow_pipelines.store.noun import Row
from glow_pipelines.store.prompts import MoveRefused
from glow_pipelines.store.store import Transaction

LookKind = Literal["decision", "guardrail", "ramp"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """An experiment and its rollout as they are after a look. `new`: it was made now; `moved`: what followed from it.

    `look` is the newest one; None where none was made yet, or there was nothing to look at.
    """

    experiment: Row
    rollout: Row | None
    look: Look | None
    new: bool = False
    moved: str = ""


def look_at(store: Store, experiment_id: str, kind: Literal["decision", "guardrail"], now: datetime) -> Seen:
    """Look at a test and do what follows. Again on the same day (a guardrail look: in the same hour, both counted from
    the start), it is the look that was made, and nothing follows.

    A guardrail look decides nothing but harm. `now` is aware. Raises KeyError for an unknown experiment.
    """
    fold(store, experiment_id, now)
    try:
        with store.transaction() as t:
            return _look(t, experiment_id, kind, now)
    except MoveRefused:  # somebody moved it between our reading and our move: what it is now counts
        with store.transaction() as t:
            return _look(t, experiment_id, kind, now)


def fold(store: Store, experiment_id: str, now: datetime) -> None:
    """Count what is new, in a transaction of its own: what is counted stays counted if the look fails.

    Raises KeyError for an unknown experiment.
    """
    with store.transaction() as t:
        experiment = t.experiments.find(experiment_id)
        if experiment is None:
            raise KeyError(experiment_id)
        if experiment["active"]:
            ended = strata(experiment, t.rollouts.current(experiment_id))
            t.experiment_statistics.fold(experiment_id, due(experiment, now), strata=ended)


def strata(experiment: Row, rollout: Row | None) -> list[int]:
    """The phases of a rollout that ended: what happened in their last day matures in the next one's."""
    if rollout is None:
        return []
    stages = rollout["plan"]["stages"][: rollout["stage"] + 1]
    phases = {rollout["first_phase"] + stage["phase_offset"] for stage in stages}
    return sorted(phase for phase in phases if phase < experiment["phase"])


def due(experiment: Row, now: datetime) -> datetime:
    """The newest moment there is to look at: whole hours after the start, the same for looks of every kind.

    So a look that is late, repeated or made by two runs at once is the same look, and finds counted what it needs.
    """
    begun: datetime = experiment["begun_at"]
    # The database wrote the start by its own clock, which may be ahead of ours.
    return begun + max(0, (now - begun) // HOUR) * HOUR


def _look(t: Transaction, experiment_id: str, kind: Literal["decision", "guardrail"], now: datetime) -> Seen:
    t.experiments.lock_looks(experiment_id)
    experiment, rollout = t.experiments.find(experiment_id), t.rollouts.current(experiment_id)
    assert experiment is not None
    as_of = due(experiment, now)
    history = t.experiments.looks(experiment_id, experiment["phase"])
    every, begun = DAY if kind == "decision" else HOUR, experiment["begun_at"]
    made = [
        row for row in history if row["kind"] == kind and (row["as_of"] - begun) // every >= (as_of - begun) // every
    ]
    before = [Look.from_json(row["result"]) for row in history if row["kind"] != "ramp"]
    if made:
        return Seen(experiment, rollout, Look.from_json(made[-1]["result"]))
    if not _open(experiment, rollout, kind):
        return Seen(experiment, rollout, before[-1] if before else None)
    plan = ExperimentPlan.from_json(experiment["plan"])
    statistics = t.experiment_statistics.statistics(experiment_id, as_of, plan)
    seen = take_look(plan, statistics, before, kind)
    t.experiments.record_look(
        experiment_id,
        experiment["phase"],
        kind,
        as_of,
        seen.day,
        statistics.to_json(),
        seen.to_json(),
        seen.action,
        seen.reason,
    )
    moved = follow(t, experiment, rollout, plan, seen)
    after = t.experiments.find(experiment_id)
    assert after is not None
    return Seen(after, t.rollouts.current(experiment_id), seen, new=True, moved=moved)


def _open(experiment: Row, rollout: Row | None, kind: LookKind) -> bool:
    """Whether there is something to look at: a test decides nothing once it ships, is held, or is over."""
    if kind == "decision":
        return rollout is None and experiment["state"] in ("running", "paused")
    # A rollout that nobody has approved yet leaves the units of the test where they are.
    return experiment["active"] and (rollout is None or rollout["state"] == "pending")
