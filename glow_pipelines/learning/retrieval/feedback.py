"""From what users did to what a chunk is worth for a question.

Belongs here: the examination-corrected posterior per (query group, chunk), the label read from it, and what experts
should look at. Does not belong here: what a deed says (``signals``), who counts how much (``weighing``), search.

A click at rank 5 says more than one at rank 1, a missing click there less: expected looks, not lists, are counted.
    attractiveness = (Σ w·credit + a·μ) / (Σ w·θ + a),   a = 2, clipped to [0, 1],   μ = Σ w·credit / Σ w·θ of the log
Raw inverse propensity weighting is not used: with logs of this size its variance costs more than the bias it removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from glow_pipelines.learning.retrieval.attention import agreement, seen_share
from glow_pipelines.learning.retrieval.memory import CELL_SHRINKAGE
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.types import Signal, Vector
from glow_pipelines.learning.retrieval.weighing import Caps, Voices, voices

MOST_OF_MEDIAN = 3.0

Label = Literal["positive", "negative", "unjudged"]


@dataclass(frozen=True)
class FeedbackSettings:
    """Thresholds and caps. With 3 sessions a query one positive in three is wrong: hence 1.5 effective examinations."""

    positive_from: float = 0.5
    positive_examinations: float = 1.5
    negative_below: float = 0.25
    negative_examinations: float = 0.5
    unclear_from: float = 0.35
    unclear_to: float = 0.65
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True)
class Cell:
    """What the log says of one chunk for one query group. ``credit`` and ``effective_examinations`` are in users.

    ``agreed`` is the attractiveness that is left when everybody counts for one visit at most, and without whoever moves
    it farthest from the base rate: what one person alone says moves no ranking, however often. Experts stay in.
    """

    group: str
    chunk_id: str
    attractiveness: float
    effective_examinations: float
    credit: float
    users: int
    event_ids: tuple[str, ...]
    label: Label
    agreed: float = 0.0


@dataclass(frozen=True)
class Posterior:
    """All cells, ordered by group and chunk id, and μ, the clicks per examination of the whole log.

    ``agreement``: z value of people agreeing beyond position (``attention.agreement``); ``expert``: an expert spoke.
    """

    cells: tuple[Cell, ...]
    base_attractiveness: float
    agreement: float = 0.0
    expert: bool = False


def relevance_posterior(
    signals: SignalTable | Iterable[Signal],
    group_of: Mapping[str, str],
    settings: FeedbackSettings | None = None,
    as_of: float | None = None,
) -> Posterior:
    """Posterior attractiveness of every (query group, chunk) shown. ``group_of`` maps query text to group.

    ``as_of``: the day from which age is counted, the newest signal's if not given.
    """
    settings = settings or FeedbackSettings()
    table = signals if isinstance(signals, SignalTable) else SignalTable.of(signals)
    heard = voices(table, group_of, as_of, settings.caps)
    seen = replace(heard, looks=heard.looks * seen_share(heard))
    sums = seen.sums()
    base = _base(seen)
    value = _attractiveness(sums.credit, sums.looks, base)
    positive = (value >= settings.positive_from) & (sums.looks >= settings.positive_examinations)
    negative = (value < settings.negative_below) & (sums.looks >= settings.negative_examinations)
    labels: list[Label] = ["unjudged", "positive", "negative"]
    columns = zip(
        sums.groups,
        sums.chunk_ids,
        value.tolist(),
        sums.looks.tolist(),
        sums.credit.tolist(),
        sums.users.tolist(),
        sums.event_ids,
        [labels[each] for each in (positive + 2 * (negative & ~positive)).tolist()],
        _agreed(seen, base).tolist(),
        strict=True,
    )
    return Posterior(tuple(Cell(*row) for row in columns), base, agreement(heard), bool(heard.expert.any()))


def unclear(posterior: Posterior, settings: FeedbackSettings | None = None) -> list[Cell]:
    """Cells for experts to judge: looked at enough, and neither relevant nor not. Most looked at first."""
    settings = settings or FeedbackSettings()
    found = [
        cell
        for cell in posterior.cells
        if settings.unclear_from <= cell.attractiveness <= settings.unclear_to
        and cell.effective_examinations >= settings.positive_examinations
    ]
    return sorted(found, key=lambda cell: (-cell.effective_examinations, cell.group, cell.chunk_id))


def _attractiveness(credit: Vector, looks: Vector, base: float) -> Vector:
    value: Vector = np.clip((credit + CELL_SHRINKAGE * base) / (looks + CELL_SHRINKAGE), 0.0, 1.0)
    return value


def _base(seen: Voices) -> float:
    """Credit per look, where nobody counts for more than three times the person in the middle.

    To two places: the base rate is part of every excess, and must not move with every signal.
    """
    if not len(seen.user):
        return 0.0
    looks, credit = (np.bincount(seen.user, each) for each in (seen.looks, seen.credit))
    here = looks > 0
    if not here.any():
        return 0.0
    share = np.minimum(1.0, MOST_OF_MEDIAN * float(np.median(looks[here])) / np.maximum(looks, 1e-12))
    return round(min(1.0, float((credit * share).sum() / (looks * share).sum())), 2)


def _agreed(seen: Voices, base: float) -> Vector:
    once = np.where(seen.expert, 1.0, 1 / np.maximum(seen.weight, 1.0))
    one = replace(seen, credit=seen.credit * once, looks=seen.looks * once)
    sums, crowd = one.sums(), ~one.expert
    value = _attractiveness(sums.credit, sums.looks, base)
    cell = one.cell[crowd]
    credit, looks = sums.credit[cell] - one.credit[crowd], sums.looks[cell] - one.looks[crowd]
    without = _attractiveness(np.maximum(credit, 0.0), np.maximum(looks, 0.0), base)
    least, most = value.copy(), value.copy()
    np.minimum.at(least, cell, without)
    np.maximum.at(most, cell, without)
    agreed: Vector = np.where(value > base, np.maximum(least, base), np.minimum(most, base))
    return agreed
