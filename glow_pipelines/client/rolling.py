"""The calls about gradual rollouts: beginning one without a test, approving, pausing, taking it back.

Belongs here: names, arguments and results of these functions. Does not: experiments (`experimenting`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from glow_pipelines.client.call import Call, given, one, read_request, table
from glow_pipelines.client.experimenting import ExperimentMove
from glow_pipelines.client.results import Request


@dataclass(frozen=True, slots=True)
class Rollout:
    """`state`: pending, running, paused, rolled_back, completed. `stage` is counted from 0; `awaiting_stage` waits for
    approval."""

    experiment_id: str
    agent_name: str
    kind: str
    treatment: str
    state: str
    stage: int
    stages: int
    treatment_ppm: int
    opened_at: datetime
    stage_started_at: datetime
    revision: int
    reason: str
    plan: dict[str, Any]
    awaiting_stage: int | None = None
    approved_stage: int | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RolloutMove:
    """A move of an experiment or its rollout, and what both were afterwards."""

    move_id: int
    move: str
    state: str
    phase: int
    treatment_ppm: int
    control_ppm: int
    moved_by: str
    reason: str
    moved_at: datetime
    rollout: str | None = None
    stage: int | None = None
    revision: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


def start_rollout(
    agent: str,
    kind: str,
    version: str | None = None,
    reason: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    unit: str | None = None,
    control: str | None = None,
    control_config: Mapping[str, Any] | None = None,
    approval: bool | None = None,
) -> Call[Request]:
    """Ask for a gradual rollout without a test before it. `approval`: a person lets each stage begin."""
    return Call("start_rollout", given(locals()), read_request)


def rollouts(agent: str | None = None, most: int | None = None) -> Call[tuple[Rollout, ...]]:
    """Gradual rollouts of an agent or of all, the newest first."""
    return Call("rollouts", given(locals()), table(Rollout))


def rollout_history(experiment_id: str, most: int | None = None) -> Call[tuple[RolloutMove, ...]]:
    """Every move of an experiment and its rollout, the newest first: who, why, on what evidence."""
    return Call("rollout_history", given(locals()), table(RolloutMove))


def approve_rollout(experiment_id: str, reason: str, stage: int | None = None) -> Call[ExperimentMove]:
    """Let the stage begin that waits for approval, or one ahead."""
    return Call("approve_rollout", given(locals()), one(ExperimentMove))


def pause_rollout(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """Nobody new enters; who is in stays."""
    return Call("pause_rollout", given(locals()), one(ExperimentMove))


def resume_rollout(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """Go on with a paused rollout at the stage it was in."""
    return Call("resume_rollout", given(locals()), one(ExperimentMove))


def roll_back(experiment_id: str, reason: str) -> Call[ExperimentMove]:
    """Take a rollout back, at once for whoever resolves next. A second call changes nothing."""
    return Call("roll_back", given(locals()), one(ExperimentMove))
