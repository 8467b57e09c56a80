"""What goes into the experiment engine and what comes out: traffic, plan, the moments of an arm, a look.

Values only; how they are computed belongs to planning.py and looks.py, who draws a variant to assignment.py.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Decision = Literal["running", "treatment_better", "control_better", "insufficient_data"]


@dataclass(frozen=True)
class Traffic:
    """What is known of an agent's users before an experiment starts, measured over about the planned time.

    `rated_per_user` is the mean number of rated executions of a user who rates at all, `rated_per_user_cv` its
    coefficient of variation (a few heavy users make votes worth less), `intra_user_correlation` how alike two votes of
    one user are (0 independent, 1 always equal), `population` all users there are, where that is known.
    """

    users_per_day: float
    rated_per_user: float
    baseline_rate: float
    intra_user_correlation: float
    rated_per_user_cv: float = 0.0
    population: int | None = None


@dataclass(frozen=True)
class ExperimentPlan:
    """All that is frozen when an experiment starts. A look uses nothing else, so every look can be replayed.

    `salt` is "<experiment>#<phase>"; shares are in parts per million; `effect` is the smallest absolute difference
    worth finding; `tau` is the scale of the normal mixture on the metric's own scale, never re-tuned (re-tuning
    it at every look takes the guarantee away). `reachable` is False where the known users cannot give the
    planned sample.
    """

    salt: str
    enrolled_ppm: int
    treatment_ppm: int
    baseline_rate: float
    effect: float
    higher_is_better: bool
    confidence: float
    users_per_arm: int
    minimum_users: int
    minimum_days: int
    planned_days: int
    maximum_days: int
    design_effect: float
    standard_error: float
    tau: float
    reachable: bool
    summary: str


@dataclass(frozen=True)
class ArmStatistics:
    """Moments of one arm over its users: S per user (successes) and N per user (rated executions).

    `users` counts every exposed user, also those who rated nothing. `ss`, `nn`, `sn` are centred sums of squares and
    products (what regr_sxx and regr_sxy give): sums of raw squares lose all digits when values are large.
    """

    users: int
    mean_s: float
    mean_n: float
    ss: float
    nn: float
    sn: float

    @classmethod
    def from_users(cls, successes: ArrayLike, rated: ArrayLike) -> "ArmStatistics":
        """Moments from one number of successes and one of rated executions per user, in the same order."""
        s, n = np.asarray(successes, dtype=float), np.asarray(rated, dtype=float)
        if s.shape != n.shape or s.ndim != 1:
            raise ValueError(f"one number per user in both: got shapes {s.shape} and {n.shape}")
        if not len(s):
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        ds, dn = s - s.mean(), n - n.mean()
        return cls(len(s), float(s.mean()), float(n.mean()), float(ds @ ds), float(dn @ dn), float(ds @ dn))

    def merge(self, other: "ArmStatistics") -> "ArmStatistics":
        """The moments of both groups of users together; the groups must not share a user. Order does not matter."""
        users = self.users + other.users
        if not users:
            return self
        ds, dn = other.mean_s - self.mean_s, other.mean_n - self.mean_n
        weight = self.users * other.users / users
        return ArmStatistics(
            users,
            self.mean_s + ds * other.users / users,
            self.mean_n + dn * other.users / users,
            self.ss + other.ss + ds * ds * weight,
            self.nn + other.nn + dn * dn * weight,
            self.sn + other.sn + ds * dn * weight,
        )


@dataclass(frozen=True)
class Look:
    """One look at a running experiment: an append-only row that says what was seen and what follows.

    `difference` is treatment minus control; `low`/`high` is its always-valid interval; `z` and `boundary` are in
    standard errors; `p_value` and `log_e` are always-valid too. All of these are None where an arm gives no rate yet.
    `maximum_reached` says that the plan's last day has come: undecided then means keep control.
    """

    day: float
    control_users: int
    treatment_users: int
    control_rate: float | None
    treatment_rate: float | None
    difference: float | None
    standard_error: float | None
    z: float | None
    boundary: float | None
    low: float | None
    high: float | None
    log_e: float | None
    p_value: float | None
    sample_ratio_p: float
    maximum_reached: bool
    decision: Decision
    reason: str
