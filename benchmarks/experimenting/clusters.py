"""V3, V4, V5 and V11: users who vote alike and come over time. What holds for independent votes must hold for them.

Claims: always-valid and group-sequential rules over users keep 5 % at hourly and daily looks, fixed intervals cover
95 %, and the whole confidence sequence covers the true difference. Baseline: the z-test over executions, at every look.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share
from benchmarks.experimenting.rules import (
    Z95,
    always_valid,
    clustered,
    ever,
    gated,
    group_sequential,
    normal,
    per_execution_z,
)
from benchmarks.experimenting.worlds import Users, batches
from glow_pipelines.learning.experiments.always_valid import mixture_tau

HOURLY = Users(users=800, days=7, looks=168)
WORLDS = (
    HOURLY,
    replace(HOURLY, arrival="day 0"),
    replace(HOURLY, icc=0.02),
    replace(HOURLY, icc=0.02, arrival="day 0"),
    replace(HOURLY, heavy=1.0),
)
PILOT = 40


def planned_error(world: Users, seed: int) -> float:
    """The standard error that the world's users give at the end, as time before the experiment would tell it."""
    pilot = replace(world, looks=1, effect=0.0)
    found = clustered(next(batches(pilot, PILOT, seed + 7_777_777, PILOT)))
    return float(np.sqrt(np.mean(found.standard_error[:, -1] ** 2)))


def always(reps: int, seed: int, worlds: tuple[Users, ...] = WORLDS) -> dict[str, Any]:
    """V3: A/A, 168 hourly looks, from the hour at which an arm is worth 50 users and has 25 votes of both kinds."""
    result = {}
    for at, world in enumerate(worlds):
        tau = mixture_tau(planned_error(world, seed))
        ours = anytime = naive = 0
        for batch in batches(world, reps, seed + 1000 * at):
            found = clustered(batch)
            open_ = gated(found, batch)
            fires = always_valid(found, tau)
            ours += ever(fires & open_)
            anytime += ever(fires & (found.effective_control >= 20) & (found.effective_treatment >= 20))
            naive += ever((np.abs(per_execution_z(batch)) > Z95) & open_)
        result[world.named()] = {
            "always-valid over users": share(ours, reps, most=0.05),
            "the same from 20 effective users on": share(anytime, reps),
            "z over executions at every look": share(naive, reps),
        }
    return result


def planned(reps: int, seed: int, worlds: tuple[Users, ...] = WORLDS) -> dict[str, Any]:
    """V4: A/A, 14 daily looks, information estimated, its maximum guessed right, a third too low, half too high.

    Below 4 % is no error, only power lost, so the bar is 6 % alone.
    """
    result = {}
    for at, hourly in enumerate(worlds):
        world = replace(hourly, days=14, looks=14)
        information = 1 / planned_error(world, seed) ** 2
        fires, as_normal = [0, 0, 0], 0
        for batch in batches(world, reps, seed + 1000 * at):
            found = clustered(batch)
            open_ = gated(found, batch)
            for i, factor in enumerate((1.0, 0.67, 1.5)):
                fires[i] += ever(group_sequential(found, information * factor, open_))
            as_normal += ever(group_sequential(normal(found), information, open_))
        result[world.named()] = {
            "group-sequential": share(fires[0], reps, most=0.06),
            "the same, z taken as normal": share(as_normal, reps),
            "planned a third too little": share(fires[1], reps),
            "planned half too much": share(fires[2], reps),
        }
    return result


def coverage(reps: int, seed: int, worlds: tuple[Users, ...] = WORLDS) -> dict[str, Any]:
    """V5: fixed 95 % intervals at the end, true difference 5 points; only where both arms are worth 70 users."""
    from scipy.stats import t

    result = {}
    for at, hourly in enumerate(worlds):
        world = replace(hourly, looks=1, effect=0.05)
        covers = naive = counted = 0
        for batch in batches(world, reps, seed + 1000 * at):
            found = clustered(batch)
            enough = np.minimum(found.effective_control, found.effective_treatment)[:, -1] >= 70
            off = np.abs(found.difference - world.effect)[:, -1]
            covers += int((enough & (off <= (t.ppf(0.975, found.df) * found.standard_error)[:, -1])).sum())
            error = np.abs(found.difference / per_execution_z(batch))[:, -1]
            naive += int((enough & (off <= Z95 * error)).sum())
            counted += int(enough.sum())
        result[world.named()] = {
            "over users": share(covers, counted, least=0.94),
            "over executions": share(naive, counted),
            "left out (worth less than 70 users)": reps - counted,
        }
    return result


def simultaneous(reps: int, seed: int, worlds: tuple[Users, ...] = WORLDS) -> dict[str, Any]:
    """V11: the always-valid interval holds the true 5 points at every one of 168 looks."""
    result = {}
    for at, hourly in enumerate(worlds):
        world = replace(hourly, effect=0.05)
        tau = mixture_tau(planned_error(world, seed))
        missed = 0
        for batch in batches(world, reps, seed + 1000 * at):
            found = clustered(batch)
            missed += ever(always_valid(found, tau, truth=world.effect) & gated(found, batch))
        result[world.named()] = share(reps - missed, reps, least=0.95)
    return result
