"""How far the reviewers of one agent agree: over all, by domain, by dimension, by pair of reviewers.

Belongs here: which agreements are measured. Does not belong here: their formulas (agreement, kappa), what one reviewer
is worth (calibration).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from glow_pipelines.learning.annotations.agreement import AlphaEstimate, Level, bootstrap_alpha
from glow_pipelines.learning.annotations.judgements import Judgement
from glow_pipelines.learning.annotations.kappa import KappaEstimate, bootstrap_cohen, bootstrap_fleiss
from glow_pipelines.learning.annotations.units import Floats, codes_of, units_of


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """How much is measured. Domains, dimensions and pairs beyond the most common ones are left out, and counted.

    `least_common`: items a pair of reviewers must both have judged. `most_ordinal`: whole scores up to so many
    different ones are a scale of steps.
    """

    resamples: int = 1000
    confidence: float = 0.95
    most_domains: int = 50
    most_dimensions: int = 20
    most_pairs: int = 200
    least_common: int = 10
    most_ordinal: int = 11


@dataclass(frozen=True, slots=True)
class Measure:
    """What is agreed on: the verdict, the answer, or the score of a dimension."""

    kind: Literal["verdict", "answer", "dimension"]
    name: str
    level: Level


VERDICT = Measure("verdict", "verdict", "nominal")
ANSWER = Measure("answer", "answer", "nominal")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure: in a domain (None: over all). `fleiss` is None for scores, whose steps it would not see."""

    domain: str | None
    measure: Measure
    alpha: AlphaEstimate
    fleiss: KappaEstimate | None


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two reviewers on the items both judged, `agreed` of them with the same label."""

    first: str
    second: str
    agreed: int
    kappa: KappaEstimate


@dataclass(frozen=True, slots=True)
class Quality:
    """Agreement of one agent's reviewers; `pairs` with the most items in common first, `left_out` by what it is."""

    judgements: int
    agreements: tuple[Agreement, ...]
    pairs: tuple[PairAgreement, ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def headline(self) -> Agreement | None:
        """The agreement on answers where they are from a closed list, else on verdicts; None without judgements."""
        overall = {each.measure.kind: each for each in self.agreements if each.domain is None}
        return overall.get("answer") or overall.get("verdict")


def measure_quality(
    judgements: Sequence[Judgement], *, rng: np.random.Generator, settings: QualitySettings | None = None
) -> Quality:
    """Every agreement there is. Dimensions are ordinal where their scores are few whole numbers, else interval.

    Answers are measured where they come from a closed list: two who correct to different answers agree on the verdict
    and not on the answer. A rejection is an answer of its own there.
    """
    chosen = settings or QualitySettings()
    by_domain: dict[str, list[Judgement]] = defaultdict(list)
    for each in judgements:
        if each.domain is not None:
            by_domain[each.domain].append(each)
    domains = sorted(by_domain, key=lambda name: (-len(by_domain[name]), name))
    if domains and len(by_domain[domains[0]]) == len(judgements):
        domains = []  # one domain is everything: nothing to tell apart
    measures, unseen = _measures(judgements, chosen)
    found = list(_agreements(None, judgements, measures, rng, chosen))
    for name in domains[: chosen.most_domains]:
        found += _agreements(name, by_domain[name], measures, rng, chosen)
    pairs, beyond = _pairs(judgements, rng, chosen)
    left_out = {"domains": max(0, len(domains) - chosen.most_domains), "dimensions": unseen, "pairs": beyond}
    return Quality(len(judgements), tuple(found), pairs, tuple(left_out.items()))


def _measures(judgements: Iterable[Judgement], settings: QualitySettings) -> tuple[list[Measure], int]:
    """What there is to measure, and how many dimensions are left out."""
    scores: dict[str, Counter[float]] = defaultdict(Counter)
    answers = False
    for each in judgements:
        answers = answers or each.answer is not None
        for name, score in each.dimensions.items():
            scores[name][float(score)] += 1
    measures = [ANSWER, VERDICT] if answers else [VERDICT]
    named = sorted(scores, key=lambda name: (-scores[name].total(), name))
    for name in named[: settings.most_dimensions]:
        steps = len(scores[name]) <= settings.most_ordinal and all(score.is_integer() for score in scores[name])
        measures.append(Measure("dimension", name, "ordinal" if steps else "interval"))
    return measures, max(0, len(named) - settings.most_dimensions)


def _agreements(
    domain: str | None,
    judgements: Sequence[Judgement],
    measures: Iterable[Measure],
    rng: np.random.Generator,
    settings: QualitySettings,
) -> Iterator[Agreement]:
    resamples, confidence = settings.resamples, settings.confidence
    for measure in measures:
        items, values = _labels(judgements, measure)
        if not items:
            continue
        units = units_of(codes_of(items)[1], values)
        alpha = bootstrap_alpha(units, measure.level, rng=rng, resamples=resamples, confidence=confidence)
        by_name = measure.level == "nominal"
        fleiss = bootstrap_fleiss(units, rng=rng, resamples=resamples, confidence=confidence) if by_name else None
        yield Agreement(domain, measure, alpha, fleiss)


def _labels(judgements: Sequence[Judgement], measure: Measure) -> tuple[list[str], Floats]:
    """Items and values of a measure, one for each judgement that has it."""
    if measure.kind == "dimension":
        rows = [each for each in judgements if measure.name in each.dimensions]
        return [each.item for each in rows], np.array([float(each.dimensions[measure.name]) for each in rows])
    said = [each.verdict if measure is VERDICT else each.label for each in judgements]
    return [each.item for each in judgements], codes_of(said)[1].astype(np.float64)


def _pairs(
    judgements: Iterable[Judgement], rng: np.random.Generator, settings: QualitySettings
) -> tuple[tuple[PairAgreement, ...], int]:
    """Cohen's kappa of the pairs with the most common items, and how many further pairs have enough of them."""
    of_item: dict[str, dict[str, str]] = defaultdict(dict)
    for each in judgements:
        of_item[each.item][each.reviewer] = each.label
    common: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for labels in of_item.values():
        for pair in combinations(sorted(labels), 2):
            common[pair].append((labels[pair[0]], labels[pair[1]]))
    named = sorted(
        (pair for pair, both in common.items() if len(both) >= settings.least_common),
        key=lambda pair: (-len(common[pair]), pair),
    )
    found = []
    for pair in named[: settings.most_pairs]:
        both = common[pair]
        codes = codes_of([label for labels in both for label in labels])[1].astype(np.float64).reshape(-1, 2)
        kappa = bootstrap_cohen(
            codes[:, 0].tolist(),
            codes[:, 1].tolist(),
            rng=rng,
            resamples=settings.resamples,
            confidence=settings.confidence,
        )
        found.append(PairAgreement(*pair, sum(one == other for one, other in both), kappa))
    return tuple(found), max(0, len(named) - settings.most_pairs)
