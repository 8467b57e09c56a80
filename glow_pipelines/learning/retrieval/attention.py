"""Whether a log was looked at as far down as it says, and whether its people agree beyond that.

Belongs here: two questions to a log before anything is learned from it. Does not belong here: the examination curve for
lists to come (``examination``), what a chunk is worth (``feedback``).

Looks are counted as they were logged. Where the same chunk was shown higher and lower for the same question, and below
got far fewer clicks than the logged chances promise, people did not look there, and their silence is no verdict: with
clicks on the first rank only, taking it for one cost repeated questions up to 5 % nDCG@10.
"""

from __future__ import annotations

import numpy as np

from glow_pipelines.learning.retrieval.signal_table import Numbers
from glow_pipelines.learning.retrieval.types import Vector
from glow_pipelines.learning.retrieval.weighing import Voices

LEAST_EXPECTED = 10.0
"""Clicks that the logged chances must promise before their absence says anything."""
LEAST_SHARE = 0.05
"""Of the logged looks that always count, so that nothing is divided by nothing."""
CONTRADICTION = 0.5
"""Below this share of the promised clicks a log contradicts itself; above it is chance, or a curve to be refined."""


def seen_share(voices: Voices) -> Vector:
    """Per voice, the share of its logged looks that count, in [.05, 1]: 1 wherever the log does not contradict itself.

    Chances of a look, rounded to .01, are taken from the highest down. Each is held against what the same cells got at
    higher chances: clicks there per look counted × looks here. The share is the upper end (two sigma on both sides) of
    what was clicked over what was promised, if that is below .5; and never larger than the one above it.
    """
    share = np.ones(len(voices.cell))
    if not len(share):
        return share
    chance = np.round(np.divide(voices.looks, voices.weight, out=np.zeros_like(share), where=voices.weight > 0), 2)
    cells = len(voices.groups)
    clicks, looks = np.zeros(cells), np.zeros(cells)  # at higher chances than the current one
    last = 1.0
    for level in np.unique(chance)[::-1]:
        at = (chance == level) & ~voices.expert
        cell = voices.cell[at]
        known = looks[cell] > 0
        here = np.bincount(cell[known], voices.looks[at][known], cells)
        weight = np.divide(here, looks, out=np.zeros(cells), where=looks > 0)
        promised = float(weight @ clicks) - 2 * float(np.sqrt(weight**2 @ clicks))
        if promised >= LEAST_EXPECTED:
            clicked = float(voices.credit[at][known].sum())
            share_here = (clicked + 2 * np.sqrt(clicked + 1)) / promised
            last = min(last, max(LEAST_SHARE, share_here)) if share_here < CONTRADICTION else last
        share[at] = last
        clicks += np.bincount(cell, voices.credit[at], cells)
        looks += np.bincount(cell, voices.looks[at] * last, cells)
    return share


def agreement(voices: Voices) -> float:
    """How surely people agree on chunks beyond position: a z value over query groups, 0 where nothing can be said.

    Credit is taken relative to its mean at the same chance of a look, and to its mean in the group. What one person's
    remainder says of another's on the same chunk sums to zero over groups in a log of random clicks, or of clicks that
    only know the rank.
    """
    crowd = ~voices.expert & (voices.weight > 0)
    if not crowd.any():
        return 0.0
    cell, weight = voices.cell[crowd], voices.weight[crowd]
    credit, chance = voices.credit[crowd] / weight, np.round(voices.looks[crowd] / weight, 2)
    level = np.unique(chance, return_inverse=True)[1]
    names, of_group = np.unique(np.array(voices.groups), return_inverse=True)
    group = of_group[cell]
    rest = credit - _mean(credit, level)[level]
    rest = rest - _mean(rest, group)[group]
    cells = len(voices.groups)
    pairs = np.bincount(cell, rest, cells) ** 2 - np.bincount(cell, rest**2, cells)
    by_group = np.bincount(of_group, pairs, len(names))
    spread = float(by_group.std())
    return float(by_group.mean() / (spread / np.sqrt(len(names)))) if spread > 0 else 0.0


def _mean(values: Vector, place: Numbers) -> Vector:
    total, number = np.bincount(place, values), np.bincount(place)
    mean: Vector = total / np.maximum(number, 1)
    return mean
