"""`Experiment`: plan, assign and look in one object, for the assets and for a person in a notebook alike.

It holds nothing but its plan; exposures, looks and their history belong to the store.
"""

from dataclasses import dataclass
from typing import Any

from glow_pipelines.learning.experiments.assignment import Assignment, assign
from glow_pipelines.learning.experiments.former import ArmStatistics, ExperimentPlan, Look, Traffic
from glow_pipelines.learning.experiments.looks import take_look
from glow_pipelines.learning.experiments.planning import plan_experiment


@dataclass(frozen=True)
class Experiment:
    """An experiment under a frozen plan."""

    plan: ExperimentPlan

    @classmethod
    def planned(cls, name: str, traffic: Traffic, *, phase: int = 1, **options: Any) -> "Experiment":
        """A new experiment; `options` are those of `plan_experiment`. Another phase draws everybody anew."""
        return cls(plan_experiment(f"{name}#{phase}", traffic, **options))

    def assign(self, unit: str) -> Assignment | None:
        """The variant of a unit, or None where it is not enrolled. The same for ever."""
        return assign(self.plan.salt, unit, enrolled_ppm=self.plan.enrolled_ppm, treatment_ppm=self.plan.treatment_ppm)

    def look(self, day: float, control: ArmStatistics, treatment: ArmStatistics) -> Look:
        """What the data of `day` (days since start) say. Look as often as you like."""
        return take_look(self.plan, day, control, treatment)
