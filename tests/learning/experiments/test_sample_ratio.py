"""Sample ratio: the published numbers, a fair game under peeking, detection in time, and impossible arms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glow_pipelines.learning.experiments import sample_ratio as ratio

counts = st.lists(st.integers(0, 5000), min_size=2, max_size=4)


def test_known_numbers() -> None:
    assert ratio.chi_square([5000, 5400], [1, 1]) == pytest.approx((15.3846153846, 8.769942e-05), rel=1e-6)
    assert ratio.log_e([5000, 5400], [1, 1]) == pytest.approx(5.8025657499, abs=1e-9)
    assert ratio.chi_square([0, 0], [1, 1]) == (0.0, 1.0)
    assert ratio.log_e([0, 0], [0.3, 0.7]) == pytest.approx(0.0)


@given(counts.filter(any), st.data())
def test_chi_square_is_scipys(observed: list[int], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(observed), max_size=len(observed)))
    expected = [sum(observed) * w / sum(weights) for w in weights]
    theirs = stats.chisquare(observed, expected)
    assert ratio.chi_square(observed, weights) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9, abs=1e-12)


@given(counts, st.floats(1, 1e5))
def test_evidence_depends_on_counts_alone_and_not_on_the_scale_of_weights(observed: list[int], c: float) -> None:
    weights = list(range(1, len(observed) + 1))
    one = ratio.log_e(observed, weights, c)
    assert one == pytest.approx(ratio.log_e(observed, [7 * w for w in weights], c), abs=1e-6)
    assert one == pytest.approx(ratio.log_e(observed[::-1], weights[::-1], c), abs=1e-6)


def test_evidence_is_the_product_of_predictions() -> None:
    """Arrival by arrival: what the Dirichlet predicted for the arm over what was planned."""
    rng, weights, c = np.random.default_rng(2), np.array([0.5, 0.3, 0.2]), 50.0
    seen, total = np.zeros(3), 0.0
    for arm in rng.choice(3, 200, p=weights):
        total += math.log((c * weights[arm] + seen[arm]) / (c + seen.sum()) / weights[arm])
        seen[arm] += 1
    assert ratio.log_e(seen, weights.tolist(), c) == pytest.approx(total, abs=1e-9)


def test_under_the_plan_no_alarm_and_off_the_plan_in_time() -> None:
    rng = np.random.default_rng(6)
    looks = 10_000

    def paths(share: float, reps: int) -> np.ndarray:
        treated = (rng.random((reps, looks)) < share).cumsum(axis=1)
        n = np.arange(1, looks + 1)
        return ratio.log_e(np.stack([n - treated, treated], axis=-1), [1, 1])

    fair = paths(0.5, 300).max(axis=1)
    assert (fair >= math.log(ratio.WARN)).mean() <= 0.01 + 2.6 * math.sqrt(0.01 * 0.99 / 300)
    off = paths(0.55, 100) >= math.log(ratio.HOLD)
    assert off.any(axis=1).all()
    assert np.median(off.argmax(axis=1)) < 2600


def test_an_arm_of_weight_nothing_with_units_is_an_alarm_at_once() -> None:
    assert ratio.log_e([10, 1], [1, 0]) == math.inf
    assert ratio.log_e([[10, 0], [10, 1]], [1, 0]).tolist() == [0.0, math.inf]
    assert ratio.chi_square([10, 1], [1, 0]) == (math.inf, 0.0)
    assert ratio.chi_square([10, 0], [1, 0]) == (0.0, 1.0)


def test_weights_that_are_none_are_refused() -> None:
    for weights in ([], [0, 0], [-1, 2]):
        with pytest.raises(ValueError, match="weights"):
            ratio.log_e([1, 2], weights)
