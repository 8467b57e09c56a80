"""Stages of a gradual rollout: shares, how long, how many users at least, and the plan they make.

Values only: which move is due belongs to ramp.py.
"""

import math
from dataclasses import dataclass

from glow_pipelines.learning.experiments.assignment import MILLION
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.observations import UNITS_PER_ARM
from glow_pipelines.learning.experiments.plan import HARM_ALPHA, ExperimentPlan
from glow_pipelines.learning.experiments.records import Record

WEEK = 168.0
MEASURED_DAYS = 28
"""The time over which `users` and `visits` of an agent are counted."""


@dataclass(frozen=True)
class Stage(Record):
    """One stage: shares in parts per million (who is in neither sees what is in force), how long and how many at least.

    `phase_offset` counts strata from the first; `units` are exposed units of the stratum, both arms together;
    `approval` says that a person must agree before the stage begins. A stage that harm could not be seen in yet lasts
    longer, up to `longest` hours, and then a person is asked; `blind` says beforehand why waiting would not help.
    """

    treatment_ppm: int
    control_ppm: int
    phase_offset: int
    hours: float
    units: int
    approval: bool = False
    longest: float = WEEK
    blind: str = ""


@dataclass(frozen=True)
class RampPlan(Record):
    """A frozen ramp: its stages, and the metrics its monitor watches with their tolerances and scales."""

    stages: tuple[Stage, ...]
    metrics: tuple[MetricPlan, ...]
    alpha: float = HARM_ALPHA
    version: int = 1

    def __post_init__(self) -> None:
        shares = [stage.treatment_ppm for stage in self.stages]
        if not shares or shares != sorted(shares) or shares[0] <= 0 or shares[-1] != MILLION:
            raise ValueError(f"stages: the treatment's share must rise to {MILLION}, got {shares}")
        for here, there in zip(self.stages, self.stages[1:], strict=False):
            same = here.treatment_ppm * there.control_ppm == there.treatment_ppm * here.control_ppm
            if there.phase_offset < here.phase_offset or (there.phase_offset == here.phase_offset and not same):
                raise ValueError("stages: another ratio of the arms needs a later phase_offset (a stratum of its own)")

    @classmethod
    def of(cls, plan: ExperimentPlan, stages: tuple[Stage, ...]) -> "RampPlan":
        """The ramp after (or instead of) an experiment: the same metrics are watched."""
        return cls(stages, plan.watched)


def default_stages(
    after_test: bool,
    *,
    tested_ppm: int = MILLION // 2,
    users: float | None = None,
    visits: float | None = None,
    hours: float = 24.0,
    matures: float = 24.0,
    approval: bool = False,
) -> tuple[Stage, ...]:
    """50 → 75 → 95 → 100 % after a test, from 5 % without one. 95 % lasts a week at least: the rest is the hold-back.

    `tested_ppm` is what the test gave the treatment: no stage takes it from anybody who had it. `users` are those of 28
    days, where known, and `visits` how often one comes in that time: a stage asks for 200 exposed, or for half of those
    it can reach, and is `blind` where its smaller arm will not have the units that show harm, each `matures` hours old.
    With `approval` a person lets every stage begin but the first.
    """
    shares: tuple[int, ...] = (5, 10, 25, 50, 75, 95, 100)
    if after_test:
        shares = tuple(share for share in shares if share >= 50 and share * MILLION // 100 >= tested_ppm)
    first = 1 if after_test and tested_ppm != shares[0] * MILLION // 100 else 0
    above = [share for share in shares if share > max(50, shares[0])]
    stages = []
    for i, share in enumerate(shares):
        treatment = share * MILLION // 100
        control = treatment if share <= 50 else MILLION - treatment
        offset = first + above.index(share) + 1 if share in above else first
        asks = approval and i > 0
        if not control:
            stages.append(Stage(treatment, control, offset, 0.0, 0, asks))
            continue
        reach = 400.0 if users is None else users * (treatment + control) / MILLION
        least = max(hours, WEEK) if share == 95 else hours
        there = math.inf if users is None else users * min(treatment, control) / MILLION
        if visits is not None:  # they come like rain
            there *= -math.expm1(-visits * max(0.0, least + WEEK - matures) / 24 / MEASURED_DAYS)
        blind = "" if there >= UNITS_PER_ARM else _few(users or 0, there)
        stages.append(Stage(treatment, control, offset, least, int(min(200, reach / 2)), asks, least + WEEK, blind))
    return tuple(stages)


def _few(users: float, there: float) -> str:
    return (
        f"of {users:,.0f} users in {MEASURED_DAYS} days about {there:,.0f} come into its smaller arm in time, and harm "
        f"shows from {UNITS_PER_ARM} on"
    )
