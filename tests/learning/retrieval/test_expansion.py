"""Added words: learned from several people, weighed on questions they were not learned from.

Belongs here: rules in a world where people and documents use other words, and in worlds where there is nothing to
learn. Does not: applying rules inside the index (test_retrieval_asking).
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval import Chunk, Hit, RetrievalEvent, RetrievalIndex
from glow_pipelines.learning.retrieval.asking import AddedWords
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery
from glow_pipelines.learning.retrieval.expansion import ExpansionLearning, expanded_terms, learn_query_expansion
from glow_pipelines.learning.retrieval.expansion_rules import ExpansionSettings
from glow_pipelines.learning.retrieval.metrics import ndcg
from glow_pipelines.learning.retrieval.reformulations import (
    CorrectedAnswer,
    Reformulation,
    reformulations,
    taught,
)
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Expansion, RetrievalParameters

SLANG = {"cashback": "refund", "bike": "velocipede", "phone": "handset", "flat": "apartment", "boss": "superior"}
PLAIN = ["invoice", "monday", "parcel", "badge", "meter", "roster", "window", "ladder", "printer", "boiler"]
NOTHING = np.zeros(0)


def _index() -> RetrievalIndex:
    """Documents that never use the words people use; every proper word stands in several of them."""
    chunks = []
    for number in range(40):
        proper = list(SLANG.values())[number % 5]
        chunks.append(
            Chunk(f"c{number:02}", "d", f"{proper} {PLAIN[number % 10]} {PLAIN[number * 3 % 10]} filler text")
        )
    return RetrievalIndex(chunks)


def _question(number: int) -> JudgedQuery:
    """Asked with the people's word; only what uses the proper word answers."""
    slang = list(SLANG)[number % 5]
    word = PLAIN[number * 7 % 10]
    grades = {f"c{n:02}": float(n % 5 == number % 5) for n in range(40) if word in (PLAIN[n % 10], PLAIN[n * 3 % 10])}
    grades |= {f"c{n:02}": 1.0 for n in range(number % 5, 40, 5)}
    return JudgedQuery(f"{slang} {word} {number}", NOTHING, grades, f"g{number}")


def _pair(number: int, users: int = 8, then: str | None = None) -> Reformulation:
    slang = list(SLANG)[number % 5]
    first = f"{slang} {PLAIN[number % 10]}"
    then = then or f"{SLANG[slang]} {PLAIN[number % 10]}"
    return Reformulation(first, then, f"u{number % users}", f"s{number}", ("c00",), (f"e{number}a", f"e{number}b"))


QUESTIONS = [_question(number) for number in range(60)]


def _learn(
    pairs: list[Reformulation], corrections: list[CorrectedAnswer] | None = None, seed: int = 5
) -> ExpansionLearning:
    return learn_query_expansion(pairs, corrections or [], QUESTIONS, _index(), {}, np.random.default_rng(seed))


def test_what_people_call_it_is_learned_from_their_second_try() -> None:
    learned = _learn([_pair(number) for number in range(60)])
    weighed = {(rule.phrase, rule.adds[0]): rule for rule in learned.expansions if rule.weight > 0}
    # Not all of them: where the right chunks come first in any order, the rule changes nothing.
    assert len(set(SLANG.items()) & set(weighed)) >= 4
    rule = weighed["phone", "handset"]
    assert rule.users >= 3
    assert rule.queries >= 5
    assert rule.lift > 2
    assert rule.gain > 0
    assert len(rule.event_ids) == 24
    assert json.loads(json.dumps(learned.to_json()))["expansions"]
    # Served with these rules, questions nobody asked so far find their answers.
    index = _index()
    served = index.reconfigured(
        replace(
            index.configuration, parameters=RetrievalParameters(expansion_weight=1.0), expansions=learned.expansions
        )
    )
    unseen = [_question(number) for number in range(100, 130)]
    before, after = (np.mean([ndcg(i.ranking(q.query, None), q.grades) for q in unseen]) for i in (index, served))
    assert after > before + 0.05


def test_corrections_name_the_words_a_question_lacked() -> None:
    corrections = [
        CorrectedAnswer(pair.first, f"That is the {pair.then.split()[0]}, not what you say.", pair.user_id, f"f{n}")
        for n, pair in enumerate(_pair(number) for number in range(60))
    ]
    learned = _learn([], corrections)
    assert ("phone", ("handset",)) in {(rule.phrase, rule.adds) for rule in learned.expansions if rule.weight > 0}
    assert all(source.startswith("f") for rule in learned.expansions for source in rule.event_ids)


@pytest.mark.parametrize("users", [1, 2])
def test_one_or_two_people_teach_nothing_however_loud(users: int) -> None:
    learned = _learn([_pair(number, users) for number in range(500)])
    assert learned.expansions == ()
    assert learned.refused["users"] > 0


def test_a_loud_one_does_not_carry_two_that_whisper() -> None:
    """Three people, but all sessions but two are of one: two sessions of hers count."""
    pairs = [replace(_pair(0), conversation_id=f"s{n}", user_id="loud") for n in range(100)]
    pairs += [replace(_pair(0), conversation_id=f"t{n}", user_id=f"quiet{n}") for n in range(2)]
    learned = _learn(pairs + [_pair(number) for number in range(1, 60) if number % 5])
    assert not [rule for rule in learned.expansions if rule.phrase == "cashback"]


def test_grades_at_random_give_weight_to_few_rules() -> None:
    """15 rules a log, none of them of use: at a tenth of false ones, about one log in ten lets any through."""
    through = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = [
            replace(q, grades=dict(zip(q.grades, rng.permutation([*q.grades.values()]), strict=True)))
            for q in QUESTIONS
        ]
        learned = learn_query_expansion([_pair(n) for n in range(60)], [], noise, _index(), {}, rng)
        assert len(learned.expansions) == 15
        through += any(rule.weight for rule in learned.expansions)
    assert through <= 6  # P < .005 at one in ten


def test_rules_that_do_not_help_are_kept_as_suggestions() -> None:
    """Everybody who says "cashback" goes on about boilers, and no answer does."""
    pairs = [_pair(number, then=None if number % 5 else f"boiler {PLAIN[number % 10]}") for number in range(60)]
    learned = _learn(pairs)
    (rule,) = (rule for rule in learned.expansions if (rule.phrase, rule.adds) == ("cashback", ("boiler",)))
    assert (rule.weight, rule.gain <= 0) == (0.0, True)


def test_without_questions_nothing_has_a_weight() -> None:
    learned = learn_query_expansion([_pair(n) for n in range(60)], [], [], _index(), {}, np.random.default_rng(1))
    assert learned.expansions
    assert not any(rule.weight for rule in learned.expansions)
    assert learned.gain is None


def test_a_rule_is_weighed_without_its_own_group() -> None:
    """All lessons are of the questions' own groups: no question may be weighed by what itself taught."""
    pairs = [_pair(number) for number in range(60)]
    group_of = {question.query: "one" for question in QUESTIONS} | {pair.first: "one" for pair in pairs}
    questions = [replace(question, group="one") for question in QUESTIONS]
    learned = learn_query_expansion(pairs, [], questions, _index(), group_of, np.random.default_rng(1))
    assert learned.expansions
    assert learned.questions == 0


def test_order_of_the_evidence_does_not_matter() -> None:
    pairs = [_pair(number) for number in range(60)]
    assert _learn(pairs) == _learn(pairs[::-1])


hostile = st.text(max_size=60) | st.sampled_from(
    ["'; drop table x; --", "{0.__class__}", "%s" * 9, "\\x00", "a" * 5000, "İ ß ǅ"]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(hostile, hostile, st.integers(0, 5)), min_size=5, max_size=30), hostile)
def test_hostile_words_stay_words(said: list[tuple[str, str, int]], common: str) -> None:
    pairs = [
        Reformulation(f"{common} {one}", f"{other} refund", f"u{user}", f"s{n}", ("c00",), (f"a{n}", f"b{n}"))
        for n, (one, other, user) in enumerate(said)
    ]
    loose = ExpansionSettings(least_lift=0.0)
    learned = learn_query_expansion(pairs, [], QUESTIONS[:10], _index(), {}, np.random.default_rng(1), loose)
    for rule in learned.expansions:
        words = [*rule.phrase.split(), *rule.adds]
        assert 2 <= len(words) <= 3
        assert all(len(word) <= 40 and word.replace("_", "a").isalnum() for word in words), words
        assert terms(rule.phrase)
        assert rule.users >= 3


words = st.sampled_from([*SLANG, *PLAIN, "returned", "invoices"])
rules = st.builds(
    lambda phrase, adds, weight: Expansion(" ".join(phrase), (adds,), weight, 5, 3, 2.0, 0.0),
    st.lists(words, max_size=2),
    words,
    st.sampled_from([0.0, 0.25, 1.0]),
)


@given(st.lists(words, max_size=6), st.lists(rules, max_size=8))
def test_the_formula_is_what_the_index_applies(asked: list[str], expansions: list[Expansion]) -> None:
    query = " ".join(asked)
    assert expanded_terms(terms(query), expansions) == dict(AddedWords(expansions).of(query, 1.0))


def _event(
    number: int, query: str, minute: float, liked: bool, user: str = "u", conversation: str = "s"
) -> RetrievalEvent:
    hits = (Hit("c1", 1, 1.0, "both", 1.0, clicked=liked), Hit("c2", 2, 0.5, "both", 0.5, explicit=-1))
    return RetrievalEvent(f"e{number}", query, None, "production", user, conversation, hits, day=minute / 1440)


def test_reformulations_are_failed_tries_before_a_success() -> None:
    events = [
        _event(5, "money back form", 4, True),
        _event(1, "cashback", 0, False),
        _event(2, "cashback how", 2, False),
        _event(6, "cashback", 40, False),
        _event(7, "Refund!", 51, True),  # eleven minutes later: another visit
        _event(8, "refund", 60, False),
        _event(9, "REFUND", 61, True),  # the same words
        _event(10, "roster", 60, False, user="v"),
        _event(11, "shift plan", 61, True, user="w"),  # somebody else's
        _event(12, "badge", 62, False, conversation="t"),
        _event(13, "door card", 63, True, conversation="t2"),
        _event(14, "x", 62, False, user=""),
        _event(15, "y", 63, True, user=""),
    ]
    found = [(pair.first, pair.then, pair.liked, pair.event_ids) for pair in reformulations(events)]
    assert found == [
        ("cashback", "money back form", ("c1",), ("e1", "e5")),
        ("cashback how", "money back form", ("c1",), ("e2", "e5")),
    ]


def test_the_second_try_teaches_the_first_wording_if_they_mean_the_same() -> None:
    pairs = [
        Reformulation("cashback form", "refund form", "u", "s", ("c1", "c2"), ("a", "b"), 3.0),
        Reformulation("cashback form", "refund form", "u", "t", ("c1",), ("c", "d"), 5.0),
        Reformulation("cashback", "refund", "u", "s", ("c1",), ("e", "f")),
        Reformulation("cashback", "roster", "u", "s", ("c3",), ("g", "h")),
    ]
    vectors = {"cashback": np.array([1.0, 0]), "refund": np.array([2.0, 1]), "roster": np.array([0, 1.0])}
    found = {(s.query, s.chunk_id): (s.credit, s.looks, s.explicit, s.day, s.event_ids) for s in taught(pairs, vectors)}
    assert found == {
        ("cashback form", "c1"): (0.5, 0.5, 0, 5.0, ("a", "b", "c", "d")),
        ("cashback form", "c2"): (0.5, 0.5, 0, 3.0, ("a", "b")),
        ("cashback", "c1"): (0.5, 0.5, 0, 0.0, ("e", "f")),
    }
