"""The test a retrieval configuration passes before users see it.

Belongs here: comparing two configurations on held-out judged queries, the verdict and its reason. Does not belong here:
training either of them; a query used in training or tuning must not be given here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from glow_pipelines.learning.intervals import Interval, paired_bootstrap
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery, measure, sign_flip_p, summarize
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.types import RetrievalMetrics

SIGNIFICANT = 0.05
"""Two-sided level of the first look; since only gains ship, noise ships then with a chance of half of it."""
SLICE_LOSS = 0.02  # of the current nDCG: a significant loss beyond it in any slice stops a gain elsewhere
REPEATED = 0.8  # cosine to the nearest remembered question; at or below it a question counts as unseen
WELL_JUDGED = 0.5

SliceOf = Callable[[str], str | Iterable[str]]


@dataclass(frozen=True)
class Comparison:
    """Candidate minus current in nDCG@10 on some queries, with the sign-flip p value."""

    name: str
    queries: int
    groups: int
    current: float
    candidate: float
    gain: Interval
    p_value: float

    @property
    def loses(self) -> bool:
        return self.gain.estimate < -SLICE_LOSS * self.current and self.p_value < SIGNIFICANT


@dataclass(frozen=True)
class RetrievalGate:
    """The verdict with all it rests on. Metrics and ``overall`` are None when there was nothing to compare on."""

    verdict: Literal["ship", "keep"]
    reason: str
    current: RetrievalMetrics | None
    candidate: RetrievalMetrics | None
    overall: Comparison | None
    slices: tuple[Comparison, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def significance_at(look: int) -> float:
    """The two-sided level of the `look`-th gate of an agent, from 1: 0.05, then 0.05 · 6/π² / (look - 1)².

    Held-out questions are looked at again and again. The first look may ship noise with 2.5 %, all later ones together
    with 2.5 % (the series sums to one), so that the chance that noise ever ships is at most 5 %.
    """
    return SIGNIFICANT if look <= 1 else SIGNIFICANT * 6 / math.pi**2 / (look - 1) ** 2


def gate(
    current: RetrievalIndex,
    candidate: RetrievalIndex,
    queries: Sequence[JudgedQuery],
    rng: np.random.Generator,
    *,
    condensed: bool = False,
    slice_of: SliceOf | None = None,
    look: int = 1,
    retold: Sequence[JudgedQuery] | None = None,
) -> RetrievalGate:
    """Ship only if p < .05, the gain's lower 95 % bound is above 0 (both clustered by query group), and no slice loses.

    Questions that the candidate remembers and unseen ones are slices always; ``slice_of`` (query text -> name or names,
    such as domain, head or tail) adds others.
    ``retold``: the same queries in the same order as the candidate knows them, where its chunks or vectors are others.
    """
    retold = queries if retold is None else retold
    if [each.query for each in retold] != [each.query for each in queries]:
        raise ValueError("retrieval gate: retold must be the same queries in the same order")
    if not queries:
        return RetrievalGate("keep", "Kept: no held-out query tells the two apart.", None, None, None, ())
    before, after = measure(current, queries, condensed=condensed), measure(candidate, retold, condensed=condensed)
    groups = [judged.group for judged in queries]
    overall = _compare("all", before[:, 0], after[:, 0], groups, rng)
    places: dict[str, list[int]] = defaultdict(list)
    for i, judged in enumerate(retold):
        known = "repeated" if candidate.memory.nearest(judged.embedding) > REPEATED else "unseen"
        named = () if slice_of is None else slice_of(judged.query)
        for name in {known, *((named,) if isinstance(named, str) else named)}:
            places[name].append(i)
    slices = []
    for name, at in sorted(places.items()):
        slices.append(_compare(name, before[at, 0], after[at, 0], [groups[i] for i in at], rng))
    metrics = [summarize(scores, groups, rng, condensed=condensed) for scores in (before, after)]
    verdict, reason = _decide(overall, slices, significance_at(look))
    partly = any(grade <= 0 for judged in queries for grade in judged.grades.values())
    if verdict == "keep" and partly and not condensed and metrics[1].judged_at_10 < WELL_JUDGED:
        reason += f" Only {metrics[1].judged_at_10:.0%} of the top 10 is judged; if unjudged means unknown, condense."
    return RetrievalGate(verdict, reason, metrics[0], metrics[1], overall, tuple(slices))


def _compare(name: str, before: Any, after: Any, groups: Sequence[str], rng: np.random.Generator) -> Comparison:
    gain = paired_bootstrap(after, before, rng, groups, resamples=5000)
    p_value = sign_flip_p(np.asarray(after - before), groups, rng)
    return Comparison(name, len(groups), len(set(groups)), float(before.mean()), float(after.mean()), gain, p_value)


def _decide(
    overall: Comparison, slices: Sequence[Comparison], significance: float
) -> tuple[Literal["ship", "keep"], str]:
    figures = (
        f"nDCG@10 {overall.current:.3f} to {overall.candidate:.3f} on {overall.queries} held-out queries "
        f"({overall.gain.low:+.3f} to {overall.gain.high:+.3f}, p={overall.p_value:.3f}, needed {significance:.3g})"
    )
    if overall.gain.estimate <= 0:
        return "keep", f"Kept: no gain, {figures}."
    if overall.p_value >= significance or overall.gain.low <= 0:
        return "keep", f"Kept: the gain may be chance, {figures}."
    for part in slices:
        if part.loses:
            loss = f"{part.name} queries lose {-part.gain.estimate:.3f} (p={part.p_value:.3f})"
            return "keep", f"Kept: {figures}, but {loss}."
    return "ship", f"Passed: {figures}."
