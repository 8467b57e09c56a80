"""The loss curve of a training run: points from a service's result file or from the metrics of an event.

Belongs here: reading columns by their header, whichever of the known names a service uses. Does not: fetching the file
(providers/tuning), drawing the curve (defs).
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass

# OpenAI and Azure name the same column differently, and both leave columns out; the first name that is there counts.
_NAMES = {
    "train_loss": ("train_loss", "training_loss", "loss"),
    "valid_loss": ("full_valid_loss", "valid_loss", "validation_loss", "eval_loss"),
    "train_accuracy": ("train_accuracy", "train_mean_token_accuracy", "train_mean_accuracy"),
    "valid_accuracy": (
        "full_valid_mean_token_accuracy",
        "valid_accuracy",
        "valid_mean_token_accuracy",
        "validation_token_accuracy",
        "full_valid_accuracy",
    ),
}


@dataclass(frozen=True)
class TrainingPoint:
    """What was measured at one step; None where it was not."""

    step: int
    train_loss: float | None = None
    valid_loss: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None


def point_of(values: Mapping[str, object], step: object = None) -> TrainingPoint | None:
    """The point in a mapping of metrics; None without a step, or without any number known here."""
    number = _number(values.get("step", step) if step is None else step)
    if number is None or number < 0:
        return None
    found = {
        name: next((value for each in names if (value := _number(values.get(each))) is not None), None)
        for name, names in _NAMES.items()
    }
    return TrainingPoint(int(number), **found) if any(value is not None for value in found.values()) else None


def read_result_file(data: bytes) -> tuple[TrainingPoint, ...]:
    """The points of a result CSV, by step; lines without a step or without numbers are left out.

    Columns are found by header, in any order, and may be missing. Of several lines of one step the later fills what the
    earlier lacks. An empty file, or one without a header known here, gives nothing.
    """
    text = data.decode("utf-8-sig", "replace").replace("\x00", "")
    points: dict[int, TrainingPoint] = {}
    try:
        for row in csv.DictReader(text.splitlines()):
            named = {str(name).strip().lower(): value for name, value in row.items() if isinstance(value, str)}
            if (point := point_of(named)) is not None:
                points[point.step] = _filled(points.get(point.step), point)
    except csv.Error:  # a field longer than the reader takes: what was read until there stands
        pass
    return tuple(points[step] for step in sorted(points))


def _filled(earlier: TrainingPoint | None, later: TrainingPoint) -> TrainingPoint:
    if earlier is None:
        return later
    merged = {name: getattr(earlier, name) if getattr(later, name) is None else getattr(later, name) for name in _NAMES}
    return TrainingPoint(later.step, **merged)


def _number(value: object) -> float | None:
    """A finite number, or None: services leave cells empty and write -1 or NaN for what was not measured."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
