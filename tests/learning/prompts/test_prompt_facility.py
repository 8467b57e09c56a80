"""Facility location: monotone, deterministic, label-aware, and lazy greedy equal to plain greedy."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.facility import choose, choose_near, coverage, similarities


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[str]]:
    n = draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = [draw(st.sampled_from("abc")) for _ in range(n)]
    weights = rng.choice([0.0, 0.5, 1.0, 2.0], size=n)
    return similarities(rng.normal(size=(n, 3)), labels), weights, labels


@given(problems(), st.data())
def test_coverage_is_monotone_and_submodular(
    problem: tuple[np.ndarray, np.ndarray, list[str]], data: st.DataObject
) -> None:
    similarity, weights, labels = problem
    indices = st.integers(0, len(labels) - 1)
    small = data.draw(st.lists(indices, unique=True))
    large = list(dict.fromkeys([*small, *data.draw(st.lists(indices, unique=True))]))
    added = data.draw(indices)

    def gain(chosen: list[int]) -> float:
        return coverage(similarity, weights, [*chosen, added]) - coverage(similarity, weights, chosen)

    assert coverage(similarity, weights, small) <= coverage(similarity, weights, large) + 1e-9
    assert gain(small) >= gain(large) - 1e-9
    assert gain(large) >= -1e-9


@given(problems(), st.integers(1, 8), st.integers(1, 3))
def test_lazy_greedy_is_greedy(problem: tuple[np.ndarray, np.ndarray, list[str]], total: int, per_label: int) -> None:
    similarity, weights, labels = problem
    lazy = choose(similarity, weights, labels, range(len(labels)), total, per_label)
    assert lazy == choose(similarity, weights, labels, range(len(labels)), total, per_label)
    used = Counter(labels[index] for index in lazy)
    assert len(lazy) == len(set(lazy)) <= total
    assert max(used.values()) <= per_label
    for size in range(len(lazy)):
        taken = lazy[:size]
        so_far = Counter(labels[index] for index in taken)
        allowed = [i for i in range(len(labels)) if i not in taken and so_far[labels[i]] < per_label]
        best = max(coverage(similarity, weights, [*taken, i]) for i in allowed)
        assert coverage(similarity, weights, lazy[: size + 1]) == pytest.approx(best)


def test_takes_the_centre_of_each_label_and_only_what_is_eligible() -> None:
    angles = np.array([0.0, 0.3, 0.6, 2.0, 2.3, 2.6])
    labels = ["a", "a", "a", "b", "b", "b"]
    similarity = similarities(np.stack([np.cos(angles), np.sin(angles)], axis=1), labels)
    assert sorted(choose(similarity, np.ones(6), labels, range(6), 2, 1)) == [1, 4]
    assert sorted(choose(similarity, np.ones(6), labels, [0, 3, 4, 5], 2, 1)) == [0, 4]
    heavy = np.array([1, 1, 9, 1, 1, 1.0])
    assert sorted(choose(similarity, heavy, labels, range(6), 2, 1)) == [2, 4]


def test_broken_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        similarities(np.array([[np.nan, 1.0]]), ["a"])
    assert similarities(np.zeros((2, 3)), ["a", "a"]).tolist() == [[0.5, 0.5], [0.5, 0.5]]


@given(problems(), st.integers(1, 8), st.integers(1, 3), st.floats(0, 2))
def test_costs_stop_where_nothing_is_worth_them(
    problem: tuple[np.ndarray, np.ndarray, list[str]], total: int, per_label: int, price: float
) -> None:
    similarity, weights, labels = problem
    costs = price * np.arange(1, len(labels) + 1)
    taken = choose(similarity, weights, labels, range(len(labels)), total, per_label, costs)

    def worth(chosen: list[int]) -> float:
        return coverage(similarity, weights, chosen) - float(costs[chosen].sum())

    for size in range(len(taken)):
        used = Counter(labels[index] for index in taken[:size])
        open_now = [i for i in range(len(labels)) if i not in taken[:size] and used[labels[i]] < per_label]
        best = max(worth([*taken[:size], i]) for i in open_now)
        assert worth(taken[: size + 1]) == pytest.approx(best)
        assert best >= worth(taken[:size]) - 1e-9
    if len(taken) < total:
        used = Counter(labels[index] for index in taken)
        left = [i for i in range(len(labels)) if i not in taken and used[labels[i]] < per_label]
        assert all(worth([*taken, i]) < worth(taken) + 1e-9 for i in left)


def test_marginal_relevance_takes_the_near_and_then_the_unlike() -> None:
    angles = np.array([0.0, 0.01, 0.8, 3.0])
    similarity = similarities(np.stack([np.cos(angles), np.sin(angles)], axis=1), ["a"] * 4)
    relevance = similarity[:, 0]
    assert choose_near(relevance, similarity, ["a"] * 4, range(4), 2, 4, trade=1.0) == [0, 1]
    assert choose_near(relevance, similarity, ["a"] * 4, range(4), 2, 4, trade=0.4) == [0, 3]
    assert choose_near(relevance, similarity, ["a", "a", "b", "b"], range(4), 4, 1) == [0, 2]
    assert choose_near(relevance, similarity, ["a"] * 4, [1, 2], 9, 9) == [1, 2]
