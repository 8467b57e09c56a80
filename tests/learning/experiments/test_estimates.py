"""Estimates from moments: against brute force over users, other software where it is installed, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.experiments.estimates import (
    ArmMoments,
    CrossedMoments,
    Estimate,
    arm_difference,
    crossed_difference,
    estimate,
    planned_clusters,
)
from glow_pipelines.learning.experiments.moments import Moments, moments_of

FOUR = ("s", "n", "xs", "xn")


def users(seed: int, count: int = 60, effect: float = 0.0) -> np.ndarray:
    """One row per user: ups and votes now and before, alike within a user."""
    rng = np.random.default_rng(seed)
    rate, n, before = rng.beta(2, 2, count), 1 + rng.poisson(4, count), 1 + rng.poisson(3, count)
    now = np.clip(rate + effect, 0, 1)
    return np.column_stack([rng.binomial(n, now), n, rng.binomial(before, rate), before]).astype(float)


def arms(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray, ArmMoments]:
    c, t = users(seed, count), users(seed + 1000, count, 0.1)
    return c, t, ArmMoments(Moments.of(FOUR, c), Moments.of(FOUR, t))


def jackknife(c: np.ndarray, t: np.ndarray, statistic) -> float:
    """Standard error by leaving out each user once."""
    total = 0.0
    for keep, other, first in ((c, t, True), (t, c, False)):
        values = []
        for i in range(len(keep)):
            rest = np.delete(keep, i, axis=0)
            values.append(statistic(rest, other) if first else statistic(other, rest))
        total += (len(keep) - 1) / len(keep) * ((values - np.mean(values)) ** 2).sum()
    return math.sqrt(total)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["absolute", "log_ratio"]))
def test_the_standard_error_is_that_of_leaving_users_out(seed: int, scale) -> None:
    c, t, moments = arms(seed)

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        r_c, r_t = a[:, 0].sum() / a[:, 1].sum(), b[:, 0].sum() / b[:, 1].sum()
        return math.log(r_t / r_c) if scale == "log_ratio" else r_t - r_c

    found = must(estimate(moments, scale=scale))
    assert found.difference == pytest.approx(statistic(c, t), abs=1e-12)
    assert found.standard_error == pytest.approx(jackknife(c, t, statistic), rel=0.05)
    worth = t[:, 1].sum() ** 2 / (t[:, 1] ** 2).sum()
    assert found.effective_clusters[1] == pytest.approx(worth)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_cuped_is_the_regression_on_what_was_before(seed: int) -> None:
    c, t, _ = arms(seed)
    for rows in (c, t):
        rows[:, 1] = rows[:, 3] = 1.0  # a value per user: the ratio is the mean, CUPED an analysis of covariance
    moments = ArmMoments(Moments.of(FOUR, c), Moments.of(FOUR, t))
    found = must(estimate(moments, cuped=True))
    treated = np.r_[np.zeros(len(c)), np.ones(len(t))]
    both = np.r_[c, t]
    design = np.column_stack([np.ones(len(both)), treated, both[:, 2]])
    b = np.linalg.lstsq(design, both[:, 0], rcond=None)[0]
    assert found.difference == pytest.approx(b[1], abs=1e-10)
    assert found.theta == pytest.approx(b[2], abs=1e-10)
    assert found.standard_error <= must(estimate(moments)).standard_error * (1 + 1e-12)


def test_cuped_needs_something_before() -> None:
    c, t, _ = arms(1)
    c[:, 2:] = t[:, 2:] = 0.0
    nobody = ArmMoments(Moments.of(FOUR, c), Moments.of(FOUR, t))
    found, plain = must(estimate(nobody, cuped=True)), must(estimate(nobody))
    assert found.theta is None
    assert (found.difference, found.standard_error) == pytest.approx((plain.difference, plain.standard_error))
    short = ArmMoments(*(Moments.of(("s", "n"), rows[:, :2]) for rows in (c, t)))
    assert must(estimate(short, cuped=True)).difference == plain.difference


def test_both_forms_agree_where_no_cluster_is_in_both_arms() -> None:
    c, t, moments = arms(5)
    wide = np.zeros((len(c) + len(t), 4))
    wide[: len(c), :2], wide[len(c) :, 2:] = c[:, :2], t[:, :2]
    crossed = CrossedMoments(Moments.of(("sc", "nc", "st", "nt"), wide), len(c), len(t))
    one, two = must(estimate(crossed)), must(estimate(moments))
    assert one.difference == pytest.approx(two.difference, abs=1e-12)
    n = len(c) + len(t)
    assert one.standard_error == pytest.approx(two.standard_error * math.sqrt((n / (n - 1)) * (59 / 60)), rel=1e-9)
    log_one, log_two = must(estimate(crossed, scale="log_ratio")), must(estimate(moments, scale="log_ratio"))
    assert log_one.standard_error == pytest.approx(log_two.standard_error, rel=0.01)


def test_what_a_user_brings_to_both_arms_cancels() -> None:
    """The simulated spread of differences is what the crossed form says, and far below that of whole users."""
    rng = np.random.default_rng(8)
    rate = rng.beta(1, 1, (2000, 100, 1))
    n = 1 + rng.poisson(3, (2000, 100, 2))
    s = rng.binomial(n, rate)
    values = np.stack([s[..., 0], n[..., 0], s[..., 1], n[..., 1]], axis=-1).astype(float)
    count, mean, products = moments_of(values)
    found = crossed_difference(count, mean, products)
    spread = found.difference.std(ddof=1)
    assert np.sqrt((found.standard_error**2).mean()) == pytest.approx(spread, rel=0.06)
    half = values[:, :50], values[:, 50:]
    (n_c, m_c, p_c), (n_t, m_t, p_t) = (moments_of(h[..., i : i + 2]) for h, i in zip(half, (0, 2), strict=True))
    whole = arm_difference(n_c, m_c, p_c, n_t, m_t, p_t)
    assert found.standard_error.mean() < 0.62 * whole.standard_error.mean()
    assert np.abs(found.difference / found.standard_error > 1.96).mean() < 0.04


def test_crossed_cuped_uses_what_was_before_by_arm() -> None:
    rng = np.random.default_rng(3)
    before = rng.normal(0, 1, 400)
    n = 1 + rng.poisson(3, (400, 2))
    s = n * (5 + 2 * before[:, None]) + rng.normal(0, 0.5, (400, 2))
    rows = np.column_stack([s[:, 0], n[:, 0], s[:, 1], n[:, 1], n * before[:, None]])
    moments = CrossedMoments(Moments.of(("sc", "nc", "st", "nt", "xc", "xt"), rows), 400, 400)
    plain, adjusted = must(estimate(moments)), must(estimate(moments, cuped=True))
    assert adjusted.theta == pytest.approx(2, abs=0.1)
    assert adjusted.standard_error < 0.3 * plain.standard_error


def test_many_experiments_at_once_are_each_alone() -> None:
    pairs = [arms(seed) for seed in range(7)]
    c, t = (moments_of(np.stack([pair[i] for pair in pairs])) for i in (0, 1))
    found = arm_difference(*c, *t, scale="log_ratio")
    for i, (_, _, moments) in enumerate(pairs):
        one = must(estimate(moments, scale="log_ratio", cuped=True))
        assert found.difference[i] == pytest.approx(one.difference, abs=1e-12)
        assert found.standard_error[i] == pytest.approx(one.standard_error, rel=1e-12)


def test_no_estimate_where_there_is_none() -> None:
    c, _, moments = arms(2)
    nobody = Moments.none(FOUR)
    assert estimate(ArmMoments(nobody, moments.treatment)) is None
    silent = c.copy()
    silent[:, :2] = 0.0
    assert estimate(ArmMoments(Moments.of(FOUR, silent), moments.treatment)) is None
    bad = c.copy()
    bad[:, 0] = 0.0
    never = ArmMoments(Moments.of(FOUR, bad), moments.treatment)
    assert estimate(never, scale="log_ratio") is None
    assert must(estimate(never)).control == 0.0
    assert estimate(CrossedMoments(Moments.none(("sc", "nc", "st", "nt")), 0, 0)) is None


def test_all_alike_is_certain() -> None:
    same = Moments.of(("s", "n"), [[1.0, 2.0]] * 5)
    found = must(estimate(ArmMoments(same, same)))
    assert (found.difference, found.standard_error, found.z) == (0.0, 0.0, 0.0)
    more = must(estimate(ArmMoments(same, Moments.of(("s", "n"), [[2.0, 2.0]] * 5))))
    assert more.z == math.inf


def test_cluster_robust_regression_agrees() -> None:
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    c, t, moments = arms(11)
    rows = [
        (s > i, a, (a, u)) for a, arm in enumerate((c, t)) for u, (s, n, *_) in enumerate(arm) for i in range(int(n))
    ]
    y, treated = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float)
    groups = np.unique([str(r[2]) for r in rows], return_inverse=True)[1]
    options = {"groups": groups, "use_correction": False, "df_correction": False}
    fit = sm.OLS(y, sm.add_constant(treated)).fit(cov_type="cluster", cov_kwds=options)
    found = must(estimate(moments))
    assert found.difference == pytest.approx(fit.params[1], abs=1e-10)
    assert found.standard_error * math.sqrt(59 / 60) == pytest.approx(fit.bse[1], abs=1e-10)


def must(found: Estimate | None) -> Estimate:
    assert found is not None
    return found


def test_planned_looks_take_fewer_degrees_of_freedom_where_few_users_do_much() -> None:
    rng = np.random.default_rng(11)
    even = np.stack([rng.binomial(1, 0.6, 400), np.ones(400)], -1)
    found = must(estimate(ArmMoments(Moments.of(("s", "n"), even), Moments.of(("s", "n"), even[:300]))))
    assert found.planned_df == pytest.approx(found.df)
    n = np.ceil(rng.lognormal(0, 1.5, 400))
    heavy = Moments.of(("s", "n"), np.stack([rng.binomial(n.astype(int), 0.6), n], -1))
    found = must(estimate(ArmMoments(heavy, heavy)))
    assert 2 <= found.planned_df < found.df / 2
    # Users who never vote make nobody heavy.
    silent = Moments.of(("s", "n"), np.vstack([even, np.zeros((4000, 2))]))
    found = must(estimate(ArmMoments(silent, silent)))
    assert found.planned_df == pytest.approx(found.df) == pytest.approx(2 * 399, rel=1e-6)


def test_planned_clusters_are_between_two_and_the_effective_ones() -> None:
    assert planned_clusters([100.0, 50.0, 10.0, 0.0], [100, 400, 1000, 5], [100, 900, 9000, 0]).tolist() == [
        100.0,
        6.25,
        2.0,
        2.0,
    ]
