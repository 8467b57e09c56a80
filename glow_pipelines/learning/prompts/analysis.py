"""Analysis: where the incumbent fails on train examples, and what corrections say.

Belongs here: counting answers that were already given. Does not belong here: asking for them, counting votes (votes),
clustering vectors (clusters), or curing anything (operators).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.clusters import MOST, Array, central, clusters, distances
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.evidence import Correction, Example, Vote
from glow_pipelines.learning.prompts.faults import faults
from glow_pipelines.learning.prompts.influence import rate
from glow_pipelines.learning.prompts.metrics import Judge, Metric, normalize
from glow_pipelines.learning.prompts.performance import (
    Analysis,
    CorrectionKind,
    CorrectionPattern,
    FailureCluster,
    FaultCount,
    SliceResult,
    TargetResult,
)
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.votes import count_votes

K = TypeVar("K", str, tuple[str, str])
Graded = Sequence[tuple[Example, Outcome]]

# Free-text answers could make every failure its own cluster; beyond these nobody reads on.
_MOST_CLUSTERS = 20
_LONGEST_ANSWER = 80
_MOST_TARGETS = 200
_SHOWN, _PASSING = 3, 2


def analyze(
    incumbent: Prompt,
    metric: Metric | Judge,
    examples: Sequence[Example],
    outcomes: Sequence[Outcome],
    corrections: Sequence[Correction],
    votes: Sequence[Vote] = (),
    embeddings: Mapping[str, Sequence[float]] | None = None,
) -> Analysis:
    """What went right and wrong; `outcomes` are the incumbent's, in the order of `examples`.

    `embeddings` by example id find the central failures and, for free text, the clusters. Without them (or where one
    is missing) all inputs count as alike, and a kind of fault is one cluster.
    """
    graded = sorted(zip(examples, outcomes, strict=True), key=lambda pair: pair[0].id)
    right = sum(outcome.right for _, outcome in graded)
    targets = {example.target for example, _ in graded}
    closed = incumbent.choices is not None or len(targets) <= max(12, len(graded) // 10)
    find = _confusions if closed else _like_faults
    return Analysis(
        prompt_sha256=incumbent.sha256,
        metric=metric.id,
        metric_version=metric.version,
        n=len(graded),
        right=right,
        accuracy=wilson(right, len(graded)),
        targets=tuple(_target(target, graded) for target in sorted(targets)[:_MOST_TARGETS]) if closed else (),
        clusters=find(graded, _measure(embeddings or {})),
        issues=_most_common(Counter(issue for correction in corrections for issue in set(correction.issues))),
        patterns=_patterns(corrections),
        corrections=len(corrections),
        slices=_slices(graded),
        faults=() if incumbent.choices is not None else _faults(graded),
        kinds=_kinds(corrections),
        votes=count_votes(votes),
    )


def _target(target: str, graded: Graded) -> TargetResult:
    results = [outcome.right for example, outcome in graded if example.target == target]
    return TargetResult(target, len(results), sum(results), wilson(sum(results), len(results)))


def _slices(graded: Graded) -> tuple[SliceResult, ...]:
    found: dict[str, list[bool]] = {}
    for example, outcome in graded:
        for name in set(example.slices):
            found.setdefault(name, []).append(outcome.right)
    return tuple(
        SliceResult(name, len(results), sum(results), wilson(sum(results), len(results)))
        for name, results in sorted(found.items())
    )


Measure = Callable[[Sequence[Example]], Array]


def _measure(embeddings: Mapping[str, Sequence[float]]) -> Measure:
    def measure(examples: Sequence[Example]) -> Array:
        if any(example.id not in embeddings for example in examples):
            return np.zeros((len(examples), len(examples)))
        return distances(np.array([embeddings[example.id] for example in examples], dtype=float))

    return measure


def _confusions(graded: Graded, measure: Measure) -> tuple[FailureCluster, ...]:
    confused: dict[tuple[str, str], list[tuple[Example, Outcome]]] = {}
    passing: dict[str, list[Example]] = {}
    for example, outcome in graded:
        if outcome.right:
            passing.setdefault(example.target, []).append(example)
        else:
            pair = (example.target, normalize(outcome.text)[:_LONGEST_ANSWER])
            confused.setdefault(pair, []).append((example, outcome))
    totals = Counter(example.target for example, _ in graded)
    largest = sorted(confused.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_CLUSTERS]
    return tuple(
        _cluster(members, passing.get(target, []), totals[target], measure, named=(target, answered))
        for (target, answered), members in largest
    )


def _like_faults(graded: Graded, measure: Measure) -> tuple[FailureCluster, ...]:
    """Failures by their most telling fault, and within it by their inputs."""
    by_kind: dict[str, list[tuple[Example, Outcome]]] = {}
    for example, outcome in graded:
        if not outcome.right:
            kind = next(iter(faults(outcome.text, example.target)), "wrong_value")
            by_kind.setdefault(kind, []).append((example, outcome))
    together: list[tuple[str, list[tuple[Example, Outcome]]]] = []
    for kind, members in sorted(by_kind.items()):
        known = members[:MOST]
        apart = measure([example for example, _ in known])
        together += [(kind, [known[index] for index in found]) for found in clusters(apart)]
    together.sort(key=lambda item: (-len(item[1]), item[0], item[1][0][0].id))
    passing = [example for example, outcome in graded if outcome.right][:MOST]
    return tuple(
        _cluster(members, passing, len(graded), measure, kind=kind) for kind, members in together[:_MOST_CLUSTERS]
    )


def _cluster(
    members: Graded,
    passing: Sequence[Example],
    total: int,
    measure: Measure,
    named: tuple[str, str] | None = None,
    kind: str = "",
) -> FailureCluster:
    examples = [example for example, _ in members]
    apart = measure([*examples[:MOST], *passing])
    order = central(apart, range(len(examples[:MOST])))
    medoid = members[order[0]]
    start = len(examples[:MOST])
    near = sorted(range(len(passing)), key=lambda index: (round(float(apart[order[0], start + index]), 9), index))
    target, answered = named or (medoid[0].target[:_LONGEST_ANSWER], normalize(medoid[1].text)[:_LONGEST_ANSWER])
    return FailureCluster(
        target=target,
        answered=answered,
        count=len(members),
        share=wilson(len(members), total),
        example_ids=tuple(example.id for example in examples),
        example_inputs=tuple(examples[index].input for index in order[:_SHOWN]),
        passing_inputs=tuple(passing[index].input for index in near[:_PASSING]),
        kind=kind,
    )


def _faults(graded: Graded) -> tuple[FaultCount, ...]:
    found: dict[str, list[str]] = {}
    for example, outcome in graded:
        if not outcome.right:
            for kind in faults(outcome.text, example.target):
                found.setdefault(kind, []).append(example.id)
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(FaultCount(kind, len(ids), wilson(len(ids), len(graded)), tuple(ids)) for kind, ids in ranked)


def _patterns(corrections: Sequence[Correction]) -> tuple[CorrectionPattern, ...]:
    pairs = [
        (normalize(each.observed)[:_LONGEST_ANSWER], normalize(each.expected)[:_LONGEST_ANSWER]) for each in corrections
    ]
    users: dict[tuple[str, str], set[str]] = {}
    for pair, each in zip(pairs, corrections, strict=True):
        users.setdefault(pair, set()).add(each.user_id)
    return tuple(
        CorrectionPattern(*pair, count, len(users[pair]))
        for pair, count in _most_common(Counter(pairs))[:_MOST_CLUSTERS]
    )


def _kinds(corrections: Sequence[Correction]) -> tuple[CorrectionKind, ...]:
    made = [frozenset(faults(each.observed, each.expected)) for each in corrections]
    people = [each.user_id for each in corrections]
    found = []
    for kind in sorted(_distinct(made)):
        hits = [kind in kinds for kinds in made]
        who = {person for person, hit in zip(people, hits, strict=True) if hit}
        found.append(CorrectionKind(kind, sum(hits), len(who), rate(hits, people)))
    return tuple(sorted(found, key=lambda each: (-each.count, each.kind)))


def _distinct(sets: Iterable[frozenset[str]]) -> set[str]:
    return {each for members in sets for each in members}


def _most_common(counted: Counter[K]) -> tuple[tuple[K, int], ...]:
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
