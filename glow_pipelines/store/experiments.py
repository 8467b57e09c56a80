"""Experiments, exposures and looks in the database.

Belongs here: creating an experiment, its counts, recording a look. Does not: assignment at run time (glow_api
resolve_prompt), planning and deciding (learning).
"""

from collections.abc import Mapping

from glow_pipelines.store.noun import Noun, Row, json


class Experiments(Noun):
    queries = "experiments"

    def create(
        self,
        experiment_id: str,
        agent: str,
        hypothesis: str,
        control: str,
        treatment: str,
        plan: Mapping[str, object],
        gate_id: str | None,
        request_id: int | None = None,
    ) -> bool:
        """Start an experiment; False when it exists or another runs on this agent."""
        row = self._row(
            "create_experiment",
            experiment_id=experiment_id,
            agent=agent,
            hypothesis=hypothesis,
            control=control,
            treatment=treatment,
            plan=json(plan),
            gate_id=gate_id,
            request_id=request_id,
        )
        return row is not None

    def running(self, agent: str) -> Row | None:
        return self._row("running_experiment", agent=agent)

    def running_agents(self) -> list[str]:
        return [row["agent"] for row in self._rows("running_agents")]

    def exposures(self, experiment_id: str, phase: int) -> dict[str, int]:
        rows = self._rows("exposure_counts", experiment_id=experiment_id, phase=phase)
        return {row["variant"]: row["units"] for row in rows}

    def votes_by_unit(self, experiment: Row) -> list[Row]:
        """Thumbs per exposed unit: unit_id, variant, up, votes."""
        return self._rows(
            "votes_by_unit",
            **{key: experiment[key] for key in ("experiment_id", "phase", "agent", "control", "treatment")},
        )

    def record_look(
        self, experiment_id: str, phase: int, statistics: Mapping[str, object], decision: str, reason: str
    ) -> None:
        self._run(
            "insert_look",
            experiment_id=experiment_id,
            phase=phase,
            statistics=json(statistics),
            decision=decision,
            reason=reason,
        )

    def traffic(self, agent: str) -> Row:
        row = self._row("agent_traffic", agent=agent)
        assert row is not None
        return row

    def votes_per_user(self, agent: str) -> list[Row]:
        """Thumbs of each user: user_id, up, votes."""
        return self._rows("votes_per_user", agent=agent)
