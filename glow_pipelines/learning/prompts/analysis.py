"""Analysis: where the incumbent fails on train examples, and what corrections say.

Belongs here: counting answers that were already given. Does not belong here: asking for them, or curing anything.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.evidence import Correction, Example
from glow_pipelines.learning.prompts.metrics import Metric, normalize
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Analysis, CorrectionPattern, FailureCluster, TargetResult

K = TypeVar("K", str, tuple[str, str])

# Free-text answers make every failure its own cluster; beyond these nobody reads on.
_MOST_CLUSTERS = 20
_LONGEST_ANSWER = 80


def analyze(
    incumbent: Prompt,
    metric: Metric,
    examples: Sequence[Example],
    outcomes: Sequence[Outcome],
    corrections: Sequence[Correction],
) -> Analysis:
    """Accuracy, per-target results, confusions, issue counts; `outcomes` are the incumbent's, in their order."""
    graded = sorted(zip(examples, outcomes, strict=True), key=lambda pair: pair[0].id)
    right = sum(outcome.right for _, outcome in graded)
    return Analysis(
        prompt_sha256=incumbent.sha256,
        metric=metric.id,
        metric_version=metric.version,
        n=len(graded),
        right=right,
        accuracy=wilson(right, len(graded)),
        targets=tuple(_target(target, graded) for target in sorted({example.target for example, _ in graded})),
        clusters=_clusters(graded),
        issues=_most_common(Counter(issue for correction in corrections for issue in set(correction.issues))),
        patterns=_patterns(corrections),
        corrections=len(corrections),
    )


def _target(target: str, graded: Sequence[tuple[Example, Outcome]]) -> TargetResult:
    results = [outcome.right for example, outcome in graded if example.target == target]
    return TargetResult(target, len(results), sum(results), wilson(sum(results), len(results)))


def _clusters(graded: Sequence[tuple[Example, Outcome]]) -> tuple[FailureCluster, ...]:
    confused: dict[tuple[str, str], list[Example]] = {}
    passing: dict[str, list[Example]] = {}
    for example, outcome in graded:
        if outcome.right:
            passing.setdefault(example.target, []).append(example)
        else:
            confused.setdefault((example.target, normalize(outcome.text)[:_LONGEST_ANSWER]), []).append(example)
    totals = Counter(example.target for example, _ in graded)
    clusters = [
        FailureCluster(
            target=target,
            answered=answered,
            count=len(members),
            share=wilson(len(members), totals[target]),
            example_ids=tuple(member.id for member in members),
            example_inputs=tuple(member.input for member in members[:3]),
            passing_inputs=tuple(member.input for member in passing.get(target, [])[:2]),
        )
        for (target, answered), members in confused.items()
    ]
    return tuple(sorted(clusters, key=lambda each: (-each.count, each.target, each.answered))[:_MOST_CLUSTERS])


def _patterns(corrections: Sequence[Correction]) -> tuple[CorrectionPattern, ...]:
    counted = Counter(
        (normalize(each.observed)[:_LONGEST_ANSWER], normalize(each.expected)[:_LONGEST_ANSWER]) for each in corrections
    )
    return tuple(CorrectionPattern(*pair, count) for pair, count in _most_common(counted)[:_MOST_CLUSTERS])


def _most_common(counted: Counter[K]) -> tuple[tuple[K, int], ...]:
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
