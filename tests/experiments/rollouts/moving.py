"""An agent with two prompts, an experiment between them, and what its rollout looks like from outside.

Belongs here: what several files about moves share. Does not: assertions.
"""
# ruff: noqa: S608 -- the names in the SQL are ours

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from glow_pipelines.learning.prompts.types import Candidate, Prompt
from glow_pipelines.store import Store

AGENT = "coder"
OLD = Prompt("Which account is it?")
NEW = replace(OLD, instruction="Which account?")
PLAN = {"planned_days": 7, "maximum_days": 28, "summary": "a plan"}
Stage = dict[str, Any]


def stages(*approvals: int, shares: Iterable[tuple[int, int, int]] = ()) -> dict[str, Any]:
    """A plan of a rollout: 5, 25 and 50 % in one phase, 75 and 100 % in phases of their own; which stages ask."""
    given = tuple(shares) or (
        (50_000, 50_000, 0),
        (250_000, 250_000, 0),
        (500_000, 500_000, 0),
        (750_000, 250_000, 1),
        (1_000_000, 0, 2),
    )
    return {
        "stages": [
            {
                "treatment_ppm": treatment,
                "control_ppm": control,
                "phase_offset": offset,
                "hours": 24,
                "units": 100,
                "approval": n in approvals,
            }
            for n, (treatment, control, offset) in enumerate(given)
        ]
    }


def begin(store: Store, experiment_id: str = "x1", **more: Any) -> str:
    """An experiment of NEW against OLD, asked for by request 1."""
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
        begun = t.experiments.create(
            experiment_id, AGENT, "shorter", OLD.sha256, NEW.sha256, PLAN, None, 1, **{"design": "ramp", **more}
        )
        assert begun
    return experiment_id


def state(store: Store, experiment_id: str = "x1") -> tuple[str, str | None, int | None, str]:
    """(experiment, rollout, stage, what is in force)."""
    with store.transaction() as t:
        experiment, rollout = t.experiments.find(experiment_id), t.rollouts.current(experiment_id)
        in_force = t.prompts.in_force(AGENT)
        assert experiment is not None
        assert in_force is not None
        named = {OLD.sha256: "old", NEW.sha256: "new"}[in_force.prompt.sha256]
        if rollout is None:
            return experiment["state"], None, None, named
        return experiment["state"], rollout["state"], rollout["stage"], named


def everything(store: Store) -> list[Any]:
    """All that a move writes, as rows."""
    tables = (
        "learning_experiments",
        "rollouts",
        "rollout_moves",
        "prompt_aliases",
        "prompt_alias_history",
        "notifications",
    )
    with store.transaction() as t:
        return [
            t.connection.execute(f"select * from glow.{table} order by 1, 2".encode()).fetchall() for table in tables
        ]


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
