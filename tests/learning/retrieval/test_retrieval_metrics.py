"""Ranking metrics against values worked out by hand, and facts that hold for every ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.evaluation import sign_flip_p
from glow_pipelines.learning.retrieval.metrics import (
    bpref,
    condense,
    hit_at_1,
    judged_share,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

GRADES = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(0, 3).map(float), min_size=1).filter(
    lambda grades: max(grades.values()) > 0
)
RANKING = st.permutations(list("abcdefghijkl"))


def test_hand_computed_values() -> None:
    grades = {"a": 3.0, "b": 1.0, "c": 0.0, "d": 2.0}
    ranked = ["c", "a", "x", "b"]
    gained = 3 / math.log2(3) + 1 / math.log2(5)
    ideal = 3 + 2 / math.log2(3) + 1 / 2
    assert ndcg(ranked, grades) == pytest.approx(gained / ideal)
    assert reciprocal_rank(ranked, grades) == 0.5
    assert recall(ranked, grades) == pytest.approx(2 / 3)
    assert recall(ranked, grades, 2) == pytest.approx(1 / 3)
    assert hit_at_1(ranked, grades) == 0.0
    assert judged_share(ranked, grades) == 0.75
    assert precision(ranked, grades) == pytest.approx(2 / 5)
    assert precision(ranked, grades, 2) == 0.5
    # Three relevant, one of them not found; c, the only wrong one, stands above both others: 1 − 1/1 each.
    assert bpref(ranked, grades) == 0.0
    assert bpref(["a", "c", "b", "x"], grades) == pytest.approx((1 + 0) / 3)
    assert bpref(["a", "x", "b", "d", "c"], grades) == 1.0


@given(GRADES, RANKING, st.integers(0, 12))
def test_the_metrics_are_those_of_trec_eval(grades: dict[str, float], ranked: list[str], found: int) -> None:
    """A run of `found` chunks, some of them unjudged, against the reference implementation."""
    trec = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier is not installed (extra `dev`)")
    ranked = ranked[:found]
    judged = {"q": {chunk_id: int(grade) for chunk_id, grade in grades.items()}}
    run = {"q": {chunk_id: float(-place) for place, chunk_id in enumerate(ranked)}}
    wanted = {"ndcg_cut_10", "recip_rank", "recall_10", "P_5", "bpref", "success_1"}
    theirs = trec.RelevanceEvaluator(judged, {"ndcg_cut", "recip_rank", "recall", "P", "bpref", "success"}).evaluate(
        run
    ).get("q") or dict.fromkeys(wanted, 0.0)
    ours = {
        "ndcg_cut_10": ndcg(ranked, grades),
        "recip_rank": reciprocal_rank(ranked, grades, 12),
        "recall_10": recall(ranked, grades),
        "P_5": precision(ranked, grades),
        "bpref": bpref(ranked, grades),
        "success_1": hit_at_1(ranked, grades),
    }
    assert ours == pytest.approx({name: theirs[name] for name in wanted}, abs=1e-6)


def test_condensed_lists_leave_out_what_nobody_judged() -> None:
    grades = {"a": 1.0, "b": 0.0}
    assert condense(["x", "y", "a", "b"], grades) == ["a", "b"]
    assert ndcg(["x", "y", "a", "b"], grades) == pytest.approx(0.5)
    assert ndcg(["x", "y", "a", "b"], grades, condensed=True) == 1.0
    assert hit_at_1(["x", "a"], grades, condensed=True) == 1.0


def test_nothing_relevant_is_undefined_not_zero() -> None:
    assert math.isnan(ndcg(["a"], {"a": 0.0}))
    assert math.isnan(recall(["a"], {}))
    assert math.isnan(reciprocal_rank(["a"], {"a": -1.0}))
    assert math.isnan(precision(["a"], {"a": 0.0}))
    assert math.isnan(bpref(["a"], {"a": 0.0}))


@given(GRADES, RANKING, st.booleans())
def test_bounded_and_one_exactly_for_an_ideal_order(
    grades: dict[str, float], ranked: list[str], condensed: bool
) -> None:
    assert 0 <= ndcg(ranked, grades, condensed=condensed) <= 1 + 1e-12
    ideal = sorted(ranked, key=lambda c: -grades.get(c, 0.0))
    assert ndcg(ideal, grades) == pytest.approx(1.0)


@given(GRADES, RANKING, st.integers(0, 10))
def test_moving_a_better_chunk_up_never_hurts(grades: dict[str, float], ranked: list[str], at: int) -> None:
    above, below = ranked[at], ranked[at + 1]
    swapped = [*ranked[:at], below, above, *ranked[at + 2 :]]
    better = grades.get(below, 0.0) >= grades.get(above, 0.0)
    first, second = (ndcg(swapped, grades), ndcg(ranked, grades))
    assert first >= second - 1e-12 if better else first <= second + 1e-12


@given(GRADES, RANKING)
def test_unjudged_chunks_do_not_move_a_condensed_score(grades: dict[str, float], ranked: list[str]) -> None:
    without = [chunk_id for chunk_id in ranked if chunk_id in grades]
    assert ndcg(ranked, grades, condensed=True) == ndcg(without, grades)


def test_sign_flip_is_exact_enough_and_counts_groups_not_queries() -> None:
    rng = np.random.default_rng(0)
    differences = np.full(8, 0.1)
    alone = sign_flip_p(differences, [str(i) for i in range(8)], rng)
    assert alone == pytest.approx(2 / 2**8, abs=0.004)
    assert sign_flip_p(differences, ["a"] * 4 + ["b"] * 4, rng) == pytest.approx(0.5, abs=0.05)
    assert sign_flip_p(np.zeros(5), list("abcde"), rng) == 1.0
