"""Training runs in the database.

Belongs here: planning a run once, moving it by compare-and-set with its event. Does not: the rules of the state
machine (learning), the provider (providers).
"""

from collections.abc import Mapping

from glow_pipelines.store.noun import Noun, Row, json


class Models(Noun):
    queries = "models"

    def plan_run(
        self,
        run_key: str,
        agent: str,
        dataset_id: str,
        provider: str,
        base_model: str,
        state: str,
        reason: str,
        manifest_sha256: str,
        plan: Mapping[str, object],
    ) -> bool:
        """Record a planned run; False when the same inputs were planned before."""
        created = self._row(
            "insert_training_run",
            run_key=run_key,
            agent=agent,
            dataset_id=dataset_id,
            provider=provider,
            base_model=base_model,
            state=state,
            reason=reason,
            manifest_sha256=manifest_sha256,
            plan=json(plan),
        )
        if created is not None:
            self._event(run_key, None, state, {"reason": reason})
        return created is not None

    def move_run(
        self,
        run_key: str,
        from_state: str,
        to_state: str,
        reason: str,
        detail: Mapping[str, object],
        job_id: str | None,
    ) -> bool:
        """Compare-and-set; False when the run was not in `from_state` any more."""
        moved = self._row(
            "move_training_run", run_key=run_key, from_state=from_state, to_state=to_state, reason=reason, job_id=job_id
        )
        if moved is not None:
            self._event(run_key, from_state, to_state, detail)
        return moved is not None

    def _event(self, run_key: str, from_state: str | None, to_state: str, detail: Mapping[str, object]) -> None:
        self._run(
            "insert_training_event", run_key=run_key, from_state=from_state, to_state=to_state, detail=json(detail)
        )

    def run(self, run_key: str) -> Row | None:
        return self._row("training_run", run_key=run_key)

    def latest_run(self, agent: str) -> Row | None:
        return self._row("latest_training_run", agent=agent)
