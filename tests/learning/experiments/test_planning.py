"""Planning: published sample sizes, what clustering costs, and honesty about small traffic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.experiments import Traffic, intra_user_correlation, plan_experiment
from glow_pipelines.learning.experiments.planning import (
    design_effect,
    detectable_effect,
    mixture_tau,
    users_for_two_proportions,
)


@pytest.mark.parametrize(("p1", "p2", "users"), [(0.70, 0.75, 1251), (0.75, 0.70, 1251), (0.5, 0.6, 388)])
def test_users_for_two_proportions(p1: float, p2: float, users: int) -> None:
    assert users_for_two_proportions(p1, p2) == users


@pytest.mark.parametrize("arguments", [(0.5, 0.5), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5)])
def test_impossible_questions_are_refused(arguments: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="two different rates"):
        users_for_two_proportions(*arguments)


def test_power_is_what_was_asked_for() -> None:
    rng, users = np.random.default_rng(1), 1251
    c, t = rng.binomial(users, 0.70, 20_000) / users, rng.binomial(users, 0.75, 20_000) / users
    pooled = (c + t) / 2
    won = np.abs(t - c) > 1.959964 * np.sqrt(2 * pooled * (1 - pooled) / users)
    assert abs(won.mean() - 0.80) < 0.012  # four standard errors of 20 000 repetitions


def test_mixture_tau_of_the_specification() -> None:
    assert mixture_tau(1.0, 0.05) ** 2 == pytest.approx(8.2120, abs=5e-5)


def test_independent_votes_need_the_textbook_sample() -> None:
    plan = plan_experiment("e#1", Traffic(100, 1, 0.70, 0.3), effect=0.05)
    assert (plan.users_per_arm, plan.planned_days, plan.maximum_days) == (1251, 26, 51)
    assert plan.design_effect == 1
    assert plan.reachable


def test_equal_votes_of_a_user_count_once() -> None:
    assert plan_experiment("e#1", Traffic(100, 5, 0.70, 1.0)).users_per_arm == 1251
    assert plan_experiment("e#1", Traffic(100, 5, 0.70, 0.0), minimum_users=2).users_per_arm == math.ceil(1251 / 5)


def test_never_below_the_minimum_of_users_and_days() -> None:
    plan = plan_experiment("e#1", Traffic(10_000, 20, 0.5, 0.0), effect=0.2, minimum_users=1000)
    assert plan.users_per_arm == 500
    assert plan.planned_days == 7


def test_small_arm_decides_when_the_split_is_uneven() -> None:
    plan = plan_experiment("e#1", Traffic(100, 1, 0.70, 0), treatment_ppm=100_000)
    assert plan.users_per_arm == 1251
    assert plan.planned_days == math.ceil(12_510 / 100)


def test_small_populations_are_told_what_they_can_see() -> None:
    plan = plan_experiment("e#1", Traffic(50, 1.16, 0.6, 0.3, population=600))
    assert not plan.reachable
    assert "only 600 users" in plan.summary
    # the specification's example: 600 users, correlation .3, base 60 % see 10.6 points
    assert detectable_effect(Traffic(50, 1.16, 0.6, 0.3), 300) == pytest.approx(0.106, abs=0.001)
    assert "enough for a difference of" in plan.summary


def test_too_few_users_are_not_told_of_a_difference_that_cannot_be() -> None:
    assert "too few to show any difference" in plan_experiment("e#1", Traffic(2, 1, 0.5, 1, population=2)).summary


@pytest.mark.parametrize(
    ("traffic", "options"),
    [
        (Traffic(10, 1, 0.97, 0), {"effect": 0.05}),
        (Traffic(10, 1, 0.0, 0), {}),
        (Traffic(10, 1, 0.5, 0), {"effect": 0.0}),
        (Traffic(0, 1, 0.5, 0), {}),
        (Traffic(10, 1, 0.5, 2), {}),
        (Traffic(10, 1, 0.5, 0), {"treatment_ppm": 1_000_000}),
    ],
)
def test_impossible_plans_are_refused(traffic: Traffic, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"got|must leave"):
        plan_experiment("e#1", traffic, **options)  # type: ignore[arg-type]


@given(st.floats(0.05, 0.9), st.floats(0, 1), st.floats(1, 30))
def test_correlation_never_makes_an_experiment_cheaper(base: float, correlation: float, rated: float) -> None:
    alone = plan_experiment("e#1", Traffic(50, rated, base, 0.0))
    alike = plan_experiment("e#1", Traffic(50, rated, base, correlation))
    assert alike.users_per_arm >= alone.users_per_arm
    assert design_effect(Traffic(50, rated, base, correlation)) >= 1


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.4])
def test_correlation_is_recovered_from_users(truth: float) -> None:
    rng = np.random.default_rng(5)
    rated = rng.integers(1, 12, 8000)
    share = rng.beta(0.6 * (1 / truth - 1), 0.4 * (1 / truth - 1), 8000) if truth else np.full(8000, 0.6)
    found = intra_user_correlation(rng.binomial(rated, share).tolist(), rated.tolist())
    assert found == pytest.approx(truth, abs=0.02)


def test_correlation_without_repeats_is_the_worst_case() -> None:
    assert intra_user_correlation([1, 0, 1], [1, 1, 1]) == 1.0
    assert intra_user_correlation([], []) == 1.0
    assert intra_user_correlation([3, 3], [3, 3]) == 0.0  # nothing varies at all
