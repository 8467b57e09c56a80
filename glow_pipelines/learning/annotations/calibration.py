"""What one reviewer's judgements are worth: against the others, against known answers, against their own earlier ones.

Belongs here: measuring a reviewer. Does not belong here: who should hear of it (warnings), agreement of all (quality).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from scipy.stats import beta, fisher_exact

from glow_pipelines.learning.annotations.judgements import Judgement
from glow_pipelines.learning.annotations.tendencies import Bias, ScaleUse, biases_of, scale_use_of
from glow_pipelines.learning.feedback.rates import Rate, rate_of
from glow_pipelines.learning.intervals import Interval

PRIOR = (4.0, 1.0)
"""Of the accuracy: nobody is condemned by their first gold item."""


@dataclass(frozen=True, slots=True)
class GoldAccuracy:
    """Gold items judged right, and the share of right ones with a Beta(4, 1) prior: its mean and interval.

    `bound` is the one-sided limit: the accuracy is above it with that confidence.
    """

    right: int
    items: int
    accuracy: Interval
    bound: float


@dataclass(frozen=True, slots=True)
class GoldDrift:
    """Right on gold before an instant and since. `p`: of a difference as large by chance (Fisher's exact test)."""

    earlier: Rate
    recent: Rate
    p: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Judgements since an instant, the days with any, judgements on such a day, and the median of seconds from claim to
    judgement where known."""

    judgements: int
    days: int
    per_day: float | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """One reviewer. `repeats`: pairs of own judgements of the same content, as many as agree; None without any."""

    reviewer: str
    judgements: int
    approval: Rate
    gold: GoldAccuracy | None
    drift: GoldDrift | None
    repeats: Rate | None
    biases: tuple[Bias, ...]
    scale_use: tuple[ScaleUse, ...]
    throughput: Throughput


def calibrate(
    judgements: Sequence[Judgement],
    gold: Mapping[str, str],
    *,
    recent_since: datetime | None = None,
    seconds: Mapping[str, Sequence[float]] | None = None,
    confidence: float = 0.95,
) -> tuple[Calibration, ...]:
    """Every reviewer of one agent, by name. `gold` is item → the right `Judgement.label`.

    `recent_since` parts recent gold from earlier, and is where throughput begins (None: no drift, all judgements).
    `seconds` is what each took from claim to judgement.
    """
    own: dict[str, list[Judgement]] = defaultdict(list)
    for each in sorted(judgements, key=lambda each: (each.recorded_at, each.item, each.reviewer)):
        own[each.reviewer].append(each)
    biases = biases_of(judgements, confidence)
    spread = scale_use_of(judgements)
    found = []
    for name in sorted(own):
        mine = own[name]
        on_gold = [(each.label == gold[each.item], each.recorded_at) for each in mine if each.item in gold]
        found.append(
            Calibration(
                reviewer=name,
                judgements=len(mine),
                approval=rate_of(sum(each.verdict == "approve" for each in mine), len(mine), confidence),
                gold=_accuracy([right for right, _ in on_gold], confidence),
                drift=None if recent_since is None else _drift(on_gold, recent_since),
                repeats=_repeats(mine, confidence),
                biases=biases.get(name, ()),
                scale_use=spread[name],
                throughput=_throughput(mine, recent_since, (seconds or {}).get(name, ())),
            )
        )
    return tuple(found)


def _accuracy(right: Sequence[bool], confidence: float) -> GoldAccuracy | None:
    if not right:
        return None
    a, b = PRIOR[0] + sum(right), PRIOR[1] + len(right) - sum(right)
    low, high, bound = (
        float(each) for each in beta.ppf([(1 - confidence) / 2, (1 + confidence) / 2, 1 - confidence], a, b)
    )
    interval = Interval(a / (a + b), low, high, confidence, "Beta(4, 1) prior")
    return GoldAccuracy(sum(right), len(right), interval, bound)


def _drift(on_gold: Iterable[tuple[bool, datetime]], since: datetime) -> GoldDrift | None:
    parts: tuple[list[bool], list[bool]] = ([], [])
    for right, at in on_gold:
        parts[at >= since].append(right)
    earlier, recent = (rate_of(sum(part), len(part)) for part in parts)
    if not (earlier.n and recent.n):
        return None
    table = [[part.successes, part.n - part.successes] for part in (earlier, recent)]
    return GoldDrift(earlier, recent, float(fisher_exact(table).pvalue))


def _throughput(mine: Iterable[Judgement], since: datetime | None, seconds: Sequence[float]) -> Throughput:
    recent = [each for each in mine if since is None or each.recorded_at >= since]
    days = len({each.recorded_at.date() for each in recent})
    return Throughput(len(recent), days, len(recent) / days if days else None, median(seconds) if seconds else None)


def _repeats(mine: Iterable[Judgement], confidence: float) -> Rate | None:
    """Each judgement against the first one of the same content."""
    first: dict[str, str] = {}
    same = []
    for each in mine:
        if each.content is not None and first.setdefault(each.content, each.item) != each.item:
            same.append(each)
    said = {each.item: each.label for each in mine}
    agreed = sum(each.label == said[first[str(each.content)]] for each in same)
    return rate_of(agreed, len(same), confidence) if same else None
