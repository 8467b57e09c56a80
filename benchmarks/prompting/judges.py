"""S6: a judge that errs, with known errors: what it claims raw, corrected, and what calibration lets through.

Belongs here: a simulated judge, and counts over many runs. Does not: any model. `simulate(full)` is seeded; the
worlds are parameters, also those in which the correction must refuse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glow_pipelines.learning.intervals import Interval, newcombe_paired
from glow_pipelines.learning.prompts.judges.calibration import SAME, JudgeCalibration, Judged, calibrate

LABELLED, ITEMS = 160, 400
BEFORE, GAIN = 0.70, 0.06
# name -> sensitivity and specificity for the prompt in force, and for the finalist
WORLDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "good judge": ((0.95, 0.90), (0.95, 0.90)),
    "fair judge": ((0.90, 0.85), (0.90, 0.85)),
    "lenient judge": ((0.97, 0.55), (0.97, 0.55)),
    "poor judge": ((0.75, 0.60), (0.75, 0.60)),
    "judge that likes the finalist's style": ((0.90, 0.85), (0.98, 0.55)),
}


@dataclass(frozen=True)
class _Run:
    calibration: JudgeCalibration
    raw: Interval
    corrected: Interval | None
    by_arm: Interval | None


def simulate(full: bool) -> dict[str, Any]:
    """By world, with a true gain and without one: mean claims over the truth, coverage, and who may gate."""
    runs = 1000 if full else 40
    return {
        "parameters": {"runs": runs, "labelled": LABELLED, "items": ITEMS, "before": BEFORE, "gain": GAIN},
        "worlds": {
            name: {str(gain): _world(arms, gain, runs) for gain in (0.0, GAIN)} for name, arms in WORLDS.items()
        },
    }


def _world(arms: tuple[tuple[float, float], tuple[float, float]], gain: float, runs: int) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    found = [_run(rng, arms, gain) for _ in range(runs)]
    claims = {
        "raw": [each.raw for each in found],
        "corrected": [each.corrected for each in found if each.corrected is not None],
        "by_arm": [each.by_arm for each in found if each.by_arm is not None],
    }
    false = [gain == 0 and each.calibration.may_gate and each.raw.low > 0 for each in found]
    return {
        "may_gate": float(np.mean([each.calibration.may_gate for each in found])),
        "errs_differently": float(np.mean([(each.calibration.arms_p or 0) < SAME for each in found])),
        "false_claims_let_through": float(np.mean(false)),
        **{
            name: {
                "runs": len(intervals),
                "gain": float(np.mean([each.estimate for each in intervals])) if intervals else None,
                "coverage": float(np.mean([each.low <= gain <= each.high for each in intervals]))
                if intervals
                else None,
            }
            for name, intervals in claims.items()
        },
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _run(rng: np.random.Generator, arms: tuple[tuple[float, float], tuple[float, float]], gain: float) -> _Run:
    """Calibration on answers of both prompts; the judged difference, the corrected one where it is allowed, by arm."""
    labelled = []
    for name, (q1, q0), level in (("old", arms[0], BEFORE), ("new", arms[1], BEFORE + gain)):
        good = rng.random(LABELLED // 2) < level
        said = _said(rng, good, q1, q0)
        labelled += [Judged(bool(one), bool(other), name) for one, other in zip(good, said, strict=True)]
    calibration = calibrate("rubric_judge", 1, labelled, rng)
    old = rng.random(ITEMS) < BEFORE
    # Paired: the finalist rights some of what was wrong, and breaks some of what was right.
    new = np.where(old, rng.random(ITEMS) < 0.9, rng.random(ITEMS) < (BEFORE + gain - 0.9 * BEFORE) / (1 - BEFORE))
    one, other = _said(rng, new, *arms[1]), _said(rng, old, *arms[0])
    raw = newcombe_paired(
        int((one & other).sum()), int((one & ~other).sum()), int((~one & other).sum()), int((~one & ~other).sum())
    )
    counted = (("new", int(one.sum()), ITEMS), ("old", int(other.sum()), ITEMS))
    return _Run(
        calibration,
        raw,
        _allowed(lambda: calibration.corrected_difference(raw)),
        _allowed(lambda: calibration.corrected_between(*counted)),
    )


def _allowed(claim: Callable[[], Interval]) -> Interval | None:
    """The claim, or None where the calibration refuses to make it."""
    try:
        return claim()
    except ValueError:
        return None


def _said(rng: np.random.Generator, good: np.ndarray, q1: float, q0: float) -> np.ndarray:
    return np.where(good, rng.random(len(good)) < q1, rng.random(len(good)) >= q0)
