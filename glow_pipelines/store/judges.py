"""Judges in the database: what experts said of the same answers, calibrations, cached scores.

Belongs here: reading and writing them. Does not: what a calibration means (learning/prompts/judges), asking a judge
(steps/judges).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.learning.prompts.judges.calibration import JudgeCalibration
from glow_pipelines.learning.prompts.scores import Scored
from glow_pipelines.store.noun import Noun, Row, json


@dataclass(frozen=True)
class StoredCalibration:
    """A calibration, the model that judged, and when."""

    agent: str
    calibration: JudgeCalibration
    model: str
    calibrated_at: datetime


class Judges(Noun):
    queries = "judges"

    def judged_answers(self, agent: str, most: int) -> list[Row]:
        """Newest first: item, input, output, prompt_version, good."""
        return self._rows("judged_answers", agent=agent, most=most)

    def judged_pairs(self, agent: str, most: int) -> list[Row]:
        """Newest first: item, input, first, second, preferred (first, second or tie)."""
        return self._rows("judged_pairs", agent=agent, most=most)

    def record_calibration(
        self, agent: str, settings: Mapping[str, Any], model: str, calibration: JudgeCalibration
    ) -> None:
        self._run(
            "insert_calibration",
            agent=agent,
            metric=calibration.metric,
            version=calibration.version,
            settings=json(dict(settings)),
            model=model,
            n=calibration.n,
            may_gate=calibration.may_gate,
            calibration=json(calibration.to_json()),
        )

    def calibration(self, agent: str, metric: str, version: int, model: str | None = None) -> JudgeCalibration | None:
        """The newest calibration with the agent's settings as they are now, by this model where one is given."""
        row = self._row("calibration", agent=agent, metric=metric, version=version, model=model)
        return None if row is None else JudgeCalibration.from_json(row["calibration"])

    def calibrations(self) -> list[StoredCalibration]:
        """The newest of every agent whose judge was calibrated as it is now, by name."""
        return [
            StoredCalibration(**{**row, "calibration": JudgeCalibration.from_json(row["calibration"])})
            for row in self._rows("latest_calibrations")
        ]

    def cached_scores(self, keys: Sequence[str]) -> dict[str, Scored]:
        rows = self._rows("cached_scores", keys=list(keys))
        return {row["score_key"]: Scored(row["score"], row["valid"]) for row in rows}

    def cache_scores(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows of key, metric, version, score, valid."""
        self._run_many("insert_score", rows)
