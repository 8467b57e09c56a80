"""Intervals, tests and the e-process against published values, exact enumeration and their defining properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from glow_pipelines.learning.intervals import mcnemar_midp, newcombe_paired, paired_bootstrap, sign_midp, wilson
from glow_pipelines.learning.prompts.eprocess import log_e_value
from glow_pipelines.learning.prompts.power import pairs_needed, power_table

counts = st.integers(0, 40)
# The grid in use stops at .5: the null is "a discordant pair is won with probability <= 1/2".
nulls = st.floats(0.0, 0.5)


def test_wilson_published_value() -> None:
    # Newcombe 1998 (Stat Med 17:857), table I: 81 of 263.
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_holds_its_estimate(successes: int, n: int) -> None:
    successes = min(successes, n)
    interval = wilson(successes, n)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_wilson_without_data_says_so() -> None:
    interval = wilson(0, 0)
    assert (interval.low, interval.high) == (0, 1)
    assert math.isnan(interval.estimate)
    with pytest.raises(ValueError, match="successes=3"):
        wilson(3, 2)


def test_newcombe_paired_published_value() -> None:
    # The airway hyper-responsiveness data of Fagerland, Lydersen, Laake 2014 (1, 1, 7, 12): -0.507 to -0.026.
    interval = newcombe_paired(1, 1, 7, 12)
    assert (round(interval.low, 3), round(interval.high, 3)) == (-0.507, -0.026)


@given(counts, counts, counts, counts)
def test_newcombe_paired_is_antisymmetric_and_holds_its_estimate(both: int, b: int, c: int, neither: int) -> None:
    one, other = newcombe_paired(both, b, c, neither), newcombe_paired(both, c, b, neither)
    assert one.low == pytest.approx(-other.high)
    if both + b + c + neither:
        assert one.low - 1e-12 <= one.estimate <= one.high + 1e-12


def test_newcombe_paired_covers() -> None:
    n, gain, discordance = 60, 0.10, 0.20
    b_rate, c_rate = (discordance + gain) / 2, (discordance - gain) / 2
    rng = np.random.default_rng(1)
    draws = rng.multinomial(n, [0.6, b_rate, c_rate, 1 - 0.6 - discordance], size=2000)
    covered = [newcombe_paired(*map(int, draw)) for draw in draws]
    assert np.mean([each.low <= gain <= each.high for each in covered]) >= 0.94


def test_mcnemar_midp_known_values() -> None:
    assert mcnemar_midp(1, 7) == pytest.approx(2 * binom.cdf(1, 8, 0.5) - binom.pmf(1, 8, 0.5))
    assert round(mcnemar_midp(1, 7), 3) == 0.039  # Fagerland, Lydersen, Laake 2013, the same data
    assert mcnemar_midp(5, 5) == mcnemar_midp(0, 0) == 1.0
    assert sign_midp(0, 0) == 0.5


def test_bootstrap_is_wider_over_groups() -> None:
    rng = np.random.default_rng(3)
    group_effect = np.repeat(rng.normal(size=20), 10)
    names = [f"g{index // 10}" for index in range(200)]
    pairs = paired_bootstrap(group_effect, np.zeros(200), np.random.default_rng(0))
    groups = paired_bootstrap(group_effect, np.zeros(200), np.random.default_rng(0), groups=names)
    assert pairs.estimate == groups.estimate == pytest.approx(group_effect.mean())
    assert groups.high - groups.low > 2 * (pairs.high - pairs.low)
    assert groups.low < groups.estimate < groups.high


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.45, 0.5])
def test_e_value_has_expectation_at_most_one_under_the_null(p: float) -> None:
    for n in range(13):
        expected = sum(binom.pmf(b, n, p) * math.exp(log_e_value(b, n - b)) for b in range(n + 1))
        assert expected <= 1 + 1e-9


@given(st.integers(0, 60), st.integers(0, 60), nulls)
def test_e_process_is_a_supermartingale_step_by_step(b: int, c: int, p: float) -> None:
    now = math.exp(log_e_value(b, c))
    following = p * math.exp(log_e_value(b + 1, c)) + (1 - p) * math.exp(log_e_value(b, c + 1))
    assert following <= now * (1 + 1e-9)
    assert now >= 0


def test_e_process_seldom_crosses_whenever_one_looks() -> None:
    """Exact, by dynamic programming over (b, c): how likely 100 fair pairs, looked at one by one, reach 20."""
    alive, crossed = {0: 1.0}, 0.0
    for n in range(1, 101):
        following: dict[int, float] = {}
        for b, mass in alive.items():
            for won in (0, 1):
                if log_e_value(b + won, n - b - won) >= math.log(20):
                    crossed += mass / 2
                else:
                    following[b + won] = following.get(b + won, 0.0) + mass / 2
        alive = following
    assert sum(alive.values()) + crossed == pytest.approx(1)
    assert 0.01 < crossed <= 0.05


def test_power_table_of_the_design() -> None:
    assert [row.pairs for row in power_table()] == [1235, 444, 172, 110]
    with pytest.raises(ValueError, match="gain"):
        pairs_needed(0.3, discordance=0.18)
