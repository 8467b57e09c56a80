"""V17: the whole decision table, end to end: daily looks, guardrail looks between them, extensions, sample ratio.

Each repetition is one experiment from a frozen plan to its last decision, through take_look with its whole history.
Claim: where the arms are equal, at most 2.5 % ship; worlds in which something is worse or better stand beside it, and
the charter's rule on the same executions.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share
from benchmarks.experimenting.charter import MINIMUM
from benchmarks.experimenting.rules import POINTS, Z95, per_execution_z
from benchmarks.experimenting.worlds import Batch, Mark, Users, batches
from glow_pipelines.learning.experiments import (
    ArmMoments,
    ExperimentPlan,
    Judged,
    Look,
    Moments,
    Statistics,
    Traffic,
    group_sequential,
    intra_user_correlation,
    plan_experiment,
    take_look,
)

SUMS: dict[str, tuple[Mark, Mark]] = {
    "thumbs_up_rate": ("up", "rated"),
    "feedback_rate": ("rated", "executions"),
    "latency_slo": ("slow", "executions"),
    "cost_mean": ("slow", "executions"),
}
HARM = "stopped or paused for harm"
A_DAY = 2  # looks: one that only watches, then the daily decision
SIZE = 20
BASE = Users(users=150, days=1, per_day=0.15, rate=0.6, rated=0.7, slow=0.1, icc=0.1)
SMALL = replace(BASE, users=800, per_day=2.0, icc=0.3, arrival="day 0")


@dataclass(frozen=True)
class World:
    """A world, what is asked in it, and the bars its decisions must hold: figure → (least, most).

    `users` are those of a day (all there are, where all are there from day 0); how long it lasts is the plan's to say.
    `worthwhile` is the smallest gain worth shipping: small, nothing ends early and every extension is used.
    """

    name: str
    users: Users
    bars: dict[str, tuple[float | None, float | None]]
    effect: float = 0.05
    worthwhile: float = 0.05
    cheaper: bool = False
    minimum_users: int = 1000


FALSE = {"ship": (None, 0.025), HARM: (None, 0.05), "hold": (None, 0.001)}
WORLDS = (
    World("A/A, as planned by default", BASE, FALSE),
    World("A/A, any gain is worth it", BASE, FALSE, worthwhile=0.001),
    World("A/A, ICC .3, heavy users", replace(BASE, icc=0.3, heavy=0.8), FALSE, worthwhile=0.001),
    World("A/A, little traffic", replace(BASE, users=60, icc=0.3), FALSE, worthwhile=0.001),
    World("A/A, 800 users from day 0, 7 to 28 days", SMALL, FALSE, worthwhile=0.001, minimum_users=400),
    World("A/A, asked to be cheaper", replace(BASE, slow=0.4), FALSE, cheaper=True),
    World("5 points better", replace(BASE, effect=0.05), {}),
    World("8 points better", replace(BASE, effect=0.08), {}),
    World("5 points worse", replace(BASE, effect=-0.05), {"ship": (None, 0.001)}),
    World(
        "better, but 3 points more slow answers", replace(BASE, effect=0.08, slow_effect=0.03), {"ship": (None, 0.05)}
    ),
    World("better, but 5 points fewer rate", replace(BASE, effect=0.08, rated_effect=-0.05), {"ship": (None, 0.05)}),
    World("5 points better, a fifth of treatment lost", replace(BASE, effect=0.05, share=4 / 9), {}),
    World("cheaper by a half, equally good", replace(BASE, slow=0.4, slow_effect=-0.2), {}, cheaper=True),
    World(
        "cheaper by a half, worse by the margin",
        replace(BASE, slow=0.4, slow_effect=-0.2, effect=-0.05),
        {"ship": (None, 0.05)},
        cheaper=True,
    ),
)


def decisions(reps: int, seed: int, worlds: tuple[World, ...] = WORLDS) -> dict[str, Any]:
    """How experiments of each world end, in shares, with the charter's rule beside them in A/A."""
    result = {}
    with coarse():
        for at, world in enumerate(worlds):
            # What must not happen needs more repetitions than what is shown beside it.
            runs = reps if world.bars is FALSE else max(1, reps // 5)
            result[world.name] = _world(world, runs, seed + 1000 * at)
    return result


@contextmanager
def coarse() -> Iterator[None]:
    """Boundaries on a quarter of the product's grid: 10 times faster, and they move by less than 5e-5 over 56 looks."""
    fine, group_sequential.POINTS = group_sequential.POINTS, POINTS
    try:
        yield
    finally:
        group_sequential.POINTS = fine


def frozen(world: World, seed: int) -> ExperimentPlan:
    """The plan from an A/A month of the same users, as glow experiment plan would make it."""
    everyone = world.users.arrival == "day 0"
    before = replace(lasting(world.users, 14, 1), effect=0, rated_effect=0, slow_effect=0, share=0.5)
    batch = next(batches(before, SIZE, seed + 5_555_555, SIZE))
    known = {"users_per_day": float(world.users.users), "population": world.users.users if everyone else None}
    votes, slow, rated = (
        _traffic(batch, *SUMS[metric], **known) for metric in ("thumbs_up_rate", "latency_slo", "feedback_rate")
    )
    judged = [Judged("feedback_rate", rated, "signal")]
    if world.cheaper:
        judged.append(Judged("cost_mean", slow, "signal"))
    else:
        judged.append(Judged("latency_slo", slow, "critical", threshold=3000.0))
    return plan_experiment(
        "simulated#1",
        votes,
        judged=judged,
        effect=world.effect,
        smallest_worthwhile=world.worthwhile,
        objective="non_inferiority" if world.cheaper else "superiority",
        minimum_users=world.minimum_users,
    )


def lasting(users: Users, days: int, a_day: int) -> Users:
    """The world over so many days: its users of a day each day, unless all were there from the first."""
    people = users.users if users.arrival == "day 0" else users.users * days
    return replace(users, users=people, days=float(days), looks=days * a_day if a_day > 1 else 1)


def run(plan: ExperimentPlan, statistics: Iterator[tuple[Statistics, bool]]) -> tuple[list[Look], str]:
    """Looks until one ends the experiment or pauses it, and how it ended."""
    history: list[Look] = []
    for seen, decisive in statistics:
        look = take_look(plan, seen, history, "decision" if decisive else "guardrail")
        history.append(look)
        if look.terminal or look.action == "pause":
            return history, look.action
        if seen.day >= plan.maximum_days:
            break
    return history, "open"


def statistics_of(batch: Batch, metrics: tuple[str, ...]) -> Iterator[Iterator[tuple[Statistics, bool]]]:
    """For each repetition, what a look sees at each time, and whether it is the daily one."""
    tables = {metric: batch.moments(*SUMS[metric]) for metric in metrics}

    def arm(metric: str, rep: int, which: int, look: int) -> Moments:
        units, mean, products = tables[metric]
        mean_, rows = mean[rep, which, look].tolist(), products[rep, which, look].tolist()
        return Moments(int(units[rep, which, look]), ("s", "n"), tuple(mean_), tuple(tuple(row) for row in rows))

    def looks(rep: int) -> Iterator[tuple[Statistics, bool]]:
        for look in range(batch.shape[2]):
            found = {m: ArmMoments(arm(m, rep, 0, look), arm(m, rep, 1, look)) for m in metrics}
            units = (found[metrics[0]].control.n, found[metrics[0]].treatment.n)
            yield Statistics(float(batch.days[look]), units, metrics=found), look % A_DAY == A_DAY - 1

    return (looks(rep) for rep in range(batch.shape[0]))


def _world(world: World, reps: int, seed: int) -> dict[str, Any]:
    plan = frozen(world, seed)
    metrics = tuple(metric.metric for metric in plan.metrics)
    ends: Counter[str] = Counter()
    rows: Counter[int] = Counter()
    days, literal = [], 0
    for batch in batches(lasting(world.users, plan.maximum_days, A_DAY), reps, seed, SIZE):
        for each in statistics_of(batch, metrics):
            history, action = run(plan, each)
            ends.update([HARM if action in ("stop_harm", "pause") else action])
            ends.update({"extended": any(look.action == "extend" for look in history)})
            rows[history[-1].row] += 1
            days.append(history[-1].day)
        literal += _literal(batch)
    result: dict[str, Any] = {
        "planned": f"{plan.planned_days} days, at most {plan.maximum_days}, {plan.users_per_arm:,} users in an arm",
        "mean days": round(float(np.mean(days)), 1),
        "ended in row": ", ".join(f"{row}: {count / reps:.3g}" for row, count in sorted(rows.items())),
    }
    for figure in dict.fromkeys(("ship", "keep", "ask", HARM, "hold", "extended", "open")):
        least, most = world.bars.get(figure, (None, None))
        if ends[figure] or figure in world.bars:
            result[figure] = share(ends[figure], reps, least=least, most=most)
    if not world.cheaper:
        result["the charter's rule ships"] = share(literal, reps)
    return result


def _literal(batch: Batch) -> int:
    """Weekly z over executions, from 1,000 executions on: how often treatment is called better before control is."""
    weekly = np.arange(7 * A_DAY - 1, min(batch.shape[2], 28 * A_DAY), 7 * A_DAY)
    z, enough = per_execution_z(batch)[:, weekly], batch.total("rated").sum(axis=1)[:, weekly] >= MINIMUM
    called = (np.abs(z) > Z95) & enough
    first = called.argmax(axis=1)
    return int((called.any(axis=1) & (z[np.arange(len(z)), first] > 0)).sum())


def _traffic(batch: Batch, s: Mark, n: Mark, *, users_per_day: float, population: int | None) -> Traffic:
    person = np.repeat(np.arange(len(batch.count)), batch.count)
    ups, of = (np.bincount(person, batch.marks[mark], len(batch.count)) for mark in (s, n))
    executions = float(batch.count.mean())
    baseline = float(ups.sum() / of.sum())
    return Traffic(
        users_per_day=users_per_day,
        population=population,
        rated_per_user=float(of.mean()),
        baseline_rate=baseline,
        intra_user_correlation=intra_user_correlation(ups, of),
        rated_per_user_cv=float(of.std() / of.mean()),
        executions_per_user=executions,
        deviation=(baseline * (1 - baseline)) ** 0.5,
    )
