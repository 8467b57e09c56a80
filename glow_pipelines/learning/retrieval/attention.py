"""Whether a log was looked at as far down as it says, and whether its people agree beyond that.

Belongs here: two questions to a log before anything is learned from it. Does not belong here: the examination curve for
lists to come (``examination``), what a chunk is worth (``feedback``).

Looks are counted as they were logged. Where the same chunk was shown higher and lower for the same question, and below
got far fewer clicks than the logged chances promise, people did not look there, and their silence is no verdict: with
clicks on the first rank only, taking it for one cost repeated questions up to 5 % nDCG@10.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

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
    """How surely people agree on chunks beyond position: a z value, 0 where nothing can be said.

    Credit is taken relative to its mean at the same chance of a look, and to its mean in the group. With r_i what then
    remains of a person's word on each chunk of a group, the sum of r_i · r_j over all pairs of persons is zero on
    average in a log of random clicks, or of clicks that only know the rank. Its variance there is twice the sum of
    (r_i · r_j)², as if each person's sign were drawn anew: of persons, not of groups, or one question that everybody
    asks is all of the spread, and z is 1 however much they agree (1.3 over 20,000 searches of few popular questions).
    """
    crowd = ~voices.expert & (voices.weight > 0)
    if not crowd.any():
        return 0.0
    cell, weight = voices.cell[crowd], voices.weight[crowd]
    credit, chance = voices.credit[crowd] / weight, np.round(voices.looks[crowd] / weight, 2)
    level = np.unique(chance, return_inverse=True)[1]
    group = np.unique(np.array(voices.groups), return_inverse=True)[1][cell]
    rest = credit - _mean(credit, level)[level]
    rest = rest - _mean(rest, group)[group]
    person = np.unique(group * (voices.user.max() + 1) + voices.user[crowd], return_inverse=True)[1]
    told = csr_matrix((rest, (person, cell)), shape=(int(person.max()) + 1, len(voices.groups)))
    alone = np.asarray(told.multiply(told).sum(axis=1)).ravel()
    together = (np.asarray(told.sum(axis=0)) ** 2).sum() - alone.sum()
    variance = 2 * (float((told.T @ told).power(2).sum()) - float((alone**2).sum()))
    return float(together / np.sqrt(variance)) if variance > 1e-12 else 0.0


def _mean(values: Vector, place: Numbers) -> Vector:
    total, number = np.bincount(place, values), np.bincount(place)
    mean: Vector = total / np.maximum(number, 1)
    return mean
