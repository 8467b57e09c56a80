"""`Experiment`: plan, assign and look in one object, for a person in a notebook.

It holds nothing but its plan; exposures, looks and their history belong to the store. Assets call plan_experiment and
take_look themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.assignment import Assignment, assign
from glow_pipelines.learning.experiments.estimates import ArmMoments
from glow_pipelines.learning.experiments.looks import take_look
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.learning.experiments.planning import plan_experiment
from glow_pipelines.learning.experiments.types import Look, Statistics, Traffic

PerUser = tuple[ArrayLike, ArrayLike]


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

    def statistics(self, day: float, **metrics: tuple[PerUser, PerUser]) -> Statistics:
        """What a look reads, from per-user sums: name=((S, N) of control users, (S, N) of treatment users).

        Every exposed user has one entry in each, also where he rated nothing (0 of 0).
        """
        arms = {name: ArmMoments(*(_moments(arm) for arm in pair)) for name, pair in metrics.items()}
        first = arms[self.plan.primary.metric]
        return Statistics(day, (first.control.n, first.treatment.n), metrics=arms)

    def look(
        self,
        statistics: Statistics,
        history: Sequence[Look] = (),
        kind: Literal["decision", "guardrail"] = "decision",
    ) -> Look:
        """What the statistics say under the plan, given the looks taken before."""
        return take_look(self.plan, statistics, history, kind)


def _moments(per_user: PerUser) -> Moments:
    return Moments.of(("s", "n"), np.column_stack([np.asarray(each, dtype=float) for each in per_user]))
