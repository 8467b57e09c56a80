"""Always-valid evidence: published constants, its own integral, a fair game under peeking, interval against test."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate, stats

from glow_pipelines.learning.experiments import always_valid as av

xs, zs, alphas = st.floats(1e-3, 1e4), st.floats(-8, 8), st.floats(1e-4, 0.4)
sided = st.sampled_from([1, 2])


def test_published_constants() -> None:
    assert av.best_x(0.05) == pytest.approx(8.2120, abs=5e-5)
    assert av.best_x(0.05, sides=1) == pytest.approx(6.6924, abs=5e-5)
    assert av.threshold(av.best_x(0.05)) == pytest.approx(3.035, abs=5e-4)
    assert av.mixture_tau(0.01) == pytest.approx(0.01 * math.sqrt(8.21197), rel=1e-5)


@given(zs, st.floats(0.05, 20), sided)
@example(1.2e-304, 0.14, 1)  # a point to break at that is no number apart from the end confuses the quadrature
def test_evidence_is_the_mean_likelihood_ratio_over_the_mixture(z: float, x: float, sides: int) -> None:
    tau = math.sqrt(x)  # with SE = 1

    def weighed(m: float) -> float:
        return math.exp(z * m - m * m / 2) * (2 if sides == 1 else 1) * float(stats.norm.pdf(m, 0, tau))

    middle = z * x / (1 + x)
    low, high = (0.0 if sides == 1 else -abs(middle) - 12), abs(middle) + 12
    inside = [middle] if low + 1e-6 < middle < high else None
    direct = integrate.quad(weighed, low, high, points=inside, limit=200)[0]
    assert av.log_e(z, x, sides) == pytest.approx(math.log(direct), abs=1e-5)


@given(xs, alphas, sided)
def test_the_threshold_is_where_evidence_reaches_one_over_alpha(x: float, alpha: float, sides: int) -> None:
    z = av.threshold(x, alpha, sides)
    assert av.log_e(z, x, sides) == pytest.approx(-math.log(alpha), abs=1e-8)
    assert av.rejects(av.log_e(z * (1 + 1e-9), x, sides), alpha)
    assert not av.rejects(av.log_e(z * (1 - 1e-6), x, sides), alpha)


@given(alphas, sided, st.floats(0.3, 3).filter(lambda factor: abs(factor - 1) > 0.01))
def test_nowhere_is_the_boundary_tighter_than_at_the_best_x(alpha: float, sides: int, factor: float) -> None:
    best = av.best_x(alpha, sides)
    assert av.threshold(best, alpha, sides) < av.threshold(best * factor, alpha, sides)


@given(st.floats(-2, 2), st.floats(0.01, 2), st.floats(0.01, 2), alphas)
def test_the_interval_holds_what_the_test_does_not_refuse(d: float, se: float, tau: float, alpha: float) -> None:
    width = float(av.half_width(se, tau, alpha))
    inside, outside = d - 0.999 * width, d - 1.001 * width
    x = (tau / se) ** 2
    assert not av.rejects(av.log_e((d - inside) / se, x), alpha)
    assert av.rejects(av.log_e((d - outside) / se, x), alpha)


@pytest.mark.parametrize("sides", [1, 2])
def test_evidence_is_a_fair_game_however_often_one_looks(sides: int) -> None:
    """Without a difference its mean stays 1 and it passes 1/α in at most α of the paths, at 400 looks."""
    rng = np.random.default_rng(20 + sides)
    looks, reps, tau = 400, 4000, 0.15
    total = rng.normal(size=(reps, looks)).cumsum(axis=1)
    n = np.arange(1, looks + 1)
    log_e = av.log_e(total / np.sqrt(n), tau**2 * n, sides)
    early = np.exp(log_e[:, 19])  # later the mean hangs on too few paths to be measured
    assert early.mean() == pytest.approx(1, abs=4 * early.std() / math.sqrt(reps))
    ever = (log_e.max(axis=1) >= -math.log(0.05)).mean()
    assert 0.01 < ever <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / reps)
    naive = (np.abs(total / np.sqrt(n)).max(axis=1) > 1.96).mean()
    assert naive > 0.4


def test_the_running_interval_only_shrinks_and_shows_drift() -> None:
    low, high = av.confidence_sequence([0.1, 0.2, 0.0], [0.2, 0.1, 0.05], 0.1)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert low[-1] < high[-1]
    low, high = av.confidence_sequence([1.0, -1.0], [0.05, 0.05], 0.1)
    assert low[-1] > high[-1]
    low, high = av.confidence_sequence([[0.1, 0.2]], [[0.2, 0.1]], 0.1, sides=1)
    assert np.isinf(high).all()
    assert low.shape == (1, 2)


def test_p_is_the_least_so_far_and_strata_multiply() -> None:
    p = av.p_value([-1.0, 2.0, 1.0])
    assert p == pytest.approx([1.0, math.exp(-2), math.exp(-2)])
    assert av.combine([[1.0, 2.0], [0.0, -1.0]]) == pytest.approx([3.0, -1.0])


@given(st.floats(-40, 40), xs)
def test_far_values_stay_finite(z: float, x: float) -> None:
    assert np.isfinite(av.log_e(z, x, 1))
    assert av.log_e(z, x, 1) <= av.log_e(abs(z), x, 2) + math.log(2) + 1e-12


def test_what_is_asked_wrongly_is_refused() -> None:
    with pytest.raises(ValueError, match="sides"):
        av.log_e(1.0, 1.0, sides=3)
    with pytest.raises(ValueError, match="alpha"):
        av.best_x(0.6, sides=1)
    with pytest.raises(ValueError, match="alpha"):
        av.best_x(0.0)
