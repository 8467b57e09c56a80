"""How far a judge may be believed: the same answers, judged by experts and by it.

Belongs here: agreement, sensitivity and specificity, and what follows for its use. Does not belong here: asking the
judge, collecting what experts said (steps/judges).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import chi2, fisher_exact

from glow_pipelines.learning.annotations.kappa import bootstrap_cohen
from glow_pipelines.learning.intervals import Interval, wilson
from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.judges.bias import LengthBias, PositionBias, length_bias, position_bias
from glow_pipelines.learning.prompts.judges.correction import (
    Share,
    corrected_difference,
    corrected_level,
    difference_of,
)
from glow_pipelines.learning.prompts.judges.pairwise import Shown

ANNOTATIONS = 100
KAPPA = 0.6
KAPPA_LOW = 0.45
SENSITIVITY_AND_SPECIFICITY = 1.5
ARM = 20
"""Answers of an arm from which on it is compared with the others."""
SAME = 0.05
"""Below this p, over all arms together, the judge is not the same judge for every arm. To refuse is the safe error."""


@dataclass(frozen=True)
class Judged:
    """One answer judged twice. `arm` is the prompt it came from; `length` its characters, or for a pair the ratio of
    both; `orders` the replies of a pair asked in both orders.
    """

    expert: bool
    judge: bool
    arm: str = ""
    length: float = 1.0
    orders: tuple[Shown, Shown] | None = None


@dataclass(frozen=True)
class Bias(Jsonable):
    """What sways the judge; None where it was not measured."""

    position: PositionBias | None
    length: LengthBias | None


@dataclass(frozen=True)
class ArmErrors(Jsonable):
    """How many good answers of one prompt the judge found, and how many bad ones."""

    arm: str
    good: int
    good_found: int
    bad: int
    bad_found: int

    @property
    def shares(self) -> tuple[Share, Share]:
        """Sensitivity and specificity."""
        return Share(self.good_found, self.good), Share(self.bad_found, self.bad)


@dataclass(frozen=True)
class JudgeCalibration(Jsonable):
    """A judge against experts. It may rank always; `may_gate` says whether it may decide, and `why` or why not.

    `kappa.estimate` is NaN where chance alone would always agree. `base_rate` is the share the experts call good.
    `arms_p` is the p of the judge's errors being the same for all arms, None with one arm.
    """

    metric: str
    version: int
    n: int
    base_rate: Interval
    kappa: Interval
    sensitivity: Interval
    specificity: Interval
    good: int
    good_found: int
    bad: int
    bad_found: int
    arms_p: float | None
    arms: tuple[ArmErrors, ...]
    bias: Bias
    may_gate: bool
    why: str

    def corrected(self, judged_good: int, n: int) -> Interval:
        """The share of good answers, from `judged_good` of `n` that the judge calls so. Raises ValueError where
        nothing corrects this judge.
        """
        return corrected_level(Share(judged_good, n), *self._shares)

    def corrected_difference(self, raw: Interval) -> Interval:
        """A difference of two judged levels as one of true levels. Raises ValueError when the judge errs differently
        between arms, or where nothing corrects it.
        """
        if self.arms_p is not None and self.arms_p < SAME:
            raise ValueError(f"the judge errs differently between prompts (p = {self.arms_p:.3g}): compare by experts")
        return corrected_difference(raw, *self._shares)

    def corrected_between(self, first: tuple[str, int, int], second: tuple[str, int, int]) -> Interval:
        """The difference of two arms' true levels, each corrected by its own errors: the one that holds when the judge
        errs differently between prompts. (arm, judged good, judged) each. Raises KeyError for an arm with fewer than
        `ARM` answers judged by experts, ValueError where nothing corrects the judge.
        """
        known = {each.arm: each for each in self.arms}
        levels = [corrected_level(Share(good, n), *known[arm].shares) for arm, good, n in (first, second)]
        return difference_of(*levels)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        given = dict(data)
        for name in ("base_rate", "kappa", "sensitivity", "specificity"):
            given[name] = interval_from_json(data[name])
        position, length = data["bias"]["position"], data["bias"]["length"]
        given["arms"] = tuple(ArmErrors(**each) for each in data["arms"])
        given["bias"] = Bias(
            position
            and PositionBias(
                position["n"], interval_from_json(position["swayed"]), interval_from_json(position["first"])
            ),
            length and LengthBias(length["n"], interval_from_json(length["slope"])),
        )
        return cls(**given)

    @property
    def _shares(self) -> tuple[Share, Share]:
        return Share(self.good_found, self.good), Share(self.bad_found, self.bad)


def calibrate(metric: str, version: int, pairs: Sequence[Judged], rng: np.random.Generator) -> JudgeCalibration:
    """All that is known of a judge from answers that experts judged too. Works from none on; see `why` for the rest."""
    good, bad = [each for each in pairs if each.expert], [each for each in pairs if not each.expert]
    good_found, bad_found = sum(each.judge for each in good), sum(not each.judge for each in bad)
    sensitivity, specificity = wilson(good_found, len(good)), wilson(bad_found, len(bad))
    kappa = _kappa(pairs, rng)
    arms_p = arms_differ(pairs)
    reasons = _reasons(len(pairs), kappa, sensitivity, specificity, arms_p)
    orders = [each.orders for each in pairs if each.orders is not None]
    return JudgeCalibration(
        metric=metric,
        version=version,
        n=len(pairs),
        base_rate=wilson(len(good), len(pairs)),
        kappa=kappa,
        sensitivity=sensitivity,
        specificity=specificity,
        good=len(good),
        good_found=good_found,
        bad=len(bad),
        bad_found=bad_found,
        arms_p=arms_p,
        arms=_errors_by_arm(pairs),
        bias=Bias(
            position_bias(orders) if orders else None,
            length_bias(
                [float(each.judge) for each in pairs],
                [float(each.expert) for each in pairs],
                [each.length for each in pairs],
                rng,
            ),
        ),
        may_gate=not reasons,
        why="; ".join(reasons) or _why(arms_p),
    )


def interval_from_json(data: Mapping[str, Any]) -> Interval:
    """An interval from plain JSON data, where NaN is null."""
    estimate = math.nan if data["estimate"] is None else data["estimate"]
    return Interval(**{**data, "estimate": estimate})


def arms_differ(pairs: Sequence[Judged]) -> float | None:
    """The p of the judge erring the same way in every arm; None with fewer than two arms of `ARM` answers.

    Of each arm against the rest: whether it is more lenient (Mantel and Haenszel 1959, over what experts call good and
    bad), finds good answers, or finds bad ones as well (Fisher's exact test). The smallest p times the number of tests.
    A p above the level is no proof: with 80 answers for each prompt a judge that passes half of the bad answers of one
    prompt and a seventh of the other's is still taken for the same one in every fourth case (benchmarks, S6).
    """
    arms = [arm for arm, n in Counter(each.arm for each in pairs).items() if n >= ARM]
    if len(arms) < 2:
        return None
    whole = len({each.arm for each in pairs}) == 2
    found = [p for arm in arms[: 1 if whole else None] for p in _apart(pairs, arm)]
    return min(1.0, min(found) * len(found))


def _apart(pairs: Sequence[Judged], arm: str) -> tuple[float, float, float]:
    """p of leniency, of sensitivity and of specificity being those of the other arms."""
    tables = {True: np.zeros((2, 2), dtype=int), False: np.zeros((2, 2), dtype=int)}
    for each in pairs:
        tables[each.expert][int(each.arm == arm), int(each.judge)] += 1
    beyond = variance = 0.0
    for table in tables.values():
        n, rows, columns = int(table.sum()), table.sum(axis=1), table.sum(axis=0)
        if n > 1:
            beyond += table[1, 1] - rows[1] * columns[1] / n
            variance += float(rows[0] * rows[1] * columns[0] * columns[1]) / (n * n * (n - 1))
    lenient = float(chi2.sf(beyond**2 / variance, 1)) if variance > 0 else 1.0
    good, bad = (float(fisher_exact(tables[kind]).pvalue) for kind in (True, False))
    return lenient, good, bad


def _errors_by_arm(pairs: Sequence[Judged]) -> tuple[ArmErrors, ...]:
    counts = Counter((each.arm, each.expert, each.judge) for each in pairs)
    sizes = Counter(each.arm for each in pairs)
    return tuple(
        ArmErrors(
            arm,
            counts[arm, True, True] + counts[arm, True, False],
            counts[arm, True, True],
            counts[arm, False, True] + counts[arm, False, False],
            counts[arm, False, False],
        )
        for arm in sorted(sizes)
        if sizes[arm] >= ARM
    )


def _kappa(pairs: Sequence[Judged], rng: np.random.Generator) -> Interval:
    found = bootstrap_cohen([float(each.expert) for each in pairs], [float(each.judge) for each in pairs], rng=rng)
    return found.interval or Interval(float("nan"), -1.0, 1.0, 0.95, "undefined")


def _why(arms_p: float | None) -> str:
    told = "agrees with experts well enough to decide"
    return told if arms_p is not None else f"{told}; that it errs alike for another prompt is assumed, not seen"


def _reasons(n: int, kappa: Interval, sensitivity: Interval, specificity: Interval, arms_p: float | None) -> list[str]:
    """Why it may not decide a gate; none when it may."""
    reasons = []
    if n < ANNOTATIONS:
        reasons.append(f"{n} answers judged by experts, {ANNOTATIONS} needed")
    if not kappa.estimate >= KAPPA:
        reasons.append(f"kappa {kappa.estimate:.2f}, {KAPPA} needed")
    elif not kappa.low >= KAPPA_LOW:
        reasons.append(f"lower limit of kappa {kappa.low:.2f}, {KAPPA_LOW} needed")
    total = sensitivity.estimate + specificity.estimate
    if not total >= SENSITIVITY_AND_SPECIFICITY:
        reasons.append(f"sensitivity and specificity sum to {total:.2f}, {SENSITIVITY_AND_SPECIFICITY} needed")
    if arms_p is not None and arms_p < SAME:
        reasons.append(f"errs differently between prompts (p = {arms_p:.3g})")
    return reasons
