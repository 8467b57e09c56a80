"""Analysis: clusters of free-text failures, faults, slices, votes, and that no user weighs more than a tenth."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_simulator import INCUMBENT

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.analysis import analyze
from glow_pipelines.learning.prompts.clusters import central, clusters, distances
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.faults import faults
from glow_pipelines.learning.prompts.influence import CAP, Support, capped, rate
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.types import Analysis, Correction, Example, Prompt, Source, Vote
from glow_pipelines.learning.prompts.votes import count_votes

FREE = Prompt("Sum up.")
TEXTS = [f"{letter}{letter}{letter}" for letter in "abcdefghijklmnopqrst"]


def free_text(answers: list[str], vectors: bool = True) -> tuple[Analysis, list[Example]]:
    """Twenty targets of one word; the first half of the inputs lies in one direction, the second in another."""
    examples = [
        Example(f"{i:02d}", f"input {i}", target, f"g{i}", "train", slices=("de" if i % 4 else "en",))
        for i, target in enumerate(TEXTS)
    ]
    metric = metric_named("exact")
    outcomes = [Outcome(text, metric.score(text, e.target), True) for text, e in zip(answers, examples, strict=True)]
    rng = np.random.default_rng(0)
    embeddings = {
        e.id: (np.eye(4)[0 if i < 10 else 1] + 0.01 * rng.normal(size=4)).tolist() for i, e in enumerate(examples)
    }
    return analyze(FREE, metric, examples, outcomes, [], (), embeddings if vectors else None), examples


def test_free_text_failures_cluster_by_fault_and_input() -> None:
    answers = [f"{target} and more" if i in (1, 2, 3, 12, 13) else target for i, target in enumerate(TEXTS)]
    answers[4] = ""
    found, examples = free_text(answers)
    kinds = [(each.kind, each.example_ids) for each in found.clusters]
    assert kinds == [("hallucination", ("01", "02", "03")), ("hallucination", ("12", "13")), ("missing", ("04",))]
    first, second, nothing = found.clusters
    assert set(first.example_inputs) == {"input 1", "input 2", "input 3"}
    assert first.share == wilson(3, 20)
    near = {each.input for each in examples[:10]}
    assert len(first.passing_inputs) == 2
    assert set(first.passing_inputs) <= near - set(first.example_inputs)
    assert not set(second.passing_inputs) & near
    assert (nothing.target, nothing.answered) == (TEXTS[4], "")
    assert {each.kind: each.count for each in found.faults} == {"hallucination": 5, "missing": 1}
    assert found.targets == ()


def test_without_embeddings_a_kind_is_one_cluster() -> None:
    found, _ = free_text([f"{target} and more" if i in (1, 12) else target for i, target in enumerate(TEXTS)], False)
    assert [(each.kind, each.count) for each in found.clusters] == [("hallucination", 2)]


def test_slices_are_counted_by_themselves() -> None:
    found, _ = free_text(["wrong" if i % 4 == 0 else target for i, target in enumerate(TEXTS)])
    assert [(each.slice, each.n, each.right) for each in found.slices] == [("de", 15, 15), ("en", 5, 0)]
    assert found.slices[1].accuracy == wilson(0, 5)


def test_an_analysis_is_plain_json() -> None:
    found, _ = free_text(["" for _ in TEXTS])
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["faults"][0]["count"] == 20


@pytest.mark.parametrize(
    ("answer", "target", "found"),
    [
        ("12", "12", ()),
        (" ", "12", ("missing",)),
        ("The answer is 12", "12", ("hallucination", "not_a_number")),
        ("1,200.50", "1200.5", ("format",)),
        ("see below: {}", '{"total": 3}', ("format", "not_json")),
        ('{"total": 3}', '{"total": 3, "currency": "EUR"}', ("missing",)),
        ('{"total": 4}', '{"total": 3}', ("wrong_value",)),
        ("yes\nit is", "yes", ("hallucination", "several_lines")),
        ("yes it is and it was and will be for ever", "yes", ("hallucination", "too_long")),
    ],
)
def test_fault_vectors(answer: str, target: str, found: tuple[str, ...]) -> None:
    assert faults(answer, target) == found


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_clusters_partition_and_are_apart(seed: int, n: int) -> None:
    apart = distances(np.random.default_rng(seed).normal(size=(n, 3)))
    found = clusters(apart)
    assert sorted(index for members in found for index in members) == list(range(n))
    assert [len(members) for members in found] == sorted((len(members) for members in found), reverse=True)
    for members in found:
        assert sorted(central(apart, members)) == members
        if len(members) == 2:
            assert apart[members[0], members[1]] <= 0.35
    singles = [members[0] for members in found if len(members) == 1]
    assert all(apart[a, b] > 0.35 for a in singles for b in singles if a != b)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.01, 10)), min_size=1, max_size=80))
def test_nobody_weighs_more_than_the_cap(rows: list[tuple[int, float]]) -> None:
    people, weights = [str(who) for who, _ in rows], np.array([weight for _, weight in rows])
    kept = capped(people, weights)
    assert (kept <= weights + 1e-9).all()
    assert (kept > 0).all()
    totals = {who: sum(k for p, k in zip(people, kept, strict=True) if p == who) for who in set(people)}
    before = {who: sum(w for p, w in zip(people, weights, strict=True) if p == who) for who in set(people)}
    if len(totals) * CAP > 1:
        cap = CAP * sum(totals.values())
        assert max(totals.values()) <= cap + 1e-6
        # The largest such cut: whoever was cut is at the cap.
        assert all(totals[who] > cap - 1e-6 for who in totals if totals[who] < before[who] - 1e-6)
    else:
        assert max(totals.values()) == pytest.approx(min(totals.values()))


def test_capping_refuses_what_is_no_weight_and_an_empty_rate_knows_nothing() -> None:
    with pytest.raises(ValueError, match="weight >= 0"):
        capped(["a"], [-1.0])
    with pytest.raises(ValueError, match="2 rows"):
        capped(["a", "b"], [1.0])
    nothing = rate([], [])
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def vote(index: int, user: str, positive: bool, issues: tuple[str, ...] = (), slices: tuple[str, ...] = ()) -> Vote:
    return Vote(f"{user} {index}", f"x {user} {index}", user, positive, issues, slices)


def test_votes_by_issue_and_slice() -> None:
    votes = [
        *(vote(i, f"u{i}", True, slices=("de",)) for i in range(12)),
        *(vote(i, f"n{i}", False, ("tone",)) for i in range(6)),
    ]
    found = {(each.issue, each.slice): each for each in count_votes(votes)}
    assert set(found) == {(None, None), ("tone", None), (None, "de")}
    overall = found[None, None]
    assert (overall.votes, overall.users) == (18, 18)
    assert overall.positive.estimate == pytest.approx(12 / 18)
    assert (overall.positive.low, overall.positive.high) == (wilson(12, 18).low, wilson(12, 18).high)
    assert found["tone", None].positive.estimate == 0
    assert found["tone", None].share.estimate == pytest.approx(6 / 18)
    assert found[None, "de"].positive.estimate == 1


def test_an_angry_user_is_one_tenth_and_who_changes_his_mind_counts_once() -> None:
    many = [vote(i, "angry", False) for i in range(500)]
    content = [vote(0, f"u{i}", True) for i in range(18)]
    (overall,) = count_votes([*many, *content])
    assert overall.positive.estimate == pytest.approx(0.9)
    assert overall.positive.high - overall.positive.low > 0.2, "500 votes of one are no 500 votes"
    again = Vote("later", content[0].execution_id, "u0", False)
    (overall,) = count_votes([*content, again])
    assert (overall.votes, overall.positive.estimate) == (18, pytest.approx(17 / 18))


def test_kinds_of_corrections_cap_the_user() -> None:
    def told(index: int, user: str, expected: str) -> Correction:
        return Correction(f"{user}{index}", f"x{user}{index}", f"in {index}", "the sum is 12", expected, user)

    corrections = [
        *(told(i, "eager", "the sum is 13") for i in range(80)),
        *(told(0, f"u{i}", "sum 12") for i in range(18)),
    ]
    found = analyze(INCUMBENT, metric_named("label"), [], [], corrections)
    assert [(each.kind, each.count, each.users) for each in found.kinds] == [
        ("wrong_value", 80, 1),
        ("hallucination", 18, 18),
    ]
    assert found.kinds[0].share.estimate == pytest.approx(0.1)
    assert found.patterns[0].users == 1


def test_who_stands_behind_evidence() -> None:
    def of_feedback(name: str, feedback: str) -> Example:
        return Example(name, name, "t", f"g {name}", "train", sources=(Source("feedback", feedback),))

    told = [Correction(f"f{i}", f"x{i}", "in", "a", "b", "one" if i < 3 else f"u{i}") for i in range(6)]
    examples = [of_feedback(f"e{i}", f"f{i}") for i in range(6)]
    expert = Example("expert", "in", "t", "g", "train", sources=(Source("comparison", "1"),))
    support = Support([*examples, expert], told)
    assert support.people(["e0", "e1", "e2", "unknown"]) == {"user one"}
    assert not support.enough(["e0", "e1", "e2"]), "one user in three places"
    assert support.enough(["e0", "e3", "e4"])
    assert support.enough(["e0", "e1", "expert"]), "an expert stands for it"
    assert not support.enough(["e3", "e4"])
    assert not support.enough(["correction:f0", "correction:f1", "correction:f2"])
    assert support.enough(["correction:f0", "correction:f3", "correction:f4"])
    assert Support([], [replace(each, expert=True) for each in told]).enough([each.id for each in told[:3]])
