"""Experiments and rollouts as a person reads and asks for them.

Belongs here: calling the same functions of glow_api that engineers call, so that the command and SQL answer alike. Does
not: what the pipeline reads to look and to decide (experiments), moves (rollouts).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from glow_pipelines.store.noun import Noun, Row, json
from glow_pipelines.store.prompts import refusals


@dataclass(frozen=True)
class Change:
    """What is to be tried: a version of a kind, or settings; and instead of what, where nothing is in production."""

    agent: str
    kind: str
    version: str | None = None
    control: str | None = None
    config: Mapping[str, object] | None = None
    control_config: Mapping[str, object] | None = None

    def parameters(self) -> dict[str, object]:
        """As the functions take it."""
        settings = {"config": self.config, "control_config": self.control_config}
        named = {"agent": self.agent, "kind": self.kind, "version": self.version, "control": self.control}
        return named | {name: None if each is None else json(dict(each)) for name, each in settings.items()}


class ExperimentViews(Noun):
    """Raises MoveRefused for what the functions refuse: an agent or experiment that is not known, a version in use."""

    queries = "experiment_views"

    def experiments(self, agent: str | None = None, most: int = 100) -> list[Row]:
        """The experiments of an agent or of all, the newest first, each with what its last look said."""
        with refusals():
            return self._rows("experiments", agent=agent, most=most)

    def looks(self, experiment_id: str, most: int = 100) -> list[Row]:
        """Every look at an experiment, the newest first; `result` is the whole of it."""
        with refusals():
            return self._rows("looks", experiment_id=experiment_id, most=most)

    def decision(self, experiment_id: str) -> Row:
        """Where an experiment stands, in a sentence."""
        with refusals():
            row = self._row("decision", experiment_id=experiment_id)
        assert row is not None
        decision: Row = row["decision"]
        return decision

    def rollouts(self, agent: str | None = None, most: int = 100) -> list[Row]:
        """Gradual rollouts, the newest first."""
        with refusals():
            return self._rows("rollouts", agent=agent, most=most)

    def moves(self, experiment_id: str, most: int = 100) -> list[Row]:
        """Every move of an experiment and its rollout, the newest first."""
        with refusals():
            return self._rows("moves", experiment_id=experiment_id, most=most)

    def ask_experiment(self, change: Change, hypothesis: str, asked: Mapping[str, object], reason: str) -> Row:
        """Ask for an experiment; a run starts it. `asked`: effect, unit, metric, days, objective, as a plan takes them.
        Returns request_id, status, warnings."""
        with refusals():
            row = self._row("ask_experiment", **change.parameters(), hypothesis=hypothesis, reason=reason, **asked)
        assert row is not None
        receipt: Row = row["receipt"]
        return receipt

    def ask_rollout(self, change: Change, unit: str, approval: bool, reason: str) -> Row:
        """Ask for a rollout without a test before it; a run begins it. Returns request_id, status."""
        with refusals():
            row = self._row("ask_rollout", **change.parameters(), unit=unit, approval=approval, reason=reason)
        assert row is not None
        receipt: Row = row["receipt"]
        return receipt
