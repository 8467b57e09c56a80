"""Influence: how much one person may weigh, and who stands behind evidence.

Belongs here: capped weights, rates under them, counting supporters. Does not belong here: what the evidence says.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glow_pipelines.learning.intervals import Interval, wilson
from glow_pipelines.learning.prompts.evidence import Correction, Example

CAP = 0.10
QUORUM = 3
_ANONYMOUS = ""  # everybody without a name is one person: nobody may agree with himself by logging out


def capped(people: Sequence[str], weights: ArrayLike, cap: float = CAP) -> NDArray[np.float64]:
    """The weights, scaled down for each person who has more than `cap` of what is left; the largest such cut.

    With fewer than 1/cap people the cap cannot hold; they then weigh the same. Raises ValueError on negative weights
    and on lengths that differ.
    """
    given = np.asarray(weights, dtype=float)
    if given.shape != (len(people),) or (given < 0).any():
        raise ValueError(f"need one weight >= 0 per row, got shape {given.shape} for {len(people)} rows")
    names, who = np.unique(np.asarray(people, dtype=object).astype(str), return_inverse=True)
    totals = np.bincount(who, weights=given, minlength=len(names))
    held: NDArray[np.float64] = np.sort(totals[totals > 0]).astype(np.float64)
    if not len(held):
        return given
    limit = held[0] if len(held) * cap <= 1 else _level(held, cap)
    scale = np.divide(np.minimum(totals, limit), totals, out=np.ones_like(totals), where=totals > 0)
    return given * scale[who]


def _level(held: NDArray[np.float64], cap: float) -> float:
    """The largest c with c <= cap * sum(min(held, c)); `held` ascends and has more than 1/cap entries."""
    below = np.concatenate([[0.0], np.cumsum(held)])
    for cut in range(len(held)):  # the `cut` largest are cut
        kept = len(held) - cut
        if cut * cap >= 1:
            break
        level = float(held[-1]) if cut == 0 else cap * below[kept] / (1 - cut * cap)
        if cut == 0 and level <= cap * below[-1]:
            return level
        if cut and (kept == 0 or held[kept - 1] <= level) and level <= held[kept]:
            return float(level)
    return float(held[0])


def rate(hits: Sequence[bool], people: Sequence[str], cap: float = CAP) -> Interval:
    """The weighted share of hits with a Wilson interval at Kish's effective number of votes, in whole votes."""
    weights = capped(people, np.ones(len(people)), cap)
    if not len(people):
        return replace(wilson(0, 0), method="wilson, capped")
    share = float(weights @ np.asarray(hits, dtype=float) / weights.sum())
    n = max(1, int(weights.sum() ** 2 / (weights @ weights) + 1e-9))
    found = wilson(min(n, round(share * n)), n)
    return replace(
        found, estimate=share, low=min(found.low, share), high=max(found.high, share), method="wilson, capped"
    )


class Support:
    """Who stands behind evidence ids: train examples by their id, corrections by theirs.

    An example no expert approved, that came from a user's correction, speaks for that user and nobody else.
    """

    def __init__(self, examples: Iterable[Example], corrections: Iterable[Correction]) -> None:
        heard = list(corrections)
        self._examples: Mapping[str, Example] = {each.id: each for each in examples}
        self._corrections: Mapping[str, Correction] = {each.id: each for each in heard}
        self._user = {each.feedback_id: each.user_id or _ANONYMOUS for each in heard}

    def person(self, id: str) -> str | None:
        """The user behind the evidence where known, else its group; None for an unknown id."""
        example = self._examples.get(id)
        if example is None:
            told = self._corrections.get(id)
            return None if told is None else f"user {told.user_id or _ANONYMOUS}"
        users = {self._user[row.id] for row in example.sources if row.kind == "feedback" and row.id in self._user}
        if example.approved or len(users) != 1:
            return f"group {example.group}"
        return f"user {users.pop()}"

    def people(self, ids: Iterable[str]) -> frozenset[str]:
        """The distinct persons behind the evidence."""
        return frozenset(person for id in ids if (person := self.person(id)) is not None)

    def places(self, ids: Iterable[str]) -> frozenset[str]:
        """The distinct groups (of a correction: its execution) the evidence is from."""
        examples = {self._examples[id].group for id in ids if id in self._examples}
        told = (self._corrections[id] for id in ids if id in self._corrections and id not in self._examples)
        return frozenset(examples | {each.execution_id for each in told})

    def expert(self, ids: Iterable[str]) -> bool:
        """Whether an expert is among them."""
        approved = {id for id, each in self._examples.items() if each.approved}
        return any(id in approved or (id in self._corrections and self._corrections[id].expert) for id in ids)

    def enough(self, ids: Sequence[str]) -> bool:
        """Three places, and behind them three persons or an expert."""
        return len(self.places(ids)) >= QUORUM and (len(self.people(ids)) >= QUORUM or self.expert(ids))


def quorum(corrections: Sequence[Correction]) -> bool:
    """Whether corrections that say the same may support a rule: three distinct users, or one expert."""
    return any(each.expert for each in corrections) or len(Counter(each.user_id for each in corrections)) >= QUORUM
