"""Judges: how far a model that judges answers agrees with experts.

Belongs here: the asset `judge_calibration` and its check. Does not: which answers are compared (steps/judges), what
follows from the numbers (learning/prompts/judges).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from glow_pipelines.defs.metadata import percent, table
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.learning.intervals import Interval
    from glow_pipelines.store.judges import StoredCalibration

MOST_ROWS = 200


@dg.asset(
    group_name="annotations",
    kinds={"openai", "postgres"},
    owners=["team:experts"],
    deps=["annotations"],
    code_version="1",
    pool="chat",
    metadata={"dagster/table_name": "glow.judge_calibrations"},
)
def judge_calibration(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """Every agent's judge on the newest answers that its experts judged: agreement, its errors, and what it may do.

    A judge may always rank prompts. It decides a gate only on 100 answers, a kappa of 0.6 with a lower limit of 0.45,
    and sensitivity and specificity that sum to 1.5.
    """
    from glow_pipelines.steps.judges import calibrate_judge

    with services.store.transaction() as t:
        agents = t.feedback.agents()
    found = [each for agent in agents if (each := calibrate_judge(services, agent)) is not None]
    for each in found:
        context.log.info(f"{each.agent}: {each.questions} questions, {each.unreadable} replies out of form")
    with services.store.transaction() as t:
        newest = t.judges.calibrations()
    return dg.MaterializeResult(
        metadata={
            "judges": len(found),
            "questions": sum(each.questions for each in found),
            "replies out of form": sum(each.unreadable for each in found),
            "agreement": table(
                ("agent", "judge", "model", "answers", "called good by experts", "kappa", "95 %"), _agreement(newest)
            ),
            "errors": table(
                ("agent", "good ones found", "95 %", "bad ones found", "95 %", "same for all prompts (p)"),
                _errors(newest),
            ),
            "sway": table(
                ("agent", "preference goes with the place", "of those to the first", "more for e times the length"),
                _sway(newest),
            ),
            "use": table(
                ("agent", "may rank", "may decide a gate", "why"),
                (
                    (each.agent, "yes", "yes" if each.calibration.may_gate else "no", each.calibration.why)
                    for each in newest[:MOST_ROWS]
                ),
                empty="no agent has a judge",
            ),
        }
    )


@dg.asset_check(asset=judge_calibration)
def calibrated(services: dg.ResourceParam[Services]) -> dg.AssetCheckResult:
    """Every judge agrees with experts well enough to decide a gate; one that does not only ranks."""
    with services.store.transaction() as t:
        newest = t.judges.calibrations()
    wanting = [each for each in newest if not each.calibration.may_gate]
    return dg.AssetCheckResult(
        passed=not wanting,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(wanting)} of {len(newest)} judges may only rank" if newest else "no agent has a judge",
        metadata={
            "only ranking": table(
                ("agent", "why"), ((each.agent, each.calibration.why) for each in wanting), empty="none"
            )
        },
    )


Rows = Iterator[tuple[object, ...]]


def _agreement(newest: Sequence["StoredCalibration"]) -> Rows:
    for each in newest[:MOST_ROWS]:
        found = each.calibration
        name = f"{found.metric} {found.version}"
        kappa = f"{found.kappa.estimate:.2f}"
        yield (
            each.agent,
            name,
            each.model,
            found.n,
            percent(found.base_rate.estimate if found.n else None),
            kappa,
            _limits(found.kappa),
        )


def _errors(newest: Sequence["StoredCalibration"]) -> Rows:
    for each in newest[:MOST_ROWS]:
        found = each.calibration
        yield (
            each.agent,
            f"{found.good_found} of {found.good}",
            _limits(found.sensitivity),
            f"{found.bad_found} of {found.bad}",
            _limits(found.specificity),
            "–" if found.arms_p is None else f"{found.arms_p:.3f}",
        )


def _sway(newest: Sequence["StoredCalibration"]) -> Rows:
    for each in newest[:MOST_ROWS]:
        place, length = each.calibration.bias.position, each.calibration.bias.length
        yield (
            each.agent,
            "–" if place is None else f"{percent(place.swayed.estimate)} of {place.n}",
            percent(place.first.estimate if place and place.swayed.estimate > 0 else None),
            "–" if length is None else f"{length.slope.estimate:+.3f} ({_limits(length.slope)})",
        )


def _limits(interval: "Interval") -> str:
    return f"{interval.low:.2f} to {interval.high:.2f}"
