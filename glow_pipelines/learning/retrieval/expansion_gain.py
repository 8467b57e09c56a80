"""What an expansion rule does to questions it was not learned from.

Belongs here: cross-fitted changes of condensed nDCG@10, rule by rule, and when they speak for a rule. Does not belong
here: finding the rules (``expansion_rules``), the verdict on a whole configuration (``gate``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t

from glow_pipelines.learning.experiments.multiplicity import benjamini_hochberg
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery
from glow_pipelines.learning.retrieval.expansion_rules import ExpansionSettings, Lesson, Vocabulary, rules_of
from glow_pipelines.learning.retrieval.feedback import Posterior
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.metrics import ndcg
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Expansion, Vector

Rule = tuple[str, tuple[str, ...]]
"""Phrase and what it adds."""


@dataclass(frozen=True)
class Change:
    """What one rule did to one held-out question at one strength."""

    rule: Rule
    strength: float
    group: str
    change: float


def questions_of(posterior: Posterior, vectors: Mapping[str, Vector], group_of: Mapping[str, str]) -> list[JudgedQuery]:
    """One question per group, in its first wording in ``vectors``, graded by what people agree on beyond the base rate.

    Only groups in which some chunks are better than others: on the rest every ranking is as good as any other.
    """
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in posterior.cells:
        grades[cell.group][cell.chunk_id] = max(0.0, cell.agreed - posterior.base_attractiveness)
    first: dict[str, str] = {}
    for query in vectors:
        first.setdefault(group_of[query], query)
    return [
        JudgedQuery(first[group], vectors[first[group]], of_group, group)
        for group, of_group in grades.items()
        if group in first and max(of_group.values()) > min(of_group.values())
    ]


def held_out_changes(
    lessons: Sequence[Lesson],
    questions: Sequence[JudgedQuery],
    index: RetrievalIndex,
    known: Vocabulary,
    rng: np.random.Generator,
    settings: ExpansionSettings,
) -> list[Change]:
    """Every rule on the questions of each fold, learned from lessons that touch none of the fold's groups."""
    groups = sorted({question.group for question in questions})
    fold = dict(zip(groups, rng.permutation(len(groups)) % settings.folds, strict=True))
    base: dict[str, float] = {}
    found = []
    for number in range(settings.folds):
        mine = [question for question in questions if fold[question.group] == number]
        held = {question.group for question in mine}
        rules, _ = rules_of([lesson for lesson in lessons if not lesson.groups & held], known, settings)
        for batch in _batches(rules, mine):
            for strength in settings.strengths:
                parameters = replace(index.parameters, expansion_weight=1.0)
                rows = tuple(replace(rule, weight=strength) for rule, _ in batch)
                twin = index.reconfigured(replace(index.configuration, parameters=parameters, expansions=rows))
                for rule, touched in batch:
                    for question in touched:
                        if question.query not in base:
                            base[question.query] = _ndcg(index, question)
                        change = _ndcg(twin, question) - base[question.query]
                        found.append(Change((rule.phrase, rule.adds), strength, question.group, change))
    return found


def _batches(
    rules: Sequence[Expansion], questions: Sequence[JudgedQuery]
) -> list[list[tuple[Expansion, list[JudgedQuery]]]]:
    """Rules with the questions they touch, so that no two of a batch touch the same: each is judged alone."""
    words = [(question, set(terms(question.query))) for question in questions]
    batches: list[list[tuple[Expansion, list[JudgedQuery]]]] = []
    taken: list[set[str]] = []
    for rule in rules:
        phrase = set(terms(rule.phrase))
        added = {word for text in rule.adds for word in terms(text)}
        touched = [question for question, own in words if phrase <= own and added - own]
        names = {question.query for question in touched}
        if not touched:
            continue
        at = next((i for i, other in enumerate(taken) if not names & other), len(batches))
        if at == len(batches):
            batches.append([])
            taken.append(set())
        batches[at].append((rule, touched))
        taken[at] |= names
    return batches


def _ndcg(index: RetrievalIndex, question: JudgedQuery) -> float:
    """Judged chunks that are not found at all come last: else finding more of them, whichever, would be a gain."""
    ranked = index.ranking(question.query, question.embedding)
    missing = sorted(set(question.grades).difference(ranked))
    return ndcg([*ranked, *missing], question.grades, condensed=True)


def best_strength(changes: Sequence[Change], settings: ExpansionSettings) -> tuple[float | None, float | None, int]:
    """The strength with the largest mean change, that change, and how many groups of questions some rule touched."""
    if not changes:
        return None, None, 0
    mean = {
        strength: float(np.mean([change.change for change in changes if change.strength == strength]))
        for strength in settings.strengths
    }
    best = max(settings.strengths, key=lambda strength: (mean[strength], -strength))
    return best, mean[best], len({change.group for change in changes})


def standing(changes: Mapping[Rule, Mapping[str, Sequence[float]]], settings: ExpansionSettings) -> set[Rule]:
    """The rules whose mean change stands clear of 0, at most a share ``false_rules`` of them by chance.

    ``changes``: rule -> group -> changes of its questions. One-sided t-test over groups, with two more that did not
    change, against luck with a few; Benjamini & Hochberg 1995 over all rules tested. Each at 5 % on its own let rules
    through in half of the logs with nothing in them.
    """
    tested, p_values = [], []
    for rule, by_group in sorted(changes.items()):
        if len(by_group) < settings.least_questions:
            continue
        values = np.array([*(float(np.mean(of_group)) for of_group in by_group.values()), 0.0, 0.0])
        error = float(values.std(ddof=1)) / len(values) ** 0.5
        tested.append(rule)
        p_values.append(float(t.sf(values.mean() / error, len(values) - 1)) if error > 0 else 1.0)
    found = benjamini_hochberg(p_values, settings.false_rules) if p_values else ()
    return {rule for rule, real in zip(tested, found, strict=True) if real}
