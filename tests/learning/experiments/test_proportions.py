"""Proportions and means of one look: published examples, coverage, and agreement with simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glow_pipelines.learning.experiments import proportions as two

cells = st.tuples(st.integers(1, 60), st.integers(0, 60)).map(lambda c: (min(c[1], c[0]), c[0]))


def test_published_examples() -> None:
    """Newcombe (1998), table II: 56/70 against 48/80."""
    assert two.newcombe(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert two.score_interval(48, 80, 56, 70) == pytest.approx((0.0528, 0.3382), abs=5e-5)
    assert two.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert two.unpooled_z(48, 80, 56, 70).low == pytest.approx(0.0575, abs=5e-5)


@given(cells, cells)
def test_intervals_hold_the_difference_and_mirror(c, t) -> None:
    d = t[0] / t[1] - c[0] / c[1]
    for interval in (two.newcombe, two.score_interval):
        low, high = interval(*c, *t)
        assert -1 - 1e-9 <= low <= d + 1e-9
        assert d - 1e-9 <= high <= 1 + 1e-9
        # 1e-4: where all of an arm are events, the root of the likelihood lies on the edge (2.8e-5 at 24/24, 5/31).
        assert (-high, -low) == pytest.approx(interval(*t, *c), abs=1e-4)


@given(st.integers(1, 400), st.floats(0, 1))
def test_wilson_is_where_the_score_test_ends(n: int, share: float) -> None:
    x = round(n * share)
    for p in two.wilson(x, n):
        if 1e-9 < p < 1 - 1e-9:
            assert abs(x / n - p) == pytest.approx(1.959963985 * math.sqrt(p * (1 - p) / n), rel=1e-6)


def test_pooled_z_squared_is_chi_square() -> None:
    found = two.pooled_z(312, 1000, 355, 1010)
    table = stats.chi2_contingency([[312, 688], [355, 655]], correction=False)
    assert (found.statistic**2, found.p) == pytest.approx((table.statistic, table.pvalue))
    assert two.pooled_z(312, 1000, 355, 1010, "larger").p == pytest.approx(found.p / 2)


def test_welch_is_scipys_and_relative_is_its_delta() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(5, 1, 40), rng.normal(6, 2, 55)
    numbers = (a.mean(), a.var(ddof=1), 40, b.mean(), b.var(ddof=1), 55)
    found, theirs = two.welch(*numbers), stats.ttest_ind(b, a, equal_var=False)
    assert (found.statistic, found.p, found.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df))
    lift = two.welch(*numbers, relative=True)
    assert lift.effect == pytest.approx(b.mean() / a.mean() - 1)
    means = (
        rng.normal(a.mean(), a.std(ddof=1) / math.sqrt(40), 200_000),
        rng.normal(b.mean(), b.std(ddof=1) / math.sqrt(55), 200_000),
    )
    assert lift.standard_error == pytest.approx((means[1] / means[0]).std(), rel=0.02)


def test_fieller_holds_the_lift_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        low, high = two.fieller(rng.normal(10, 1), 1.0, rng.normal(12, 2), 4.0)
        covered += low <= 0.2 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
    assert two.fieller(0.1, 1.0, 5.0, 1.0) == (-math.inf, math.inf)


def test_so_many_units_have_the_power_asked_for() -> None:
    n = two.units_per_arm(0.1, 1.0)
    assert n == pytest.approx(1569.77, abs=0.02)
    rng, found = np.random.default_rng(1), 0
    means = rng.normal([0.0, 0.1], 1 / math.sqrt(n), (4000, 2))
    found = (np.abs(means[:, 1] - means[:, 0]) / math.sqrt(2 / n) > 1.96).mean()
    assert found == pytest.approx(0.8, abs=0.025)
    assert two.units_per_arm(0.1, 1.0, ratio=2.0) == pytest.approx(n * 0.75)


def test_log_ratio_is_symmetric() -> None:
    up, down = two.log_ratio(30, 100, 45, 110), two.log_ratio(45, 110, 30, 100)
    assert (up.effect, up.low, up.high) == pytest.approx((-down.effect, -down.high, -down.low))
    assert up.effect == pytest.approx(math.log(45 / 110 / 0.3))
