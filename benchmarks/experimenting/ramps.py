"""V13: gradual rollouts watched hour by hour through ramp.advance, from the first stage to the last or back.

Claims: a treatment that is no worse is rolled back in at most 5 % of ramps, over the whole ramp and all watched
metrics together; one that doubles the error rate is caught in at least 99 %. Baseline: a plain one-sided z each hour.
As in the product an execution counts when it is a day old, for the stratum it happened in; metrics and their roles are
those that a rollout gets by default (cost is watched and never differs).
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

DAILY, PER_DAY, DAYS, MATURES = 2000, 0.2, 20, 24
ERRORS, UPS, RATED, ICC = 0.05, 0.7, 0.5, 0.05
Z95_ONE_SIDED = 1.6448536269514722
COLUMNS = 5  # of a user's counts: executions, rated, up, corrected, slow
METRICS = {"thumbs_up_rate": (2, 1), "feedback_rate": (1, 0), "correction_rate": (3, 0), "latency_slo": (4, 0)}
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
    """Two thousand users a day; the errors stand for any share of bad executions, here as corrections."""
    executions = 1 + PER_DAY * 3.5
    votes = Traffic(DAILY, RATED * executions, UPS, ICC, executions_per_user=executions)
    bad = Traffic(DAILY, executions, ERRORS, ICC, executions_per_user=executions)
    judged = [
        Judged("correction_rate", bad, "critical"),
        Judged("latency_slo", bad, "critical", threshold=3000.0),
        Judged("cost_mean", Traffic(DAILY, executions, 0.01, ICC, deviation=0.01), "signal"),
    ]
    plan = plan_experiment("ramp#1", votes, judged=judged)
    return RampPlan.of(plan, default_stages(tested, users=DAILY * 28, hours=24.0 + MATURES))


class _People:
    """Users of one ramp and their executions by hour, drawn before it begins."""

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
        self.slow = rng.beta(ERRORS * size, (1 - ERRORS) * size, people)
        self.like = rng.beta(UPS * size, (1 - UPS) * size, people)
        self.rng, self.factor = rng, factor

    def acting(self, hour: int) -> NDArray[np.int64]:
        """Who executes in this hour, as often as they do."""
        return np.asarray(self.who[self.ends[hour] : self.ends[hour + 1]], dtype=np.int64)


class _Stratum:
    """Who is exposed in a stratum from its first hour on, and what of theirs has matured."""

    def __init__(self, people: _People, begins: int) -> None:
        self.people, self.begins, self.ends = people, begins, DAYS * 24
        self.arm = np.full(len(people.bucket), -1, dtype=np.int8)
        self.new: list[NDArray[np.int64]] = []
        self.counts = np.zeros((len(people.bucket), COLUMNS))
        self.sums, self.products = np.zeros((2, COLUMNS)), np.zeros((2, COLUMNS, COLUMNS))
        self.units, self.clusters = [0, 0], [0, 0]

    def expose(self, hour: int, treatment: float, control: float) -> None:
        """Everybody who acts in this hour is in an arm, by these shares, or in none."""
        bucket, arm = self.people.bucket, self.arm
        new = np.unique(self.people.acting(hour))
        new = new[arm[new] < 0]
        arm[new] = np.where(bucket[new] >= 1 - treatment, 1, np.where(bucket[new] < control, 0, -1))
        self.new.append(new[arm[new] >= 0])
        for each in (0, 1):
            self.units[each] += int((arm[new] == each).sum())

    def mature(self, hour: int) -> None:
        """What was executed in this hour is old enough to count, and who was exposed in it to be there."""
        if not self.begins <= hour < self.ends:
            return
        people, exposed = self.people, self.new[hour - self.begins]
        for arm in (0, 1):
            self.clusters[arm] += int((self.arm[exposed] == arm).sum())
        who = people.acting(hour)
        who = who[self.arm[who] >= 0]
        if not len(who):
            return
        more = np.where(self.arm[who] == 1, people.factor, 1.0)
        rated = people.rng.random(len(who)) < RATED
        up = rated & (people.rng.random(len(who)) < people.like[who])
        bad = people.rng.random(len(who)) < people.error[who] * more
        slow = people.rng.random(len(who)) < people.slow[who]
        users, at = np.unique(who, return_inverse=True)
        before, after = self.counts[users], self.counts[users]
        for column, mark in enumerate((np.ones(len(who)), rated, up, bad, slow)):
            after[:, column] += np.bincount(at, mark, len(users))
        self.counts[users] = after
        for arm in (0, 1):
            mine = self.arm[users] == arm
            self.sums[arm] += (after[mine] - before[mine]).sum(axis=0)
            self.products[arm] += after[mine].T @ after[mine] - before[mine].T @ before[mine]

    def statistics(self, day: float, strata: tuple[Statistics, ...] = ()) -> Statistics:
        """What a look reads of it."""
        metrics = {name: ArmMoments(self._arm(0, columns), self._arm(1, columns)) for name, columns in METRICS.items()}
        return Statistics(day, (self.units[0], self.units[1]), metrics=metrics, strata=strata)

    def _arm(self, arm: int, columns: tuple[int, int]) -> Moments:
        n, pair = max(1, self.clusters[arm]), list(columns)
        mean: Floats = self.sums[arm][pair] / n
        centred: NDArray[np.float64] = self.products[arm][np.ix_(pair, pair)] - n * np.outer(mean, mean)
        return Moments(self.clusters[arm], ("s", "n"), tuple(mean.tolist()), tuple(map(tuple, centred.tolist())))


def _ramp(plan: RampPlan, factor: float, rng: np.random.Generator) -> Course:
    people = _People(rng, factor)
    ramp, naive, now = open_ramp(plan, 0.0), False, _Stratum(people, 0)
    ended: list[tuple[_Stratum, Statistics]] = []
    for hour in range(DAYS * 24):
        stage = plan.stages[ramp.stage]
        now.expose(hour, stage.treatment_ppm / 1e6, stage.control_ppm / 1e6)
        day = (hour + 1) / 24
        for each in (*(stratum for stratum, _ in ended), now):
            each.mature(hour - MATURES)
        # What ended more than a day ago is what it was.
        ended = [(e, e.statistics(day) if hour <= e.ends + MATURES else known) for e, known in ended]
        move = advance(plan, ramp, day, now.statistics(day, tuple(known for _, known in ended)))
        naive = naive or any(
            look.z is not None and look.z < -Z95_ONE_SIDED and min(now.clusters) >= 100 for look in move.metrics
        )
        if move.action in ("roll_back", "hold", "complete"):
            return Course(move.action, hour + 1, sum(e.units[1] for e, _ in ended) + now.units[1], naive)
        if plan.stages[move.ramp.stage].phase_offset != stage.phase_offset:
            now.ends = hour + 1
            ended.append((now, now.statistics(day)))
            now = _Stratum(people, hour + 1)
        ramp = move.ramp
    return Course("open", DAYS * 24, sum(e.units[1] for e, _ in ended) + now.units[1], naive)
