"""Moments of clusters: exact on large values, the same in any order of merging, and back from JSON bit for bit."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glow_pipelines.learning.experiments.moments import Moments, merge_moments, merged, moments_of

NAMES = ("s", "n", "xs")
rows = arrays(float, st.tuples(st.integers(0, 30), st.just(3)), elements=st.integers(-1000, 1000).map(float))


@given(rows, st.lists(st.integers(0, 30), max_size=4), st.randoms(use_true_random=False))
def test_any_split_and_order_of_merging_gives_the_same_moments(values, cuts, random) -> None:
    ends = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [Moments.of(NAMES, values[a:b]) for a, b in pairwise(ends)]
    random.shuffle(parts)
    whole, again = Moments.of(NAMES, values), merged(parts, NAMES)
    assert again.n == whole.n
    np.testing.assert_allclose(again.mean, whole.mean, atol=1e-9)
    np.testing.assert_allclose(again.comoment, whole.comoment, rtol=1e-9, atol=1e-6)


@settings(max_examples=30)
@given(arrays(float, (40, 3), elements=st.integers(-8, 8).map(lambda x: x / 4)))
def test_data_far_from_zero_stays_exact(values) -> None:
    near, far = Moments.of(NAMES, values), Moments.of(NAMES, values + 1e9)
    assert np.allclose(far.comoments, near.comoments, rtol=1e-9, atol=1e-9)
    assert np.allclose(far.means - 1e9, near.means, rtol=0, atol=2e-7)  # what a float near 1e9 can tell apart
    halves = Moments.of(NAMES, values[:13] + 1e9).merge(Moments.of(NAMES, values[13:] + 1e9))
    assert np.allclose(halves.comoments, near.comoments, rtol=1e-9, atol=1e-9)


@settings(max_examples=50)
@given(
    arrays(float, (40, 3), elements=st.integers(-8, 8).map(lambda x: x / 4)),
    st.lists(st.integers(1, 39), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_parts_far_from_zero_merge_in_any_order_to_the_same_moments(values, cuts, random) -> None:
    ends = [0, *sorted(set(cuts)), len(values)]
    parts = [Moments.of(NAMES, values[a:b] + 1e9) for a, b in pairwise(ends)]
    random.shuffle(parts)
    whole, again = Moments.of(NAMES, values), merged(parts, NAMES)
    np.testing.assert_allclose(again.comoments, whole.comoments, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((again.means - 1e9) + again.rests, whole.means, rtol=1e-9, atol=1e-12)


def test_moments_kept_without_the_rest_of_their_means_are_still_read() -> None:
    old = {"n": 2, "names": ["s"], "mean": [1.5], "comoment": [[0.5]]}
    assert Moments.from_json(old) == Moments(2, ("s",), (1.5,), ((0.5,),))
    assert Moments.from_json(old).merge(Moments.of(("s",), [[4.0]])).mean == pytest.approx((7 / 3,))
    with pytest.raises(ValueError, match="1 rests of their means"):
        Moments(1, ("s",), (1.0,), ((0.0,),), (0.0, 0.0))


def test_the_variance_that_raw_squares_lose() -> None:
    values = np.array([1e9 + x for x in (-2.0, 0.0, 2.0)] * 1000)[:, None]
    found = Moments.of(("s",), values)
    assert found.comoment[0][0] / (found.n - 1) == pytest.approx(8 / 3 * 3000 / 2999, rel=1e-9)
    raw = (values**2).sum() - values.sum() ** 2 / len(values)
    assert abs(raw / 2999 - 8 / 3) > 1  # the reason for all this


@given(rows)
def test_json_gives_back_the_same_bits(values) -> None:
    found = Moments.of(NAMES, values / 7)
    assert Moments.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(rows)
def test_a_part_is_what_these_columns_alone_give(values) -> None:
    part = Moments.of(NAMES, values).part(("xs", "s"))
    alone = Moments.of(("xs", "s"), values[:, [2, 0]])
    assert part.names == alone.names
    np.testing.assert_allclose(part.comoment, alone.comoment, atol=1e-9)


@given(arrays(float, (4, 10, 2), elements=st.integers(-50, 50).map(float)))
def test_many_experiments_at_once_are_each_alone(values) -> None:
    n, mean, products = moments_of(values)
    together = merge_moments(n, mean, products, n, mean[::-1], products[::-1])
    for i in range(4):
        one, other = (Moments.of(("s", "n"), values[j]) for j in (i, 3 - i))
        np.testing.assert_allclose(products[i], one.comoment, atol=1e-9)
        np.testing.assert_allclose(together[2][i], one.merge(other).comoment, atol=1e-8)


def test_nothing_is_neutral_and_strangers_do_not_merge() -> None:
    found = Moments.of(("s",), [[1.0], [2.0]])
    assert merged([Moments.none(("s",)), found, Moments.none(("s",))]) == found
    assert merged([], ("s",)) == Moments.none(("s",))
    with pytest.raises(ValueError, match="names differ"):
        found.merge(Moments.none(("n",)))
    with pytest.raises(ValueError, match="hold no n"):
        found.part(("n",))
    with pytest.raises(ValueError, match="one column"):
        Moments.of(("s", "n"), [[1.0], [2.0]])
    with pytest.raises(ValueError, match="2×2"):
        Moments(1, ("s", "n"), (1.0, 2.0), ((0.0,),))
    with pytest.raises(ValueError, match="at least 0"):
        Moments(-1, (), (), ())
