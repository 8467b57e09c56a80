"""V7–V10: what planned looks and always-valid looks cost in users, with independent votes and estimated information.

Claims in multiples of the fixed sample (one look, 80 % power): how large a planned test must be allowed to grow, what
it uses on average at the effect it was planned for, and what the always-valid rule needs for the same power.
"""

from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share, within
from benchmarks.experimenting.rules import always_valid, group_sequential
from benchmarks.experimenting.worlds import Floats
from glow_pipelines.learning.experiments.always_valid import mixture_tau
from glow_pipelines.learning.experiments.estimates import Differences, arm_difference
from glow_pipelines.learning.experiments.group_sequential import boundaries, inflation, mean_fraction
from glow_pipelines.learning.experiments.precision import information_needed

BASE, EFFECT = 0.6, 0.05
ERROR = information_needed(EFFECT, 0.05, 0.8) ** -0.5
FIXED = round((BASE * (1 - BASE) + (BASE + EFFECT) * (1 - BASE - EFFECT)) / ERROR**2)  # users of an arm
SPENDINGS = {"α·t²": "power2", "O'Brien–Fleming": "obrien_fleming", "Pocock": "pocock"}


def maximum(reps: int, seed: int) -> dict[str, Any]:
    """V7: exact, by the recursion: the planned maximum over the fixed sample."""
    found = {}
    for name, spending in SPENDINGS.items():
        bar = {"high": 1.10} if spending == "power2" else {}
        found[name] = {
            f"{looks} looks": within(inflation(looks, spending=spending), **bar)
            if bar
            else round(inflation(looks, spending=spending), 4)
            for looks in (7, 14)
        }
    return found


def mean_sample(reps: int, seed: int) -> dict[str, Any]:
    """V8: mean sample at the planned effect over the fixed sample, exact and with votes."""
    result: dict[str, Any] = {}
    for looks in (7, 14):
        growth = inflation(looks)
        t = np.arange(1, looks + 1) / looks
        drift = 2.801585 * growth**0.5  # z(.975) + z(.8)
        exact = growth * float(mean_fraction(t, boundaries(t), drift))
        used, wins = _planned(reps, seed + looks, looks, growth)
        result[f"{looks} looks"] = {
            "exact": within(exact, high=0.80),
            "with votes": within(float(used.mean()), high=0.80, error=float(used.std() / reps**0.5)),
            "power": share(wins, reps),
        }
    return result


def extended(reps: int, seed: int) -> dict[str, Any]:
    """V9: twice the fixed sample bought in advance, 14 daily looks: power at the effect, and what is used of it."""
    used, wins = _planned(reps, seed, 14, 2.0)
    _, errors = _planned(reps, seed + 1, 14, 2.0, effect=0.0)
    return {
        "power": share(wins, reps, least=0.95),
        "mean sample over the fixed one": within(float(used.mean()), high=1.1, error=float(used.std() / reps**0.5)),
        "called treatment better in A/A": share(errors, reps, most=0.025),
    }


def anytime(reps: int, seed: int) -> dict[str, Any]:
    """V10: the always-valid rule over three fixed samples of a week each, looked at daily, and every two hours."""
    result: dict[str, Any] = {}
    for name, a_week in (("daily looks", 7), ("a look every two hours", 84)):
        end = np.full(reps, 3 * a_week)
        for start in range(0, reps, 500):
            found = votes(min(500, reps - start), seed + start, 3 * a_week, 3.0, EFFECT)
            wins = always_valid(found, mixture_tau(ERROR)) & (found.difference > 0)
            end[start : start + 500] = np.where(wins.any(axis=1), wins.argmax(axis=1), 3 * a_week)
        multiples = np.arange(1, 3 * a_week + 1) / a_week
        by_then = (end[:, None] < np.arange(1, 3 * a_week + 1)).mean(axis=0)
        at = float(np.interp(0.8, by_then, multiples))
        slope = (np.interp(at + 0.1, multiples, by_then) - np.interp(at - 0.1, multiples, by_then)) / 0.2
        result[name] = {
            "sample for 80 % power over the fixed one": within(at, high=1.75, error=(0.16 / reps) ** 0.5 / slope),
            "power with twice the fixed sample": round(float(by_then[2 * a_week - 1]), 4),
            "mean sample of that": round(float(np.minimum((end + 1) / a_week, 2.0).mean()), 4),
        }
    return result


def _planned(reps: int, seed: int, looks: int, growth: float, effect: float = EFFECT) -> tuple[Floats, int]:
    """Of a group-sequential test: the sample used over the fixed one, and how often treatment was called better."""
    found = votes(reps, seed, looks, growth, effect)
    fires = group_sequential(found, growth / ERROR**2)
    end = np.where(fires.any(axis=1), fires.argmax(axis=1), looks - 1)
    upwards = found.difference[np.arange(reps), end] > 0
    return growth * (end + 1) / looks, int((fires.any(axis=1) & upwards).sum())


def votes(reps: int, seed: int, looks: int, growth: float, effect: float) -> Differences:
    """Estimates from independent votes, `growth` times the fixed sample in equal parts; (reps, looks)."""
    rng = np.random.default_rng(seed)
    n = np.round(np.arange(1, looks + 1) * FIXED * growth / looks)
    arms = []
    for rate in (BASE, BASE + effect):
        ups = np.cumsum(rng.binomial(np.diff(n, prepend=0).astype(int), rate, (reps, looks)), axis=1)
        means, products = np.ones((reps, looks, 2)), np.zeros((reps, looks, 2, 2))
        means[..., 0], products[..., 0, 0] = ups / n, ups * (1 - ups / n)
        arms += [np.broadcast_to(n, ups.shape), means, products]
    return arm_difference(*arms)
