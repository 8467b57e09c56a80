"""Words worth searching beside those a question has.

Belongs here: rules "who says this also needs that", their support, lift and held-out gain. Does not belong here:
reading the log (``reformulations``), applying rules in search (``asking``), the verdict on a configuration (``gate``).

How a rule is applied. q: the stemmed words of the question (``text.terms``) with how often they occur, W = the
configuration's ``expansion_weight``, for every rule whose phrase's words are all in q, and each word t it adds:
    lexical(q, d) = Σ over t in q of tf(t, q) · bm25(t, d) + Σ over added t not in q of W · weight(t) · bm25(t, d)
    weight(t) = the largest weight of the rules that add t                                      (``expanded_terms``)
before the leg is normalised. In SQL: glow.terms(phrase) <@ glow.terms(query), and W · weight(t) · idf(t) at t's place
in the query's sparse vector. A weight of 0 adds nothing.

Learned term expansion gained nothing on four public collections (-.5 to +.1 % against BM25): a rule is a suggestion,
stored with weight 0, until questions it never saw gain from it. Rules are normalised words of bounded length and
number, said by several people: nobody's sentence, and nothing to interpret.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval.evaluation import JudgedQuery
from glow_pipelines.learning.retrieval.expansion_gain import (
    Rule,
    best_strength,
    held_out_changes,
    questions_of,
    standing,
)
from glow_pipelines.learning.retrieval.expansion_rules import ExpansionSettings, Vocabulary, lessons_of, rules_of
from glow_pipelines.learning.retrieval.feedback import Posterior
from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.reformulations import CorrectedAnswer, Reformulation
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Expansion, Split, Vector


@dataclass(frozen=True)
class ExpansionLearning:
    """Rules ordered by phrase, weight 0 where no gain is shown.

    ``lessons``: sessions and corrections learned from. ``refused``: rules left out, by what they lacked. ``gain``: mean
    held-out change of condensed nDCG@10 where a rule touched a question, all rules at ``strength`` (None without any),
    each learned without the question's group; ``questions``: groups of questions touched.
    """

    expansions: tuple[Expansion, ...]
    lessons: int
    refused: Mapping[str, int]
    questions: int
    strength: float | None
    gain: float | None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "expansions": [expansion.to_json() for expansion in self.expansions]}


def expanded_terms(query_terms: Sequence[str], expansions: Sequence[Expansion]) -> dict[str, float]:
    """Added stemmed word -> weight in the lexical leg, before the configuration's ``expansion_weight``.

    ``query_terms``: as ``text.terms`` gives them. Words the question has, and rules of weight 0, add nothing.
    """
    own = set(query_terms)
    added: dict[str, float] = {}
    for rule in expansions:
        phrase = set(terms(rule.phrase))
        if not phrase or not phrase <= own or rule.weight <= 0:
            continue
        for word in (word for text in rule.adds for word in terms(text)):
            if word not in own:
                added[word] = max(added.get(word, 0.0), rule.weight)
    return added


def learn_query_expansion(
    pairs: Sequence[Reformulation],
    corrections: Sequence[CorrectedAnswer],
    questions: Sequence[JudgedQuery],
    index: RetrievalIndex,
    group_of: Mapping[str, str],
    rng: np.random.Generator,
    settings: ExpansionSettings | None = None,
) -> ExpansionLearning:
    """Rules from sessions and corrections, weighed on ``questions`` of the train log (condensed grades by chunk id).

    ``group_of``: query -> group of rewordings; unknown queries are groups of their own. ``index``: the configuration
    the rules are added to. None of the queries may be a held-out test query: what is learned here is gated on those.
    """
    settings = settings or ExpansionSettings()
    known = Vocabulary(index)
    lessons = lessons_of(pairs, corrections, group_of, known)
    rules, refused = rules_of(lessons, known, settings)
    changes = held_out_changes(lessons, questions, index, known, rng, settings)
    strength, gain, touched = best_strength(changes, settings)
    by_rule: dict[Rule, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for change in changes:
        if change.strength == strength:
            by_rule[change.rule][change.group].append(change.change)
    stands = standing(by_rule, settings)
    weighed = []
    for rule in rules:
        key = (rule.phrase, rule.adds)
        means = [float(np.mean(of_group)) for of_group in by_rule[key].values()]
        weight = strength if strength is not None and key in stands else 0.0
        weighed.append(replace(rule, gain=round(float(np.mean(means)), 6) if means else 0.0, weight=weight))
    return ExpansionLearning(tuple(weighed), len(lessons), refused, touched, strength, gain)


def learn_from_signals(
    index: RetrievalIndex,
    posterior: Posterior,
    vectors: Mapping[str, Vector],
    group_of: Mapping[str, str],
    split_of: Callable[[str], Split],
    pairs: Sequence[Reformulation],
    corrections: Sequence[CorrectedAnswer],
    rng: np.random.Generator,
    settings: ExpansionSettings | None = None,
) -> ExpansionLearning:
    """The same from all that a log says: only what was asked with train queries teaches, or is asked to weigh.

    ``posterior``: of the train signals; ``vectors``, ``group_of``: of all queries the log knows.
    """
    train = {query: vector for query, vector in vectors.items() if split_of(query) == "train"}
    return learn_query_expansion(
        [pair for pair in pairs if split_of(pair.first) == split_of(pair.then) == "train"],
        [correction for correction in corrections if split_of(correction.query) == "train"],
        questions_of(posterior, train, group_of),
        index,
        group_of,
        rng,
        settings,
    )
