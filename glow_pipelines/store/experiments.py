"""Experiments, exposures and looks in the database.

Belongs here: creating an experiment, its counts, recording a look, putting an arm in force. Does not: assignment at
run time (glow_api.resolve_prompt), planning and deciding (learning).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import psycopg

from glow_pipelines.store.noun import Noun, Row, json

Kind = Literal["prompt", "model", "retrieval", "config"]
Unit = Literal["user", "org", "session", "execution"]


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
        *,
        kind: Kind = "prompt",
        design: Literal["ab", "ramp"] = "ab",
        configs: tuple[Mapping[str, object], Mapping[str, object]] | None = None,
        layer: str | None = None,
        slots: tuple[int, int] = (0, 1_000_000),
        unit: Unit = "user",
        hash: Literal["pg1", "gb2"] = "pg1",
        salt: str | None = None,
        treatment_ppm: int = 500_000,
        control_ppm: int | None = None,
        enroll_ppm: int = 1_000_000,
        state: Literal["running", "ramping"] = "running",
        planned_end: datetime | None = None,
    ) -> bool:
        """Start an experiment; False when it exists, another stands in its way or control is not in force.

        `configs`: the settings of control and treatment, for kind `config` alone. Where None, `layer` is the kind,
        `control_ppm` what treatment leaves, `salt` <experiment>#1 (the seed of another tool goes on with its split).
        """
        control_config, treatment_config = configs or (None, None)
        # Also begins the transaction: the block below would be one of its own otherwise, and commit.
        self._run("lock_agent", agent=agent)
        try:
            with self._connection.transaction():
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
                    kind=kind,
                    design=design,
                    control_config=None if control_config is None else json(control_config),
                    treatment_config=None if treatment_config is None else json(treatment_config),
                    layer=layer,
                    slot_from=slots[0],
                    slot_to=slots[1],
                    unit=unit,
                    hash=hash,
                    salt=salt,
                    treatment_ppm=treatment_ppm,
                    control_ppm=control_ppm,
                    enroll_ppm=enroll_ppm,
                    state=state,
                    planned_end=planned_end,
                )
        except psycopg.Error as error:
            if error.sqlstate != "PT409":
                raise
            return False
        return row is not None

    def find(self, experiment_id: str) -> Row | None:
        """All columns of an experiment."""
        return self._row("experiment", experiment_id=experiment_id)

    def active(self, agent: str, kind: Kind | None = None) -> list[Row]:
        """The experiments in which units of an agent may see an arm, the oldest first."""
        return self._rows("active_experiments", agent=agent, kind=kind)

    def newest(self, agent: str) -> Row | None:
        """The experiment of an agent that was begun last, ended or not."""
        return self._row("newest_experiment", agent=agent)

    def running(self, agent: str, kind: Kind = "prompt") -> Row | None:
        """The oldest of them that varies this."""
        return next(iter(self.active(agent, kind)), None)

    def running_agents(self) -> list[str]:
        return [row["agent"] for row in self._rows("running_agents")]

    def overdue_agents(self) -> list[str]:
        """Those with a test that no decision look was made at for a day and a half."""
        return [row["agent"] for row in self._rows("overdue_agents")]

    def now(self) -> datetime:
        """The time by the clock that executions are recorded by."""
        row = self._row("now")
        assert row is not None
        now: datetime = row["now"]
        return now

    def of_request(self, request_id: int) -> str | None:
        """The experiment that a request has started."""
        row = self._row("experiment_of_request", request_id=request_id)
        return None if row is None else row["experiment_id"]

    def begun(self, name: str) -> int:
        """How many experiments of this name were begun: `name`, `name-2`, …"""
        row = self._row("begun_experiments", named=name)
        assert row is not None
        begun: int = row["begun"]
        return begun

    def in_force(self, agent: str, kind: Kind) -> str | None:
        """The version of a kind that an agent uses now, held until commit; None where nothing is decided here."""
        row = self._row("in_force", agent=agent, kind=kind)
        assert row is not None
        version: str | None = row["version"]
        return version

    def config_in_force(self, agent: str) -> Mapping[str, object] | None:
        """The settings an agent uses now, where they are decided here."""
        row = self._row("config_in_force", agent=agent)
        return None if row is None else row["config"]

    def config_version(self, config: Mapping[str, object]) -> str:
        """The name of settings: the hash of their JSON."""
        row = self._row("config_version", config=json(config))
        assert row is not None
        version: str = row["version"]
        return version

    def lock_looks(self, experiment_id: str) -> None:
        """Until commit, nobody else looks at this experiment. Units go on entering it: its row is not locked."""
        self._run("lock_looks", experiment_id=experiment_id)

    def looks(self, experiment_id: str, phase: int) -> list[Row]:
        """The looks of a phase, the oldest first: kind, as_of, day, result, decision, reason."""
        return self._rows("looks", experiment_id=experiment_id, phase=phase)

    def was_seen(self, experiment_id: str, kind: Literal["decision", "guardrail", "ramp"], as_of: datetime) -> bool:
        """Whether there is a look of this kind at this moment, in any phase."""
        row = self._row("was_seen", experiment_id=experiment_id, kind=kind, as_of=as_of)
        return row is not None and bool(row["seen"])

    def put_in_force(
        self,
        experiment_id: str,
        which: Literal["control", "treatment"],
        moved_by: str,
        reason: str,
        kind: Literal["move", "rollback"] = "move",
    ) -> int:
        """Give everybody an arm of an experiment; the new revision, or 0 where it is in force already."""
        row = self._row(
            "put_in_force", experiment_id=experiment_id, which=which, moved_by=moved_by, reason=reason, kind=kind
        )
        assert row is not None
        revision: int = row["revision"]
        return revision

    def record_look(
        self,
        experiment_id: str,
        phase: int,
        kind: Literal["decision", "guardrail", "ramp"],
        as_of: datetime,
        day: float,
        statistics: Mapping[str, object],
        result: Mapping[str, object],
        decision: str,
        reason: str,
    ) -> bool:
        """Write a look down; False when this look was written before. `as_of` is aware."""
        return bool(
            self._run(
                "insert_look",
                experiment_id=experiment_id,
                phase=phase,
                kind=kind,
                as_of=as_of,
                day=day,
                statistics=json(statistics),
                result=json(result),
                decision=decision,
                reason=reason,
            )
        )
