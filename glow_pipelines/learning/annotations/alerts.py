"""Of what a person should hear, and why: reviewers to speak with, and agreement too low to learn from.

Belongs here: the limits and the words. Does not belong here: measuring (calibration, quality), telling anybody (defs).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.annotations.calibration import Calibration
from glow_pipelines.learning.annotations.quality import Quality

LEAST_ALPHA = 0.667
"""Below it Krippendorff advises against even tentative conclusions. A convention: the interval is what is compared."""
LEAST_ITEMS = 50


@dataclass(frozen=True, slots=True)
class AgreementVerdict:
    """Whether an agent's reviewers agree enough, and the figures in words."""

    status: Literal["enough", "too little", "not enough data"]
    detail: str


def judge_agreement(quality: Quality) -> AgreementVerdict:
    """The lower limit of alpha against .667, where at least 50 items were judged twice and could differ."""
    headline = quality.headline
    items = 0 if headline is None else headline.alpha.items
    if headline is None or items < LEAST_ITEMS:
        return AgreementVerdict("not enough data", f"{items} items judged twice, {LEAST_ITEMS} needed")
    interval = headline.alpha.interval
    if interval is None:
        return AgreementVerdict("not enough data", f"all labels of {items} items are the same: nothing could disagree")
    detail = f"alpha {interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f}) on {items} items"
    return AgreementVerdict("enough" if interval.low >= LEAST_ALPHA else "too little", detail)


@dataclass(frozen=True, slots=True)
class WarningSettings:
    """Limits; below the least numbers nothing is said, because too little is known to speak of a person."""

    least_accuracy: float = 0.8
    least_gold: int = 20
    most_approval: float = 0.9
    least_judgements: int = 20
    least_repeats: int = 20
    least_repeat_agreement: float = 0.7
    drift_p: float = 0.05


@dataclass(frozen=True, slots=True)
class ReviewerWarning:
    """`kind` is a fixed word, `detail` numbers in words, `suggestion` what to do."""

    reviewer: str
    kind: Literal["accuracy", "approval", "drift", "repeats"]
    detail: str
    suggestion: str


def warnings_of(
    calibrations: Sequence[Calibration], settings: WarningSettings | None = None
) -> tuple[ReviewerWarning, ...]:
    """Warnings in the order of the reviewers.

    Accuracy warns when it is not above the least accuracy with 95 % confidence. Drift is tested for every reviewer
    at once, so its p is multiplied by the number of tests (Bonferroni).
    """
    chosen = settings or WarningSettings()
    tests = sum(each.drift is not None for each in calibrations)
    return tuple(warning for each in calibrations for warning in _of(each, tests, chosen))


def _of(each: Calibration, tests: int, settings: WarningSettings) -> Iterator[ReviewerWarning]:
    gold, drift = each.gold, each.drift
    if gold is not None and gold.items >= settings.least_gold and gold.bound < settings.least_accuracy:
        sure = gold.accuracy.high < settings.least_accuracy
        yield ReviewerWarning(
            each.reviewer,
            "accuracy",
            f"right on {gold.right} of {gold.items} gold items; {'surely' if sure else 'perhaps'} below "
            f"{settings.least_accuracy:.0%} ({gold.accuracy.low:.0%} to {gold.accuracy.high:.0%})",
            "go through the wrong ones together" if sure else "give more gold items",
        )
    rate = each.approval
    if rate.n >= settings.least_judgements and rate.successes > settings.most_approval * rate.n:
        yield ReviewerWarning(
            each.reviewer,
            "approval",
            f"approved {rate.successes} of {rate.n}",
            "look whether these are read: give gold items that are wrong",
        )
    if drift is not None and (drift.recent.value or 0) < (drift.earlier.value or 0):
        p = min(1.0, drift.p * tests)
        if p < settings.drift_p:
            yield ReviewerWarning(
                each.reviewer,
                "drift",
                f"right on {drift.recent.successes} of {drift.recent.n} gold items lately, on "
                f"{drift.earlier.successes} of {drift.earlier.n} before (p = {p:.3f})",
                "talk about the guidelines anew",
            )
    same = each.repeats
    if same is not None and same.n >= settings.least_repeats and (same.value or 0) < settings.least_repeat_agreement:
        yield ReviewerWarning(
            each.reviewer,
            "repeats",
            f"judged {same.successes} of {same.n} repeated items as before",
            "the task may be unclear: sharpen the guidelines",
        )
