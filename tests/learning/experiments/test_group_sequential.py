"""Boundaries for planned looks: published tables, α spent exactly, any schedule, and simulated walks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glow_pipelines.learning.experiments import group_sequential as planned

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
spendings = st.sampled_from(["power2", "power1", "power3", "obrien_fleming", "obrien_fleming_total", "pocock", "hsd-4"])
schedules = st.lists(st.integers(1, 40), min_size=1, max_size=8, unique=True).map(lambda t: [x / 40 for x in sorted(t)])


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        ("obrien_fleming", (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ("obrien_fleming_total", (4.383, 3.100, 2.553, 2.254, 2.064)),
        ("pocock", (2.4380, 2.4268, 2.4102, 2.3966, 2.3860)),
        ("power2", (3.0902, 2.7141, 2.4728, 2.2799, 2.1140)),
    ],
)
def test_published_boundaries(spending: str, published: tuple[float, ...]) -> None:
    assert planned.boundaries(FIFTHS, spending=spending) == pytest.approx(published, abs=5e-4)


def test_published_constants() -> None:
    assert planned.classical_constant(5) == pytest.approx(2.413, abs=5e-4)
    assert planned.classical_constant(5, delta=0.0) == pytest.approx(2.040, abs=5e-4)
    assert planned.inflation(14) == pytest.approx(1.087, abs=5e-4)
    assert planned.inflation(7) == pytest.approx(1.073, abs=5e-4)
    assert planned.inflation(7, spending="obrien_fleming") == pytest.approx(1.032, abs=5e-4)
    t = np.arange(1, 15) / 14
    z = planned.boundaries(t)
    drift = planned.drift_for_power(t, z)
    assert planned.mean_fraction(t, z, drift) * planned.inflation(14) == pytest.approx(0.75, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(schedules, spendings, st.floats(0.001, 0.2))
def test_alpha_is_spent_as_planned_and_nothing_more(t, spending: str, alpha: float) -> None:
    z = planned.boundaries(t, alpha, spending)
    assert planned.crossing(t, z).either == pytest.approx(planned.spent(t, alpha, spending), abs=1e-6)
    assert planned.spent(1.0, alpha, spending) == pytest.approx(alpha)
    assert planned.spent(7.0, alpha, spending) == pytest.approx(alpha)
    assert planned.spent(0.0, alpha, spending) == pytest.approx(0.0)


@pytest.mark.parametrize("t", [0.9999999916823623, 0.9999999999945046])
def test_a_look_a_hair_after_the_last_divides_by_next_to_nothing(t: float) -> None:
    # Between two points of the grid no density is left, and a slope of 1e-320 overflowed the step.
    for alpha in (0.05, 0.1):
        first = planned.next_boundary([], t, alpha)
        assert planned.next_boundary([(t, first)], 1.0, alpha) >= first - 1e-3


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 25), st.sampled_from(["power2", "obrien_fleming"]))
def test_equal_looks_need_less_and_less(looks: int, spending: str) -> None:
    z = planned.boundaries(np.arange(1, looks + 1) / looks, spending=spending)
    assert (np.diff(z) < 0).all()
    assert z[-1] >= 1.9599


@settings(max_examples=15, deadline=None)
@given(schedules, spendings)
def test_one_boundary_after_the_other_is_all_at_once(t, spending: str) -> None:
    taken: list[tuple[float, float]] = []
    for at in t:
        taken.append((at, planned.next_boundary(taken, at, spending=spending)))
    assert [c for _, c in taken] == pytest.approx(planned.boundaries(t, spending=spending).tolist(), abs=1e-7)


def test_a_past_look_never_hands_its_alpha_out_again() -> None:
    taken = [(0.5, 1.96), (0.6, 1.96)]  # boundaries far below plan: more was spent than α·t² allows at 0.7
    assert planned.next_boundary(taken, 0.65) == math.inf
    assert planned.next_boundary([*taken, (0.65, math.inf)], 1.0) == math.inf
    with pytest.raises(ValueError, match="did not rise"):
        planned.next_boundary([(0.5, 2.5)], 0.5)


def test_an_infinite_boundary_ends_nothing() -> None:
    crossed = planned.crossing([0.5, 1.0], [math.inf, 1.959964])
    assert crossed.either == pytest.approx([0.0, 0.05], abs=1e-7)


def test_simulated_walks_cross_as_often_as_computed() -> None:
    rng = np.random.default_rng(4)
    t = np.array([0.1, 0.35, 0.4, 0.8, 1.0])
    z = planned.boundaries(t)
    steps = rng.normal(size=(40_000, 5)) * np.sqrt(np.diff(t, prepend=0.0))
    for drift in (0.0, 2.8):
        walks = (steps.cumsum(axis=1) + drift * t) / np.sqrt(t)
        out = np.abs(walks) >= z
        ended = np.logical_or.accumulate(out, axis=1).mean(axis=0)
        crossed = planned.crossing(t, z, drift)
        assert crossed.either == pytest.approx(ended, abs=4 * 0.5 / math.sqrt(40_000))
        ends = np.where(out.any(axis=1), t[out.argmax(axis=1)], 1.0)
        assert planned.mean_fraction(t, z, drift) == pytest.approx(ends.mean(), abs=0.01)


def test_one_look_is_the_ordinary_test() -> None:
    assert planned.boundaries([1.0], 0.05) == pytest.approx([stats.norm.ppf(0.975)])
    assert planned.boundaries([1.0], 0.025, sides=1) == pytest.approx([stats.norm.ppf(0.975)])
    assert planned.power([1.0], [1.959964], 2.8015852) == pytest.approx(0.8, abs=1e-6)


def test_the_other_side_takes_next_to_nothing_away() -> None:
    one, two = planned.boundaries(FIFTHS, 0.025, sides=1), planned.boundaries(FIFTHS, 0.05)
    assert 0 < (one - two).max() < 1e-5


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_many_experiments_at_once_are_each_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.minimum(1.0, rng.uniform(0.08, 0.2, (5, 6)).cumsum(axis=1) / 1.21)
    z = planned.boundaries(t, points=96)
    for i in range(5):
        assert z[i] == pytest.approx(planned.boundaries(t[i]), abs=2e-5)
    assert planned.crossing(t, z, points=96).either[:, -1] == pytest.approx(planned.spent(t[:, -1]), abs=2e-5)


def test_looks_close_together_lose_no_probability() -> None:
    t = np.array([0.5, 0.5001, 0.5002, 1.0])
    assert planned.crossing(t, planned.boundaries(t)).either[-1] == pytest.approx(0.05, abs=1e-5)


def test_what_is_asked_wrongly_is_refused() -> None:
    for t in ([0.5, 0.5], [0.0, 1.0], [0.5, 1.1], []):
        with pytest.raises(ValueError, match="information fractions"):
            planned.boundaries(t)
    with pytest.raises(ValueError, match="spending must be power2"):
        planned.boundaries([1.0], spending="all at once")


@given(st.floats(0, 11.9), st.floats(1, 1e7))
def test_a_widened_boundary_is_as_rare_under_students_t(c: float, df: float) -> None:
    edge = planned.widened(c, df)
    assert edge >= c - 1e-12
    assert stats.t.logsf(edge, df) == pytest.approx(stats.norm.logsf(c), rel=1e-6)


def test_nothing_to_widen() -> None:
    assert planned.widened([2.0, math.inf, 2.0], [math.inf, 30.0, math.nan]).tolist() == [2.0, math.inf, 2.0]
    assert planned.widened(2.0, 60.0) == pytest.approx(stats.t.isf(stats.norm.sf(2.0), 60))
