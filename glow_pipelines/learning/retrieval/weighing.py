"""What many signals of one chunk for one question add up to, with nobody counting for more than a person.

Belongs here: merging wordings of a question, decay, and the caps on loud users, over columns. Does not belong here:
what the sums say (``feedback``), how a single signal came about (``signals``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.signal_table import Numbers, SignalTable
from glow_pipelines.learning.retrieval.signals import HALF_LIFE
from glow_pipelines.learning.retrieval.types import Vector


@dataclass(frozen=True)
class Caps:
    """``user_weight``, ``user_share``: the most that one person's deeds weigh, in one cell and over one chunk: so many
    looks, or that share if it is more. An expert's judgement counts as ``expert_weight`` looks and has no cap: experts
    are appointed, users are whoever comes.
    """

    half_life: float = HALF_LIFE
    user_weight: float = 3.0
    user_share: float = 0.05
    expert_weight: float = 3.0


@dataclass(frozen=True, eq=False)
class Sums:
    """By cell, ordered by group and chunk id, shape (cells,): credit and looks after decay and caps, and people."""

    groups: tuple[str, ...]
    chunk_ids: tuple[str, ...]
    credit: Vector
    looks: Vector
    users: Numbers
    event_ids: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Voices:
    """What each person adds to each cell, after decay and caps; all but the names have shape (voices,).

    ``cell`` is a place in ``groups``, ``chunk_ids`` and ``event_ids``; ``user`` numbers persons. ``expert``: an expert
    judged.
    """

    groups: tuple[str, ...]
    chunk_ids: tuple[str, ...]
    event_ids: tuple[tuple[str, ...], ...]
    cell: Numbers
    user: Numbers
    weight: Vector
    credit: Vector
    looks: Vector
    expert: NDArray[np.bool_]

    def sums(self) -> Sums:
        """All persons of each cell together."""
        n = len(self.groups)
        credit, looks = (_sums(self.cell, each, n) for each in (self.credit, self.looks))
        return Sums(self.groups, self.chunk_ids, credit, looks, np.bincount(self.cell, minlength=n), self.event_ids)


def weigh(
    table: SignalTable, group_of: Mapping[str, str], as_of: float | None = None, caps: Caps | None = None
) -> Sums:
    """Sums of every (query group, chunk); see ``voices``."""
    return voices(table, group_of, as_of, caps).sums()


def voices(
    table: SignalTable, group_of: Mapping[str, str], as_of: float | None = None, caps: Caps | None = None
) -> Voices:
    """What every person says of every (query group, chunk). ``as_of``: the day that counts in full, else the newest.

    A person says one thing a day of a chunk for a group: the mean over wordings, of the strongest word alone (expert's,
    own judgement, deed). Over days they add up to at most the caps; the share is of the others' weight, else a flood
    would raise its own cap.
    """
    caps = caps or Caps()
    if not len(table):
        none, no = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Voices((), (), (), no, no, none, none, none, no.astype(bool))
    groups, group = np.unique([group_of[query] for query in table.queries], return_inverse=True)
    chunk_ids, chunk = np.unique(table.chunk_ids, return_inverse=True)
    cells, cell = np.unique(group[table.query] * len(chunk_ids) + chunk[table.chunk], return_inverse=True)
    persons, person = np.unique(cell * len(table.users) + table.user, return_inverse=True)
    days, day = np.unique(table.day, return_inverse=True)
    says, said = np.unique(person * len(days) + day, return_inverse=True)
    strength = np.abs(table.explicit)
    strongest = np.zeros(len(says), dtype=strength.dtype)
    np.maximum.at(strongest, said, strength)
    word = strength == strongest[said]
    number = np.bincount(said[word], minlength=len(says))
    credit = np.bincount(said[word], table.credit[word], len(says)) / number
    looks = np.bincount(said[word], table.looks[word], len(says)) / number
    of_person, on = says // len(days), days[says % len(days)]
    age = np.maximum((float(days[-1]) if as_of is None else as_of) - on, 0.0)
    expert = strongest == 2
    weight = 2.0 ** (-age / caps.half_life) * np.where(expert, caps.expert_weight, 1.0)
    of_cell, of_user = persons // len(table.users), persons % len(table.users)
    loud, all_said = (_sums(of_person, each, len(persons)) for each in (weight * ~expert, weight))
    factor = _factor(loud, all_said, of_cell, caps)
    chunk_user, at = np.unique((cells[of_cell] % len(chunk_ids)) * len(table.users) + of_user, return_inverse=True)
    loud, all_said = (_sums(at, each, len(chunk_user)) for each in (loud * factor, all_said - loud + loud * factor))
    factor = factor * _factor(loud, all_said, chunk_user // len(table.users), caps)[at]
    weight = weight * np.where(expert, 1.0, factor[of_person])
    return Voices(
        tuple(str(groups[each]) for each in cells // len(chunk_ids)),
        tuple(str(chunk_ids[each]) for each in cells % len(chunk_ids)),
        _events(table, cell, len(cells)),
        of_cell,
        of_user,
        _sums(of_person, weight, len(persons)),
        _sums(of_person, weight * credit, len(persons)),
        _sums(of_person, weight * looks, len(persons)),
        np.bincount(of_person, expert, len(persons)) > 0,
    )


def _sums(place: Numbers, values: Vector, places: int) -> Vector:
    return np.bincount(place, values, places).astype(np.float64)


def _factor(loud: Vector, said: Vector, place: Numbers, caps: Caps) -> Vector:
    """What remains of each person's deeds (``loud``, of all they ``said``) at its place."""
    others = np.bincount(place, said)[place] - said
    share = caps.user_share / (1 - caps.user_share)
    factor: Vector = np.minimum(1.0, np.maximum(caps.user_weight, share * others) / np.maximum(loud, 1e-12))
    return factor


def _events(table: SignalTable, cell: Numbers, cells: int) -> tuple[tuple[str, ...], ...]:
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=cells))[:-1]
    visits = (part.tolist() for part in np.split(table.visit[order], ends))
    return tuple(tuple(sorted(set(chain.from_iterable(table.visits[v] for v in part)))) for part in visits)
