"""Moves of experiments and of their gradual rollouts.

Belongs here: calling the functions that make each move one transaction, and reading rollouts and their history. Does
not: deciding which move (learning/experiments), starting an experiment (experiments).
"""

from collections.abc import Mapping
from typing import Literal

from glow_pipelines.store.noun import Noun, Row, json
from glow_pipelines.store.prompts import refusals

End = Literal["keep", "harm", "invalid", "abandoned"]


class Rollouts(Noun):
    """Every move answers what the experiment and its rollout are now: experiment_id, agent, state, decision, phase,
    treatment_ppm, control_ppm, planned_end, rollout, stage, stages, revision, and `status`: the move that was made, or
    why none was (unchanged, moved_before, rollout_awaits_approval). What is null is left out. Raises MoveRefused for a
    move that is not legal."""

    queries = "rollouts"

    def current(self, experiment_id: str) -> Row | None:
        """The rollout of an experiment; None where it has none."""
        return self._row("rollout", experiment_id=experiment_id)

    def going_on(self, agent: str | None = None) -> list[Row]:
        """Rollouts that are pending, running or paused."""
        return self._rows("going_on", agent=agent)

    def history(self, experiment_id: str) -> list[Row]:
        """Every move of an experiment and its rollout, the oldest first."""
        return self._rows("history", experiment_id=experiment_id)

    def rolled_back_before(self, agent: str, kind: str, version: str) -> str | None:
        """The experiment whose rollout of this version was rolled back: it is not rolled out a second time."""
        row = self._row("rolled_back_before", agent=agent, kind=kind, version=version)
        assert row is not None
        experiment_id: str | None = row["experiment_id"]
        return experiment_id

    def open(
        self,
        experiment_id: str,
        plan: Mapping[str, object],
        moved_by: str,
        reason: str,
        evidence: Mapping[str, object] | None = None,
    ) -> Row:
        """Begin the rollout of a treatment. `plan`: with `stages`, each treatment_ppm, control_ppm, phase_offset,
        hours, units, approval; a first stage that asks for approval makes it pending."""
        with refusals():
            return _receipt(
                self._row("open", **_said(experiment_id, moved_by, reason, evidence, plan=json(dict(plan))))
            )

    def advance(
        self,
        experiment_id: str,
        expected_revision: int,
        moved_by: str,
        reason: str,
        carried: Mapping[str, object] | None = None,
        evidence: Mapping[str, object] | None = None,
        *,
        asks: bool = False,
    ) -> Row:
        """The next stage. `carried`: what the monitor takes into it. Where the revision is another by now, nothing
        moves and the status is moved_before; where a person has to agree (the stage says so, or `asks`),
        rollout_awaits_approval."""
        given = None if carried is None else json(dict(carried))
        with refusals():
            return _receipt(
                self._row(
                    "advance",
                    **_said(
                        experiment_id, moved_by, reason, evidence, expected=expected_revision, carried=given, asks=asks
                    ),
                )
            )

    def complete(
        self,
        experiment_id: str,
        expected_revision: int,
        moved_by: str,
        reason: str,
        evidence: Mapping[str, object] | None = None,
    ) -> Row:
        """Put the treatment in force, at the end of the last stage."""
        with refusals():
            return _receipt(
                self._row("complete", **_said(experiment_id, moved_by, reason, evidence, expected=expected_revision))
            )

    def pause(
        self, experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None
    ) -> Row:
        """Nobody new enters; who is in stays."""
        with refusals():
            return _receipt(self._row("pause", **_said(experiment_id, moved_by, reason, evidence)))

    def resume(
        self, experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None
    ) -> Row:
        """Go on at the stage it was in."""
        with refusals():
            return _receipt(self._row("resume", **_said(experiment_id, moved_by, reason, evidence)))

    def approve(self, experiment_id: str, moved_by: str, reason: str, stage: int | None = None) -> Row:
        """Let the stage begin that awaits approval, or one ahead that will ask."""
        with refusals():
            return _receipt(self._row("approve", **_said(experiment_id, moved_by, reason, stage=stage)))

    def roll_back(
        self,
        experiment_id: str,
        moved_by: str,
        reason: str,
        evidence: Mapping[str, object] | None = None,
        decision: End = "harm",
    ) -> Row:
        """Take a rollout back, at once for whoever resolves next. `decision`: of an experiment that has none yet."""
        with refusals():
            return _receipt(
                self._row("roll_back", **_said(experiment_id, moved_by, reason, evidence, decision=decision))
            )

    def pause_experiment(
        self, experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None
    ) -> Row:
        """Nobody new enters a test; who is in stays."""
        with refusals():
            return _receipt(self._row("pause_experiment", **_said(experiment_id, moved_by, reason, evidence)))

    def resume_experiment(
        self, experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None
    ) -> Row:
        """New units enter a paused test again; one that is held cannot go on."""
        with refusals():
            return _receipt(self._row("resume_experiment", **_said(experiment_id, moved_by, reason, evidence)))

    def hold_experiment(
        self, experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None
    ) -> Row:
        """The numbers of a test or rollout are not valid: it can neither ship nor go on."""
        with refusals():
            return _receipt(self._row("hold_experiment", **_said(experiment_id, moved_by, reason, evidence)))

    def stop_experiment(
        self,
        experiment_id: str,
        decision: End,
        moved_by: str,
        reason: str,
        evidence: Mapping[str, object] | None = None,
    ) -> Row:
        """End a test without shipping: everybody gets what is in force."""
        with refusals():
            return _receipt(
                self._row("stop_experiment", **_said(experiment_id, moved_by, reason, evidence, decision=decision))
            )

    def restart_experiment(
        self,
        experiment_id: str,
        moved_by: str,
        reason: str,
        treatment_ppm: int | None = None,
        enroll_ppm: int | None = None,
        evidence: Mapping[str, object] | None = None,
    ) -> Row:
        """Begin a test anew as another phase: everybody is drawn again, by other shares where given."""
        shares = {"treatment_ppm": treatment_ppm, "enroll_ppm": enroll_ppm}
        with refusals():
            return _receipt(
                self._row("restart_experiment", **_said(experiment_id, moved_by, reason, evidence, **shares))
            )

    def extend_experiment(
        self,
        experiment_id: str,
        until_day: int | None,
        moved_by: str,
        reason: str,
        evidence: Mapping[str, object] | None = None,
    ) -> Row:
        """Let a test run to a day (None: the planned days once more), up to the maximum of its plan."""
        with refusals():
            return _receipt(
                self._row("extend_experiment", **_said(experiment_id, moved_by, reason, evidence, until_day=until_day))
            )


def _said(
    experiment_id: str, moved_by: str, reason: str, evidence: Mapping[str, object] | None = None, **more: object
) -> dict[str, object]:
    """What every move is told."""
    said = {"experiment_id": experiment_id, "moved_by": moved_by, "reason": reason[:2000]}
    return {**said, "evidence": json(dict(evidence or {})), **more}


def _receipt(row: Row | None) -> Row:
    assert row is not None
    receipt: Row = row["receipt"]
    return receipt
