"""Executions and feedback in the database.

Belongs here: reading what apps wrote. Does not: writing it (apps call glow_api), deciding what it means (learning).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from glow_pipelines.learning.feedback import ExecutionRow, FeedbackRow
from glow_pipelines.store.noun import Noun, Row, json


@dataclass(frozen=True)
class Agent:
    """A registered agent; `metric` is None when none is known for its answers, `choices` when they are free texts.

    `max_calls`: model calls one optimization of this agent may spend, where it differs from the setting.
    """

    name: str
    description: str
    metric: str | None
    choices: tuple[str, ...] | None
    shares: tuple[float, float, float]
    max_calls: int | None = None
    metric_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """New feedback of an agent behind the horizon: how many rows (as far as counted), the newest id among them, and the
    horizon it was read at."""

    agent: str
    arrived: int
    last_id: int
    horizon: str


class Feedback(Noun):
    queries = "feedback"

    def horizon(self) -> str:
        """The transaction id below which nothing is open any more."""
        row = self._row("horizon")
        assert row is not None
        return str(row["horizon"])

    def agents(self) -> list[Agent]:
        return [_agent(row) for row in self._rows("agents")]

    def agent(self, name: str) -> Agent:
        """Raises KeyError naming the registered agents when there is none of that name."""
        agents = {agent.name: agent for agent in self.agents()}
        if name not in agents:
            raise KeyError(f"agent {name!r} is not registered; known: {', '.join(agents) or 'none'}")
        return agents[name]

    def touched_agents(self, since: str, horizon: str) -> list[str]:
        """Agents with news from watermark `since` up to `horizon`."""
        return [row["agent"] for row in self._rows("touched_agents", since=since, horizon=horizon)]

    def executions_of_agent(self, agent: str, prompt_version: str | None = None) -> list[ExecutionRow]:
        rows = self._rows("executions_of_agent", agent=agent, prompt_version=prompt_version)
        return [ExecutionRow(**row) for row in rows]

    def feedback_of_agent(
        self, agent: str, prompt_version: str | None = None, until: int | None = None
    ) -> list[FeedbackRow]:
        """Current feedback, or what was current when the feedback `until` was the newest."""
        return [
            _feedback(row)
            for row in self._rows("feedback_of_agent", agent=agent, prompt_version=prompt_version, until=until)
        ]

    def execution_summary(self) -> list[Row]:
        return self._rows("execution_summary")

    def waiting_feedback(self, age: timedelta) -> dict[str, int]:
        """Feedback older than `age` whose execution never came, by agent."""
        return {row["agent"]: row["waiting"] for row in self._rows("waiting_feedback", age=age)}

    def arrivals(self, watermarks: dict[str, str], threshold: int, most: int = 50, most_rows: int = 0) -> list[Arrival]:
        """Agents with at least `threshold` new rows since their watermark (agent -> xid).

        `arrived` counts up to the greater of `threshold` and `most_rows`, and stops there.
        """
        rows = self._rows(
            "feedback_arrivals",
            watermarks=json(watermarks),
            threshold=threshold,
            most_rows=most_rows,
            horizon=self.horizon(),
            most=most,
        )
        return [Arrival(**row) for row in rows]

    def positive_feedback(self, agent: str) -> list[Row]:
        return self._rows("positive_feedback", agent=agent)


def _agent(row: Row) -> Agent:
    evaluation: dict[str, Any] = row["evaluation"] or {}
    choices = evaluation.get("choices")
    return Agent(
        row["agent"],
        row["description"],
        row["metric"],
        tuple(choices) if choices else None,
        (row["train_share"], row["val_share"], row["test_share"]),
        evaluation.get("max_calls"),
        row["metric_settings"],
    )


def _feedback(row: Row) -> FeedbackRow:
    return FeedbackRow(**{**row, "issues": tuple(row["issues"])})
