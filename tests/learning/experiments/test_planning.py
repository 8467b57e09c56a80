"""Planning: the specification's numbers, what clustering and looking cost, and honesty about small traffic."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.experiments import ExperimentPlan, Judged, Traffic, intra_user_correlation, plan_experiment
from glow_pipelines.learning.experiments.metrics import COST, FEEDBACK_RATE, METRICS
from glow_pipelines.learning.experiments.precision import (
    design_effect,
    detectable_effect,
    information_needed,
    looks_cost,
    standard_error,
    users_needed,
)

SMALL = Traffic(50, 1.16, 0.6, 0.3, population=600)
COST_TRAFFIC = Traffic(400, 8, 0.02, 0.2, deviation=0.02)


def test_the_specification_on_six_hundred_users() -> None:
    error = standard_error(SMALL, 600)
    assert error == pytest.approx(0.038, abs=5e-4)
    assert detectable_effect(error) == pytest.approx(0.106, abs=1e-3)
    alone = standard_error(SMALL, 1)
    needed = [users_needed(alone, information_needed(effect, 0.05, 0.8)) for effect in (0.05, 0.02)]
    assert needed == [pytest.approx(2700, rel=0.02), pytest.approx(17_000, rel=0.02)]


def test_the_specification_on_session_units() -> None:
    # 300 users, correlation .3, heavy users: SE .051 with users, .021 with executions (simulation 10).
    heavy = Traffic(20, 7.3, 0.6, 0.3, rated_per_user_cv=math.sqrt(17.5 / 7.3 - 1), sessions_per_user=4)
    assert standard_error(heavy, 300) == pytest.approx(0.051, abs=1e-3)
    assert standard_error(heavy, 300, unit="execution") == pytest.approx(0.021, abs=1e-3)
    assert design_effect(heavy, "execution") == 1
    assert 1 < design_effect(heavy, "session") < design_effect(heavy)


def test_power_is_what_was_asked_for() -> None:
    rng, plan = np.random.default_rng(1), plan_experiment("e#1", Traffic(400, 1, 0.70, 0), effect=0.05)
    assert plan.planned_days == 7  # one planned look, so a test of one look
    users, wins = plan.users_per_arm, 20_000
    c, t = rng.binomial(users, 0.70, wins) / users, rng.binomial(users, 0.75, wins) / users
    error = np.sqrt((c * (1 - c) + t * (1 - t)) / users)
    assert abs((np.abs(t - c) > 1.959964 * error).mean() - 0.80) < 0.02


def test_looking_daily_costs_what_the_specification_says() -> None:
    assert looks_cost(1, 0.05, 0.8) == 1
    assert looks_cost(7, 0.05, 0.8) == pytest.approx(1.073, abs=2e-3)
    assert looks_cost(14, 0.05, 0.8) == pytest.approx(1.087, abs=2e-3)
    one, many = (plan_experiment("e#1", Traffic(d, 1, 0.7, 0.0), effect=0.05) for d in (400, 130))
    assert one.information_max == pytest.approx((2.8016 / 0.05) ** 2, rel=1e-4)
    assert many.information_max / one.information_max == pytest.approx(looks_cost(16, 0.05, 0.8), abs=0.01)


def test_extensions_are_bought_in_advance() -> None:
    week = plan_experiment("e#1", Traffic(1000, 1, 0.6, 0.0))
    assert (week.planned_days, week.maximum_days) == (7, 28)
    longer = plan_experiment("e#1", Traffic(130, 1, 0.6, 0.0))
    assert longer.maximum_days == 2 * longer.planned_days
    assert plan_experiment("e#1", Traffic(1000, 1, 0.6, 0.0), extensions=0).maximum_days == 7
    slow = plan_experiment("e#1", Traffic(70, 1, 0.6, 0.0))
    assert (slow.planned_days, slow.reachable) == (28, True)
    assert any(warning.startswith("slow") for warning in slow.warnings)


def test_never_below_the_minimum_of_users_and_days() -> None:
    plan = plan_experiment("e#1", Traffic(10_000, 20, 0.5, 0.0), effect=0.2, minimum_users=1000)
    assert (plan.users_per_arm, plan.planned_days) == (500, 7)


def test_equal_votes_of_a_user_count_once() -> None:
    once, five = (plan_experiment("e#1", Traffic(1000, rated, 0.7, 1.0)) for rated in (1, 5))
    assert once.users_per_arm == five.users_per_arm
    free = plan_experiment("e#1", Traffic(1000, 5, 0.7, 0.0), minimum_users=2)
    assert free.users_per_arm == pytest.approx(once.users_per_arm / 5, abs=1)


def test_an_uneven_split_needs_more_users() -> None:
    even = plan_experiment("e#1", Traffic(5000, 1, 0.7, 0))
    uneven = plan_experiment("e#1", Traffic(5000, 1, 0.7, 0), treatment_ppm=100_000)
    assert uneven.users_per_arm / 0.1 == pytest.approx(2 * even.users_per_arm * 0.25 / 0.09, rel=0.02)


def test_a_hopeless_plan_says_so_before_it_starts() -> None:
    plan = plan_experiment("e#1", SMALL)
    assert not plan.reachable
    assert plan.detectable == pytest.approx(0.106 * math.sqrt(looks_cost(22, 0.05, 0.8)), abs=2e-3)
    assert "only 600 users are there" in plan.summary
    assert plan.warnings[0].startswith("hopeless as planned: 5.0 points needs 2,9")
    assert any("AB_TEST_MIN_SAMPLE_SIZE" in warning for warning in plan.warnings)
    none = plan_experiment("e#1", Traffic(2, 1, 0.5, 1, population=2))
    assert none.detectable is None
    assert "too few to show any difference" in none.summary


def test_what_would_help_is_told_with_its_numbers() -> None:
    traffic = Traffic(40, 8, 0.6, 0.4, population=1100, sessions_per_user=5, pre_post_correlation=0.8)
    plan = plan_experiment("e#1", traffic)
    options = {option.name: option for option in plan.options}
    assert options["cuped"].error_ratio == pytest.approx(0.6)  # √(1−.8²)
    expected = math.sqrt((1 + (8 / 5 - 1) * 0.4) / (1 + 7 * 0.4))
    assert options["session units"].error_ratio == pytest.approx(expected)
    assert plan.detectable is not None
    for option in options.values():
        assert option.detectable == pytest.approx(plan.detectable * option.error_ratio)
        assert any(option.words == warning for warning in plan.warnings)
    assert plan_experiment("e#1", traffic, unit="session").reachable
    assert plan_experiment("e#1", traffic, primary=Judged("thumbs_up_rate", cuped=True)).users_per_arm < (
        plan.users_per_arm
    )


def test_the_feedback_rate_is_a_guardrail_of_every_experiment() -> None:
    plan = plan_experiment("e#1", Traffic(400, 2, 0.6, 0.2, executions_per_user=8))
    rate = plan.guardrails[0]
    assert (rate.metric, rate.role, rate.baseline) == (FEEDBACK_RATE, "signal", 0.25)
    chosen = plan_experiment("e#1", Traffic(400, 2, 0.6, 0.2), judged=[Judged(FEEDBACK_RATE, role="critical")])
    assert [metric.role for metric in chosen.guardrails] == ["critical"]
    with pytest.raises(ValueError, match="guardrail of every experiment"):
        plan_experiment("e#1", Traffic(400, 2, 0.6, 0.2), judged=[Judged(FEEDBACK_RATE, role="secondary")])
    assert not plan_experiment("e#1", Traffic(400, 8, 0.3, 0.2), primary=FEEDBACK_RATE).guardrails


def test_every_guardrail_is_frozen() -> None:
    judged = [Judged(COST, COST_TRAFFIC, margin=0.1), Judged("latency_slo", threshold=3000.0, role="critical")]
    plan = plan_experiment("e#1", Traffic(400, 4, 0.6, 0.2), judged=judged)
    assert [metric.metric for metric in plan.guardrails] == [FEEDBACK_RATE, COST, "latency_slo"]
    for metric in plan.metrics:
        assert min(metric.tau, metric.tau_harm, metric.standard_error, metric.margin) > 0
        assert metric.tau / metric.standard_error == pytest.approx(8.2120**0.5, abs=1e-4)
    cost = plan.guardrails[1]
    assert (cost.scale, cost.margin, cost.tolerance) == ("log_ratio", 0.1, METRICS[COST].tolerance)
    assert plan.guardrails[2].threshold == 3000.0
    tight = plan_experiment("e#1", Traffic(400, 4, 0.6, 0.2), judged=[Judged(COST, COST_TRAFFIC, margin=0.001)])
    assert any("guardrail cost" in warning for warning in tight.warnings)


def test_non_inferiority_plans_by_its_margin_and_asks_for_a_cost() -> None:
    options: dict[str, Any] = {"objective": "non_inferiority", "effect": 0.03}
    plan = plan_experiment("e#1", Traffic(400, 4, 0.6, 0.2), judged=[Judged(COST, COST_TRAFFIC)], **options)
    assert plan.primary.margin == 0.03
    assert plan.cost is not None
    with pytest.raises(ValueError, match="cost_mean"):
        plan_experiment("e#1", Traffic(400, 4, 0.6, 0.2), **options)


@pytest.mark.parametrize(
    ("traffic", "options", "said"),
    [
        (Traffic(10, 1, 0.97, 0), {"effect": 0.05}, "must leave both rates"),
        (Traffic(10, 1, 0.0, 0), {}, "must leave"),
        (Traffic(10, 1, 0.5, 0), {"effect": 0.0}, "must leave"),
        (Traffic(0, 1, 0.5, 0), {}, "got"),
        (Traffic(10, 1, 0.5, 2), {}, "got"),
        (Traffic(10, 1, 0.5, 0), {"treatment_ppm": 1_000_000}, "got"),
        (Traffic(10, 1, 0.5, 0), {"confidence": 1.0}, "got"),
        (Traffic(10, 1, 0.5, 0), {"primary": "happiness"}, "metric: one of"),
        (Traffic(10, 1, 4.0, 0), {"primary": "mean_rating"}, "needs the deviation"),
        (Traffic(10, 1, 0.5, 0), {"judged": [Judged(COST)]}, "traffic of its own"),
        (Traffic(10, 1, 0.5, 0), {"judged": [Judged("score"), Judged("score")]}, "traffic of its own"),
        (Traffic(10, 1, 0.5, 0), {"judged": [Judged("thumbs_up_rate")]}, "named once"),
    ],
)
def test_impossible_plans_are_refused(traffic: Traffic, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan_experiment("e#1", traffic, **options)


@given(st.floats(0.05, 0.9), st.floats(0, 1), st.floats(0.2, 30))
@settings(deadline=None, max_examples=25)
def test_correlation_never_makes_an_experiment_cheaper(base: float, correlation: float, rated: float) -> None:
    # One planned look: what more looks cost is solved once a number of them, and tested above.
    alone = plan_experiment("e#1", Traffic(5e4, rated, base, 0.0))
    alike = plan_experiment("e#1", Traffic(5e4, rated, base, correlation))
    assert alike.users_per_arm >= alone.users_per_arm
    assert design_effect(Traffic(50, rated, base, correlation)) >= 1
    assert ExperimentPlan.from_json(json.loads(json.dumps(alike.to_json()))) == alike


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


def test_the_planned_error_is_what_users_show() -> None:
    """Users who never rate count as users: the formula over E[N] with zeros included gives the simulated error."""
    rng, traffic_n = np.random.default_rng(3), rng_rated(np.random.default_rng(4), 200_000)
    mean, cv = float(traffic_n.mean()), float(traffic_n.std() / traffic_n.mean())
    planned = standard_error(Traffic(1, mean, 0.6, 0.3, rated_per_user_cv=cv), 800)
    found = []
    for _ in range(1500):
        rates = []
        for _arm in range(2):
            n = rng_rated(rng, 400)
            own = rng.beta(0.6 * (1 / 0.3 - 1), 0.4 * (1 / 0.3 - 1), 400)
            rates.append(rng.binomial(n, own).sum() / n.sum())
        found.append(rates[1] - rates[0])
    assert np.std(found) == pytest.approx(planned, rel=0.06)


def rng_rated(rng: np.random.Generator, users: int) -> Any:
    return np.where(rng.random(users) < 0.4, 0, rng.geometric(0.3, users))


def test_where_only_the_minimum_of_users_lacks_it_is_what_is_told() -> None:
    costs = Traffic(160, 8, 0.02, 0.2, deviation=0.004, population=640)
    plan = plan_experiment("e#1", costs, primary=COST, effect=0.05)
    needed = int(plan.summary.partition(" needs ")[2].partition(" ")[0].replace(",", ""))
    assert needed < 640
    assert not plan.reachable
    (told,) = (warning for warning in plan.warnings if "AB_TEST_MIN_SAMPLE_SIZE" in warning)
    assert told.startswith("hopeless as planned: no decision is made on fewer than 1,000 users")
    assert f"5.1 % in cost needs only {needed:,}" in told
    assert sum("hopeless" in warning for warning in plan.warnings) == 1
    assert plan.options
    assert not any(option.words in plan.warnings for option in plan.options)
    assert not any("at best" in warning for warning in plan.warnings)
    assert not any("too few to show" in each for each in (plan.summary, *plan.warnings))


def test_where_effect_and_minimum_lack_each_is_told_once() -> None:
    told = [warning for warning in plan_experiment("e#1", SMALL).warnings if "users" in warning]
    assert told[0].startswith("hopeless as planned: 5.0 points needs 2,9")
    assert "AB_TEST_MIN_SAMPLE_SIZE" in told[0]
    assert sum("AB_TEST_MIN_SAMPLE_SIZE" in warning for warning in told) == 1


def test_waiting_for_the_minimum_is_slow() -> None:
    plan = plan_experiment("e#1", Traffic(30, 8, 0.6, 0.0), effect=0.1)
    assert plan.planned_days == 28
    (slow,) = (warning for warning in plan.warnings if warning.startswith("slow"))
    assert "1,000 users (AB_TEST_MIN_SAMPLE_SIZE) take 34 days" in slow


@pytest.mark.parametrize("minimum", [2, 1000])
def test_another_way_takes_no_fewer_days_than_a_plan_may(minimum: int) -> None:
    fast = Traffic(100, 8, 0.6, 0.4, sessions_per_user=5, pre_post_correlation=0.8)
    plan = plan_experiment("e#1", fast, effect=0.2, minimum_users=minimum)
    assert len(plan.options) == 3
    assert {option.days for option in plan.options} == {max(7, minimum // 100)}
    assert {option.days for option in plan_experiment("e#1", replace(fast, population=600), effect=0.2).options} == {
        None
    }
