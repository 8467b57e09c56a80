"""V13: gradual rollouts watched hour by hour through ramp.advance, from the first stage to the last or back.

Claims: a treatment that is no worse is rolled back in at most 5 % of ramps, over the whole ramp and all watched
metrics together; one that doubles the error rate is caught in at least 99 %. Baseline: a plain one-sided z each hour.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experimenting.chances import share
from benchmarks.experimenting.worlds import Floats
from glow_pipelines.learning.experiments import (
    ArmMoments,
    Judged,
    Moments,
    RampPlan,
    Statistics,
    Traffic,
    advance,
    default_stages,
    open_ramp,
    plan_experiment,
)

DAILY, PER_DAY, DAYS = 2000, 0.2, 17
ERRORS, UPS, RATED, ICC = 0.05, 0.7, 0.5, 0.05
Z95_ONE_SIDED = 1.6448536269514722
METRICS = {"thumbs_up_rate": (2, 1), "feedback_rate": (1, 0), "latency_slo": (3, 0)}  # columns of a user's counts
WORLDS = (("no worse", 1.0, False), ("no worse, after a test", 1.0, True))
HARMS = (("errors × 1.5", 1.5, False), ("errors × 2", 2.0, False), ("errors × 3", 3.0, False))
AFTER = ("errors × 2, after a test", 2.0, True)


@dataclass(frozen=True)
class Course:
    """One ramp: how and at which hour it ended, with how many treated users, and whether a plain z ever fired."""

    action: str
    hour: int
    treated: int
    naive: bool


def rollouts(reps: int, seed: int) -> dict[str, Any]:
    """V13: shares of ramps rolled back, when, and after how many treated users."""
    result = {}
    for at, (name, factor, tested) in enumerate((*WORLDS, *HARMS, AFTER)):
        plan = _plan(tested)
        # A ramp that is caught is short and needs fewer repetitions than one that must not be.
        runs = reps if factor == 1 else max(1, reps // 2)
        courses = [_ramp(plan, factor, np.random.default_rng([seed, at, rep])) for rep in range(runs)]
        back = [each for each in courses if each.action == "roll_back"]
        bar = {"most": 0.05} if factor == 1 else {"least": 0.99} if factor == 2 else {}
        result[name] = {
            "rolled back": share(len(back), runs, **bar),
            "paused for an alarm": share(sum(each.action == "hold" for each in courses), runs),
            "plain z each hour": share(sum(each.naive for each in courses), runs),
        }
        if factor > 1 and back:
            result[name] |= {
                "median hour": float(np.median([each.hour for each in back])),
                "median treated users": float(np.median([each.treated for each in back])),
            }
    return result


def _plan(tested: bool) -> RampPlan:
    """Two thousand users a day; the errors stand for any share of bad executions, here as an SLO."""
    executions = 1 + PER_DAY * 3.5
    votes = Traffic(DAILY, RATED * executions, UPS, ICC, executions_per_user=executions)
    bad = Traffic(DAILY, executions, ERRORS, ICC, executions_per_user=executions)
    judged = [Judged("latency_slo", bad, "critical", threshold=3000.0)]
    plan = plan_experiment("ramp#1", votes, judged=judged)
    return RampPlan.of(plan, default_stages(tested, users=DAILY))


class _People:
    """Users of one ramp and their executions by hour, drawn before it begins; who is in which arm follows the stage."""

    def __init__(self, rng: np.random.Generator, factor: float) -> None:
        people = DAILY * DAYS
        came = np.sort(rng.random(people) * DAYS)
        count = 1 + rng.poisson(PER_DAY * (DAYS - came))
        who = np.repeat(np.arange(people), count)
        into = rng.random(len(who))
        into[np.cumsum(count) - count] = 0.0
        hour = ((came[who] + (DAYS - came[who]) * into) * 24).astype(np.int64)
        order = np.argsort(hour, kind="stable")
        self.who, self.ends = who[order], np.searchsorted(hour[order], np.arange(DAYS * 24 + 1))
        self.bucket = rng.random(people)
        size = 1 / ICC - 1
        self.error = rng.beta(ERRORS * size, (1 - ERRORS) * size, people)
        self.like = rng.beta(UPS * size, (1 - UPS) * size, people)
        self.rng, self.factor = rng, factor
        self.restart()

    def restart(self) -> None:
        """A new stratum: nobody is exposed yet."""
        self.arm = np.full(len(self.bucket), -1, dtype=np.int8)
        self.counts = np.zeros((len(self.bucket), 4))
        self.sums, self.products, self.units = np.zeros((2, 4)), np.zeros((2, 4, 4)), [0, 0]

    def hour(self, hour: int, treatment: float, control: float) -> None:
        """Everything executed in this hour, counted for those who are in an arm at these shares."""
        who = self.who[self.ends[hour] : self.ends[hour + 1]]
        new = np.unique(who[self.arm[who] < 0])
        self.arm[new] = np.where(self.bucket[new] >= 1 - treatment, 1, np.where(self.bucket[new] < control, 0, -1))
        who = who[self.arm[who] >= 0]
        if not len(who):
            return
        treated = self.arm[who] == 1
        rated = self.rng.random(len(who)) < RATED
        up = rated & (self.rng.random(len(who)) < self.like[who])
        bad = self.rng.random(len(who)) < self.error[who] * np.where(treated, self.factor, 1.0)
        users, at = np.unique(who, return_inverse=True)
        before, after = self.counts[users], self.counts[users]
        for column, mark in enumerate((np.ones(len(who)), rated, up, bad)):
            after[:, column] += np.bincount(at, mark, len(users))
        self.counts[users] = after
        for arm in (0, 1):
            mine = self.arm[users] == arm
            self.units[arm] += int((self.arm[new] == arm).sum())
            self.sums[arm] += (after[mine] - before[mine]).sum(axis=0)
            self.products[arm] += after[mine].T @ after[mine] - before[mine].T @ before[mine]

    def moments(self, arm: int, columns: tuple[int, int]) -> Moments:
        """Moments of (s, n) over the arm's users."""
        n, pair = max(1, self.units[arm]), list(columns)
        mean: Floats = self.sums[arm][pair] / n
        centred: NDArray[np.float64] = self.products[arm][np.ix_(pair, pair)] - n * np.outer(mean, mean)
        return Moments(self.units[arm], ("s", "n"), tuple(mean.tolist()), tuple(map(tuple, centred.tolist())))


def _ramp(plan: RampPlan, factor: float, rng: np.random.Generator) -> Course:
    people = _People(rng, factor)
    ramp, naive, treated = open_ramp(plan, 0.0), False, 0
    for hour in range(DAYS * 24):
        stage = plan.stages[ramp.stage]
        people.hour(hour, stage.treatment_ppm / 1e6, stage.control_ppm / 1e6)
        day = (hour + 1) / 24
        metrics = {
            name: ArmMoments(people.moments(0, columns), people.moments(1, columns))
            for name, columns in METRICS.items()
        }
        move = advance(plan, ramp, day, Statistics(day, (people.units[0], people.units[1]), metrics=metrics))
        naive = naive or any(
            look.z is not None and look.z < -Z95_ONE_SIDED and min(people.units) >= 100 for look in move.metrics
        )
        if move.action in ("roll_back", "hold", "complete"):
            return Course(move.action, hour + 1, treated + people.units[1], naive)
        if plan.stages[move.ramp.stage].phase_offset != stage.phase_offset:
            treated += people.units[1]
            people.restart()
        ramp = move.ramp
    return Course("open", DAYS * 24, treated + people.units[1], naive)
